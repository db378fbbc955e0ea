//! Real messages from public sources, each with what is to be read of it. They lie outside the project.

use std::collections::BTreeSet;
use std::fs;

use tidegate::decode::{decode, decode_strictly};
use tidegate::event::{Body, Position, Record, SentAt, Unreadable};
use tidegate::settings::Route;

#[path = "common/shared.rs"]
mod shared;

/// File name and what is read of it: the kind of body with its numbers, or the code of a dead letter. A name that ends
/// in `*` stands for all files that begin so and no longer name does.
const EXPECTED: &[(&str, &str)] = &[
    ("bodhi_tag__empty_body.json", "no_tag"),
    ("bodhi_tag__s390_secondary_instance.json", "bad_topic"),
    // Projections of real messages without their bodies.
    ("datagrepper_*", "no_body"),
    ("dump_build.state.change__prusa-slicer_canceled_full.json", "build 2860061 4 Some(139004033)"),
    ("dump_rpm.sign__*", "unused"),
    (
        "fedmsg_prod.buildsys.build.state.change__TestKojiBuildStateChangeCancel.json",
        "build 614503 4 Some(9053697)",
    ),
    (
        "fedmsg_prod.buildsys.build.state.change__TestKojiBuildStateChangeComplete.json",
        "build 612324 1 Some(8973154)",
    ),
    (
        "fedmsg_prod.buildsys.build.state.change__TestKojiBuildStateChangeFail.json",
        "build 288888 3 Some(1739950)",
    ),
    (
        "fedmsg_prod.buildsys.build.state.change__TestKojiBuildStateChangeStart.json",
        "build 12345 0 Some(4642)",
    ),
    (
        "fedmsg_prod.buildsys.build.state.change__TestKojiBuildStateChangeStartNoOwner.json",
        "build 12345 0 Some(4642)",
    ),
    ("fedmsg_prod.buildsys.package.list.change__*", "package f17 almanah"),
    ("fedmsg_prod.buildsys.repo.*", "unused"),
    ("fedmsg_prod.buildsys.rpm.sign__*", "unused"),
    // The first years' messages named no build.
    ("fedmsg_prod.buildsys.tag__*", "no_build_id"),
    ("fedmsg_prod.buildsys.untag__*", "no_build_id"),
    ("fedmsg_prod.buildsys.task.state.change__*", "unused"),
    ("fedmsg_stg.*", "other"),
    ("kaijs_tag__no_tag_id.json", "tag f33-updates 1728223"),
    ("kfmm_build__msg_build_complete.json", "build 1478312 1 None"),
    ("kfmm_build__test_build_state_change_livecd.json", "build 2339329 2 Some(111136700)"),
    ("kfmm_package__test_package_list_change_message1.json", "package f31 rust-ripgrep"),
    ("kfmm_package__test_package_list_change_message2.json", "package f31-build-side-20267 rust-dua-cli"),
    ("kfmm_repo__*", "unused"),
    ("kfmm_rpm__*", "unused"),
    ("kfmm_tag__null_tag.json", "no_tag"),
    ("kfmm_tag__test_tag_message.json", "tag f31-updates-pending 1457909"),
    ("kfmm_tag__test_untag_message.json", "untag epel8-signing-pending 1478431"),
    ("kfmm_task__*", "unused"),
    // The history of a build, no message.
    ("koji_history_*", "no_topic"),
    ("kojiplugin_build.state.change__build_complete.json", "build 2211083 1 Some(101962689)"),
    ("kojiplugin_build.state.change__build_fail.json", "build 2211099 3 Some(101962163)"),
    ("kojiplugin_build.state.change__build_image.json", "build 2211103 1 Some(101962703)"),
    ("kojiplugin_build.state.change__build_start.json", "build 2211149 0 Some(101963955)"),
    ("kojiplugin_package.list.change__*", "package f39 nats-server"),
    ("kojiplugin_repo.*", "unused"),
    ("kojiplugin_rpm.sign__*", "unused"),
    ("kojiplugin_tag__tag.json", "tag epel9-build-side-68659 2209268"),
    ("kojiplugin_task.state.change__*", "unused"),
    ("kojiplugin_untag__untag.json", "untag f39-updates-testing-pending 2211093"),
    ("robosignatory_tag__*", "tag f31-pending 1"),
];

