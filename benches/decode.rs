//! How much time decoding takes, against the least that a plain reader would do: split lines and have `serde_json`
//! fill a borrowed struct of topic, id, sent-at, tag, build and name on every line.
//!
//! `cargo bench --bench decode`. Both run in turns over the same lines; the ratio of their best rounds is printed.

use std::borrow::Cow;
use std::hint::black_box;
use std::time::{Duration, Instant};

use serde::Deserialize;
use tidegate::decode::{decode, decode_strictly};
use tidegate::event::{Position, Record};
use tidegate::settings::Settings;

const LINES: usize = 20_000;
const ROUNDS: usize = 15;

#[derive(Deserialize)]
#[expect(dead_code, reason = "filled and not looked at: filling them is the work")]
struct Plain<'a> {
    #[serde(borrow)]
    topic: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    headers: PlainHeaders<'a>,
    #[serde(borrow)]
    body: PlainBody<'a>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "filled and not looked at: filling them is the work")]
struct PlainHeaders<'a> {
    #[serde(rename = "sent-at", borrow)]
    sent_at: Cow<'a, str>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "filled and not looked at: filling them is the work")]
struct PlainBody<'a> {
    #[serde(borrow)]
    tag: Option<Cow<'a, str>>,
    build_id: Option<u64>,
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
}

