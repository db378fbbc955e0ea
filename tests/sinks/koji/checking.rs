//! What the hub knows of builds just before they go, and how loaded it is.

use tidegate::hub::{BuildFile, Trouble as Hit};
use tidegate::koji::xmlrpc::{Answer as Said, Value};
use tidegate::sink::Sink;
use tidegate::sink::koji::BuildStyle;
use tidegate::submit::ask::{Answer, Ask, Finding, Inquiry, Trouble};
use tidegate::submit::row::RowId;

use super::{hit, log_in, ordered, sink, sink_at, start, world};
use crate::order;
use crate::server::{Server, ok};

/// A source of full length: what it names is the same everywhere.
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

fn inquiry(build_id: u64, target: Option<&str>, package: &str) -> Inquiry {
    Inquiry {
        row: RowId(build_id),
        build_id,
        tags: vec!["f41".into(), "f42".into()],
        target: target.map(Into::into),
        package: package.into(),
    }
}

fn build(nvr: &str, source: Option<&str>, tags: &[&str]) -> BuildFile {
    BuildFile {
        nvr: nvr.to_owned(),
        source: source.map(str::to_owned),
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        ..BuildFile::default()
    }
}

fn told(finding: &Finding) -> String {
    match finding {
        Finding::Ready { source } => format!("ready {source}"),
        Finding::NotTagged { detail } => format!("not tagged: {detail}"),
        Finding::AlreadyBuilt { nvr } => format!("already built: {nvr}"),
        Finding::Unclear(fault) => format!("unclear: {fault}"),
    }
}

#[tokio::test]
async fn each_build_is_found_as_it_is() {
    let source = |name: &str, commit: &str| format!("git+https://src.example/rpms/{name}#{commit}");
    let mut file = world();
    let upstream = file.build.len();
    file.build.extend([
        BuildFile { failed: true, ..build("failed-1-1.fc42", Some(&source("failed", "1-1")), &[]) },
        build("untagged-1-1.fc42", Some(&source("untagged", "1-1")), &[]),
        build("elsewhere-1-1.fc42", Some(&source("elsewhere", "1-1")), &["eln"]),
        build("imported-1-1.fc42", None, &["f42"]),
        build("uploaded-1-1.fc42", Some("cli-build/1.2.x/uploaded-1-1.src.rpm"), &["f42"]),
        build("fresh-1-1.fc42", Some(&source("fresh", "1-1")), &["f42"]),
        // Built downstream in this generation, under the downstream name.
        build("freeipa-4-1.fc42", Some(&source("freeipa", COMMIT)), &["f42"]),
        build("ipa-4-1.eln145", Some(&format!("git://other.example/ipa.git#{COMMIT}")), &["eln"]),
        // Built downstream in an earlier generation, and another commit in this one.
        build("older-1-1.fc42", Some(&source("older", "1-1")), &["f42"]),
        build("older-1-1.eln144", Some(&source("older", "1-1")), &["eln"]),
        build("older-0-1.eln145", Some(&source("older", "0-1")), &["eln"]),
    ]);
    let hub = start(file).await;
    let id = |place: usize| u64::try_from(upstream + place).unwrap();
    let asked = [
        (inquiry(99_999, Some("eln"), "x"), "not tagged: Koji knows no build 99999".to_owned()),
        (inquiry(id(1), Some("eln"), "failed"), "not tagged: failed-1-1.fc42 is failed".to_owned()),
        (
            inquiry(id(2), Some("eln"), "untagged"),
            "not tagged: untagged-1-1.fc42 is in no trigger tag any more; it is in none".to_owned(),
        ),
        (
            inquiry(id(3), Some("eln"), "elsewhere"),
            "not tagged: elsewhere-1-1.fc42 is in no trigger tag any more; it is in eln".to_owned(),
        ),
        (
            inquiry(id(4), Some("eln"), "imported"),
            "not tagged: Koji does not say what imported-1-1.fc42 was built from".to_owned(),
        ),
        (
            inquiry(id(5), Some("eln"), "uploaded"),
            "not tagged: uploaded-1-1.fc42 was not built from a commit, but from \
             cli-build/1.2.x/uploaded-1-1.src.rpm"
                .to_owned(),
        ),
        (inquiry(id(6), Some("eln"), "fresh"), format!("ready {}", source("fresh", "1-1"))),
        (inquiry(id(7), Some("eln"), "ipa"), "already built: ipa-4-1.eln145".to_owned()),
        (inquiry(id(7), None, "ipa"), format!("ready {}", source("freeipa", COMMIT))),
        (inquiry(id(7), Some("nope"), "ipa"), "unclear: fault 1000: No such build target: nope".to_owned()),
        (inquiry(id(9), Some("eln"), "older"), format!("ready {}", source("older", "1-1"))),
    ];
    let mut sink = sink(&hub);
    let ask = Ask::Check(asked.iter().map(|(inquiry, _)| inquiry.clone()).collect());
    let Answer::Checked(findings) = sink.perform(ask).await else { panic!("nothing was checked") };
    assert_eq!(findings.len(), asked.len());
    for ((inquiry, expected), (row, finding)) in asked.iter().zip(&findings) {
        assert_eq!((*row, told(finding)), (inquiry.row, expected.clone()));
    }
    hub.stop().await;
}