/// Files of one message a line: lines, and how many of each kind.
const LINES: &[(&str, &[(&str, usize)])] = &[
    ("build-lifecycle.jsonl", &[("build", 8), ("tag", 9), ("unused", 4)]),
    ("masstag-call-500.jsonl", &[("tag", 500)]),
    ("masstag-multicalls-500.jsonl", &[("tag", 500)]),
];

fn read(value: &[u8]) -> (Result<String, String>, SentAt) {
    let route = Route {
        topic_prefix: "org.fedoraproject.prod.buildsys.".to_owned(),
        instances: vec!["primary".to_owned()],
    };
    let position = Position { partition: 0, offset: 1 };
    let record = Record { position, kafka_millis: None, headers: &[], value, cut: false };
    let decoded = decode(&route, &record);
    assert_eq!(decoded, decode_strictly(&route, &record));
    match decoded {
        Ok(decoded) => (Ok(kind(&decoded.body)), decoded.sent_at),
        Err(Unreadable { code, sent_at, .. }) => (Err(code.to_owned()), sent_at),
    }
}

fn kind(body: &Body<'_>) -> String {
    match body {
        Body::Tag(tagging) => format!("tag {} {}", tagging.tag, tagging.build_id),
        Body::Untag(tagging) => format!("untag {} {}", tagging.tag, tagging.build_id),
        Body::BuildState(state) => format!("build {} {} {:?}", state.build_id, state.new, state.task_id),
        Body::PackageList(change) => format!("package {} {}", change.tag, change.package),
        Body::Unused => "unused".to_owned(),
        Body::OtherTopic => "other".to_owned(),
    }
}

/// The expectation whose name fits best.
fn expectation(name: &str) -> Option<(&'static str, &'static str)> {
    let fits = |pattern: &str| match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    };
    EXPECTED.iter().copied().filter(|(pattern, _)| fits(pattern)).max_by_key(|(pattern, _)| pattern.len())
}

#[test]
fn every_real_sample_is_read_as_expected() {
    let Some(folder) = shared::shared() else { return };
    let mut used = BTreeSet::new();
    for entry in fs::read_dir(folder.join("reference/messages")).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.path().extension().is_none_or(|extension| extension != "json") {
            let known = name == "SOURCES.txt" || LINES.iter().any(|(file, _)| *file == name);
            assert!(known, "no expectation for {name}");
            continue;
        }
        let (pattern, expected) = expectation(&name).unwrap_or_else(|| panic!("no expectation for {name}"));
        used.insert(pattern);
        let value = fs::read(entry.path()).unwrap();
        let (found, sent_at) = read(&value);
        assert_eq!(found.unwrap_or_else(|code| code), expected, "{name}");
        // Legacy messages and dumps carry a time, bare fixtures none.
        let timed = name.starts_with("fedmsg_") || name.starts_with("dump_");
        assert_eq!(matches!(sent_at, SentAt::At(_)), timed, "{name}: {sent_at:?}");
    }
    let unused: Vec<_> = EXPECTED.iter().filter(|(pattern, _)| !used.contains(pattern)).collect();
    assert!(unused.is_empty(), "expectations without a file: {unused:?}");
}

#[test]
fn every_line_of_a_real_hub_is_read() {
    let Some(folder) = shared::shared() else { return };
    for (file, expected) in LINES {
        let text = fs::read(folder.join("reference/messages").join(file)).unwrap();
        let mut found: Vec<String> = Vec::new();
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let (read, sent_at) = read(line);
            assert!(matches!(sent_at, SentAt::At(_)), "{file}: {sent_at:?}");
            let read = read.unwrap_or_else(|code| panic!("{file}: {code}"));
            found.push(read.split(' ').next().unwrap_or_default().to_owned());
        }
        for (kind, count) in *expected {
            assert_eq!(found.iter().filter(|found| found == kind).count(), *count, "{file}: {kind}");
        }
        assert_eq!(found.len(), expected.iter().map(|(_, count)| count).sum::<usize>(), "{file}");
    }
}