#[expect(clippy::print_stdout, reason = "printing figures is what a benchmark is for")]
fn main() {
    let lines = lines();
    let settings = Settings::defaults("f42");
    let ours = |value: &[u8]| {
        let position = Position { partition: 0, offset: 1 };
        let record = Record { position, kafka_millis: None, headers: &[], value, cut: false };
        decode(&settings.route, &record).is_ok()
    };
    let strict = |value: &[u8]| {
        let position = Position { partition: 0, offset: 1 };
        let record = Record { position, kafka_millis: None, headers: &[], value, cut: false };
        decode_strictly(&settings.route, &record).is_ok()
    };
    let plain = |value: &[u8]| serde_json::from_slice::<Plain<'_>>(value).is_ok();

    let readers: [Reader<'_>; 3] =
        [("plain serde_json", &plain), ("decode", &ours), ("strict reader", &strict)];
    // As with other benchmarks, a word on the command line picks those whose name has it.
    let filter = std::env::args().skip(1).find(|word| !word.starts_with("--")).unwrap_or_default();

    let mut best = [Duration::MAX; 3];
    for _ in 0..ROUNDS {
        for (best, (name, reader)) in best.iter_mut().zip(readers) {
            if name.contains(&filter) {
                *best = round(&lines, reader).min(*best);
            }
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let (count, size) = (LINES as f64, lines.len() as f64);
    println!("{LINES} lines of {:.0} bytes on average, best of {ROUNDS} rounds", size / count);
    let base = best[0].as_secs_f64();
    for (best, (name, _)) in best.iter().zip(readers).filter(|(best, _)| **best < Duration::MAX) {
        let time = best.as_secs_f64();
        let (each, rate) = (time / count * 1e9, size / time / 1e6);
        println!("{name:17} {each:6.0} ns a line  {rate:6.0} MB/s  {:.2} of plain", time / base);
    }
}

/// A way to read a line, by name; true where it could be read.
type Reader<'a> = (&'static str, &'a dyn Fn(&[u8]) -> bool);

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn round(lines: &[u8], read: &dyn Fn(&[u8]) -> bool) -> Duration {
    let start = Instant::now();
    let (mut good, mut begin) = (0, 0);
    for end in memchr::memchr_iter(b'\n', lines) {
        good += usize::from(lines.get(begin..end).is_some_and(|line| read(black_box(line))));
        begin = end + 1;
    }
    let time = start.elapsed();
    assert_eq!(good, LINES, "every line can be read");
    time
}

/// A mix as on the bus: 20 % the trigger tag, 45 % other tags, 15 % builds, 20 % other topics.
fn lines() -> Vec<u8> {
    let mut lines = String::new();
    for number in 0..LINES {
        // Spread by a multiplicative hash, so that no branch is predicted for its place.
        let draw = number.wrapping_mul(0x9e37_79b9) >> 7 & 0xffff;
        lines += &match draw % 100 {
            0..20 => tagging(number, "f42"),
            20..35 => tagging(number, "f42-updates-candidate"),
            35..50 => tagging(number, "f42-signing-pending"),
            50..65 => tagging(number, "f42-build-side-104331"),
            65..80 => build(number),
            80..90 => repo(number),
            _ => push(number),
        };
        lines.push('\n');
    }
    lines.into_bytes()
}

/// A dump line around a body.
fn dump(number: usize, schema: &str, topic: &str, body: &str) -> String {
    format!(
        r#"{{"body": {body}, "headers": {{"fedora_messaging_rpm_pkg{number}": true, "fedora_messaging_schema": "{schema}", "fedora_messaging_schema_package": "koji_fedoramessaging_messages", "fedora_messaging_severity": 10, "fedora_messaging_user_bodhi": true, "fedora_messaging_user_maintainer{}": true, "priority": 2, "sent-at": "2025-02-04T{:02}:{:02}:{:02}+00:00"}}, "id": "{:08x}-bab8-4597-b278-{:012x}", "priority": 2, "queue": null, "topic": "{topic}"}}"#,
        number % 300,
        number / 3600 % 24,
        number / 60 % 60,
        number % 60,
        number * 31,
        number * 7919,
    )
}

fn tagging(number: usize, tag: &str) -> String {
    let body = format!(
        r#"{{"base_url": "https://koji.example.org", "build_id": {}, "instance": "primary", "name": "python-library{number}", "owner": "maintainer{}", "release": "{}.fc42", "tag": "{tag}", "tag_id": 79231, "user": "bodhi", "version": "1.{}.3"}}"#,
        2_600_000 + number,
        number % 300,
        number % 9,
        number % 40,
    );
    dump(number, "koji_fedoramessaging.tag.TagV1", "org.fedoraproject.prod.buildsys.tag", &body)
}

fn build(number: usize) -> String {
    let id = 2_600_000 + number;
    let task = 128_000_000 + number;
    let request = format!(
        r#"["git+https://src.example.org/rpms/python-library{number}.git#f3a9d1c7be52f4d09a6b1e8875c3d2a4b6f0e91c", "rawhide", {{"fail_fast": true}}]"#
    );
    let body = format!(
        r#"{{"attribute": "state", "base_url": "https://koji.example.org", "build_id": {id}, "completion_time": "2025-02-04T06:12:22.123456+00:00", "creation_time": "2025-02-04T06:01:09.654321+00:00", "epoch": null, "files_base_url": "https://kojipkgs.example.org/work", "instance": "primary", "name": "python-library{number}", "new": 1, "old": 0, "owner": "maintainer7", "release": "2.fc42", "request": {request}, "task": {{"arch": "noarch", "awaited": null, "channel_id": 1, "children": [{{"arch": "x86_64", "awaited": false, "channel_id": 1, "children": [], "completion_time": 1738649400.5, "create_time": 1738648800.25, "host_id": 311, "host_name": "buildvm-x86-11.example.org", "id": {}, "label": "x86_64", "method": "buildArch", "owner": "maintainer7", "parent": {task}, "priority": 19, "result": null, "start_time": 1738648810.0, "state": 2, "waiting": null}}], "completion_time": 1738649542.1, "create_time": 1738648800.0, "host_id": 324, "host_name": "buildvm-a64-09.example.org", "id": {task}, "label": null, "method": "build", "owner": "maintainer7", "parent": null, "priority": 20, "request": {request}, "result": null, "start_time": 1738648805.5, "state": 2, "url": "https://koji.example.org/koji/taskinfo?taskID={task}", "waiting": false}}, "task_id": {task}, "url": "https://koji.example.org/koji/buildinfo?buildID={id}", "version": "1.2.3"}}"#,
        task + 1,
    );
    dump(
        number,
        "koji_fedoramessaging.build.BuildStateChangeV1",
        "org.fedoraproject.prod.buildsys.build.state.change",
        &body,
    )
}

fn repo(number: usize) -> String {
    let body = format!(
        r#"{{"base_url": "https://koji.example.org", "instance": "primary", "repo_id": {number}, "tag": "f42-build-side-104331", "tag_id": 104331}}"#
    );
    dump(number, "koji_fedoramessaging.repo.DoneV1", "org.fedoraproject.prod.buildsys.repo.done", &body)
}

fn push(number: usize) -> String {
    let body = format!(
        r#"{{"agent": "maintainer{0}", "branch": "rawhide", "commits": [{{"author": "Maintainer {0}", "message": "Update to 1.2.{number}\n\nResolves: rhbz#22{number}", "files": ["sources", "python-library{number}.spec", ".gitignore"], "added": 3, "removed": 3}}], "end_commit": "0d2f1e9a8b7c6d5e4f30112233445566778899aa", "forced": false, "old_commit": "aa99887766554433221100ffeeddccbbaa998877", "pull_request_id": null, "repo": {{"access_groups": {{"admin": [], "commit": ["python-packagers-sig"]}}, "date_created": "1714397282", "fullname": "rpms/python-library{number}", "full_url": "https://src.example.org/rpms/python-library{number}", "id": {number}, "namespace": "rpms", "parent": null, "tags": [], "user": {{"fullname": "A Maintainer", "name": "maintainer{0}"}}}}, "start_commit": "0d2f1e9a8b7c6d5e4f30112233445566778899aa", "total_commits": 1}}"#,
        number % 300,
    );
    dump(number, "pagure.git.receive", "org.fedoraproject.prod.git.receive", &body)
}