#[tokio::test]
async fn a_build_that_was_just_made_is_not_made_again() {
    let hub = start(world()).await;
    let mut sink = sink(&hub);
    let access = log_in(&mut sink, &[]).await;
    let check = || Ask::Check(vec![inquiry(1, Some("eln"), "zlib")]);
    let Answer::Checked(findings) = sink.perform(check()).await else { panic!("nothing was checked") };
    let Finding::Ready { source } = &findings[0].1 else { panic!("{findings:?}") };
    ordered(&mut sink, access, order(1, source, "eln")).await;
    hub.advance_seconds(super::LONG);
    let Answer::Checked(findings) = sink.perform(check()).await else { panic!("nothing was checked") };
    assert_eq!(told(&findings[0].1), "already built: zlib-1.3-2.eln145");
    hub.stop().await;
}

#[tokio::test]
async fn a_hub_that_answers_nothing_finds_nothing() {
    let hub = start(world()).await;
    let mut sink = sink(&hub);
    hit(&hub, "multiCall", Hit::Status { status: 502 });
    let failed = sink.perform(Ask::Check(vec![inquiry(1, Some("eln"), "zlib")])).await;
    assert!(matches!(failed, Answer::Failed(Trouble::Unreachable(_))), "{failed:?}");
    hub.stop().await;
}

#[tokio::test]
async fn a_strange_answer_about_one_build_does_not_stand_for_all() {
    let said = |value: Value| ok(&Said::Value(value).encode().unwrap());
    let entries = |values: [Value; 2]| Value::Array(values.map(|value| Value::Array(vec![value])).to_vec());
    let no_tags = || Value::Array(Vec::new());
    let server = Server::start([
        said(entries(["nonsense".into(), Value::Nil])),
        said("nonsense".into()),
        said(Value::Nil),
        said(entries([no_tags(), no_tags()])),
    ])
    .await;
    let mut sink = sink_at(server.url("/kojihub"), BuildStyle::default(), "");
    let ask = Ask::Check(vec![inquiry(1, Some("eln"), "zlib"), inquiry(2, Some("eln"), "bash")]);
    let Answer::Checked(findings) = sink.perform(ask).await else { panic!("nothing was checked") };
    let found: Vec<String> = findings.iter().map(|(_, finding)| told(finding)).collect();
    assert_eq!(found[1], "not tagged: Koji knows no build 2");
    assert!(found[0].starts_with("unclear: fault 1000: "), "{found:?}");
}

#[tokio::test]
async fn the_load_is_that_of_the_busiest_arch_of_the_target() {
    let hub = start(world()).await;
    let mut sink = sink(&hub);
    let sample = |answer: Answer| {
        let Answer::Sampled(sample) = answer else { panic!("{answer:?}") };
        sample
    };
    let idle = sample(sink.perform(Ask::Sample).await);
    assert_eq!((idle.host_load.millionths(), idle.free_tasks, idle.new_repos), (0, 0, 0));
    // One of two s390x builders of the same capacity counts as full.
    hub.world(|world| world.set_host_ready("buildvm-s390x-01", false));
    let busy = sample(sink.perform(Ask::Sample).await);
    assert_eq!((busy.host_load.millionths(), &*busy.busiest), (500_000, "s390x"));
    // Orders that no builder has taken.
    let access = log_in(&mut sink, &[]).await;
    ordered(&mut sink, access, order(1, crate::SOURCE, "eln")).await;
    assert_eq!(sample(sink.perform(Ask::Sample).await).free_tasks, 1);
    hub.stop().await;
}
