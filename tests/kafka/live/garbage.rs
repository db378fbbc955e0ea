//! Records that cannot be read: each is listed with its reason, none stops or slows anything, and one that a newer version
//! can read is judged again.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::operating::{done, operate};
use super::site::{PARTITIONS, Site, until};
use crate::broker::{Broker, Given};

const STATE: &str = "a.db";

/// Every kind of record that cannot be read, and the code it is listed with.
fn kinds() -> Vec<(&'static str, Given)> {
    let bytes = |code, bytes: &[u8]| (code, Given { value: Some(bytes.to_vec()), ..Given::default() });
    let mut kinds = vec![
        bytes("empty", b""),
        bytes("empty", b" \n"),
        ("empty", Given::default()),
        bytes("not_utf8", b"\xff\xfe"),
        bytes("not_utf8", b"{\"topic\":\"a\xc3\"}"),
        bytes("not_json", b"{"),
        bytes("not_json", b"\x1b[2J\xe2\x80\xae not json"),
        bytes("not_json", b"{\"a\":1}{\"a\":1}"),
        bytes("not_object", b"[]"),
        bytes("not_object", b"null"),
        bytes("not_object", b"7"),
        bytes("not_object", b"\"\\u001b[2J\\u202e\""),
        bytes("too_deep", format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200)).as_bytes()),
        bytes("page", b"{\"raw_messages\":[],\"total\":0}"),
        bytes("no_topic", b"{}"),
        bytes("bad_topic", b"{\"topic\":7}"),
        bytes("bad_topic", b"{\"topic\":\"\"}"),
        ("cut", Given { headers: vec![("name", Some(&b"value"[..])); 1_001], ..Given::text(0, "{}") }),
    ];
    let mut message = |code, topic: &str, body: &str| {
        let topic = format!("org.fedoraproject.prod.buildsys.{topic}");
        kinds.push((code, Given::text(0, format!("{{\"topic\":\"{topic}\",\"id\":\"7\"{body}}}"))));
    };
    message("no_body", "tag", "");
    message("bad_body", "tag", ",\"body\":[]");
    let good = [
        ("tag", "\"\\u001b[2J\\u202e\""),
        ("build_id", "7"),
        ("name", "\"bash\""),
        ("version", "\"1\""),
        ("release", "\"1.fc42\""),
    ];
    for (missing, _) in good {
        let fields = good.iter().filter(|(name, _)| *name != missing);
        let fields: Vec<String> = fields.map(|(name, value)| format!("\"{name}\":{value}")).collect();
        let code = CODES.iter().find(|(name, ..)| *name == missing).unwrap();
        message(code.1, "tag", &format!(",\"body\":{{{}}}", fields.join(",")));
        message(code.2, "untag", &format!(",\"body\":{{{},\"{missing}\":[]}}", fields.join(",")));
    }
    message("bad_instance", "tag", ",\"body\":{\"instance\":7}");
    message("no_new", "build.state.change", ",\"body\":{\"build_id\":7}");
    message("bad_new", "build.state.change", ",\"body\":{\"build_id\":7,\"new\":\"x\"}");
    message("no_package", "package.list.change", ",\"body\":{\"tag\":\"f42\"}");
    message("bad_package", "package.list.change", ",\"body\":{\"tag\":\"f42\",\"package\":{}}");
    kinds
}

/// A field of a tagging, with its codes where it is missing and where it is of the wrong kind.
const CODES: [(&str, &str, &str); 5] = [
    ("tag", "no_tag", "bad_tag"),
    ("build_id", "no_build_id", "bad_build_id"),
    ("name", "no_name", "bad_name"),
    ("version", "no_version", "bad_version"),
    ("release", "no_release", "bad_release"),
];

/// `count` records of all kinds in turn, over all partitions, and the code of each by its place.
fn heap(count: usize) -> (Vec<Given>, BTreeMap<(u32, u64), &'static str>) {
    let kinds = kinds();
    let mut codes = BTreeMap::new();
    let records = (0..count).map(|number| {
        let (code, given) = &kinds[number % kinds.len()];
        let partition = number as u64 % PARTITIONS;
        codes.insert((u32::try_from(partition).unwrap(), number as u64 / PARTITIONS), *code);
        Given { partition: i32::try_from(partition).unwrap(), ..given.clone() }
    });
    (records.collect(), codes)
}

/// A topic of nothing else: every record is listed with its reason, and nothing of it moves a terminal's cursor.
fn all_garbage_is_listed_with_its_reason(broker: &Broker) {
    let site = Site::new(broker, "0.1");
    let (records, codes) = heap(3_000);
    let count = records.len();
    broker.write(&site.topic, records);
    let mut process = site.run(STATE, |run| {
        run.arg("--accept-cold");
    });
    site.until_read(STATE, count, &mut process);
    let listed = done(&site, STATE, &["deadletters", "list", "--last", "10000", "-o", "json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let mut found = BTreeMap::new();
    for letter in listed["letters"].as_array().unwrap() {
        let partition = u32::try_from(letter["partition"].as_u64().unwrap()).unwrap();
        assert!(letter["explanation"].as_str().unwrap().len() > 10, "{letter}");
        found.insert(
            (partition, letter["offset"].as_u64().unwrap()),
            letter["code"].as_str().unwrap().to_owned(),
        );
    }
    assert_eq!(found.len(), count, "all of them, and nothing else");
    for (place, code) in codes {
        assert_eq!(found[&place], code, "{place:?}");
    }
    let table = done(&site, STATE, &["deadletters", "list", "--last", "10000"]);
    let shown =
        (1..=kinds().len()).map(|letter| done(&site, STATE, &["deadletters", "show", &letter.to_string()]));
    for shown in shown.chain([table, process.log()]) {
        assert!(!shown.contains('\u{1b}') && !shown.contains('\u{202e}'), "{shown}");
    }
    process.stop();
}

/// A record that cannot be read costs at most twice what one of the bus costs.
fn garbage_is_read_at_full_speed(broker: &Broker) {
    const RECORDS: usize = 100_000;
    let partition = |number: usize| i32::try_from(number as u64 % PARTITIONS).unwrap();
    let good = Site::new(broker, "0.1");
    let lines = good.mix(RECORDS).into_iter().enumerate();
    broker.write(&good.topic, lines.map(|(number, line)| Given::text(partition(number), line)));
    let good_cost = cost(&good, RECORDS);
    let bad = Site::new(broker, "0.1");
    // Without the one of a thousand headers, which no bridge writes.
    let kinds: Vec<Given> =
        kinds().into_iter().filter(|(code, _)| *code != "cut").map(|(_, given)| given).collect();
    let records = (0..RECORDS)
        .map(|number| Given { partition: partition(number), ..kinds[number % kinds.len()].clone() });
    broker.write(&bad.topic, records);
    let bad_cost = cost(&bad, RECORDS);
    println!("CPU time of a record: {good_cost:.1} µs where it can be read, {bad_cost:.1} µs where not");
    assert!(bad_cost <= 2.0 * good_cost, "{bad_cost:.1} µs against {good_cost:.1} µs");
    let kept: i64 = bad.ask(STATE, "SELECT count(*) FROM dead_letter")[0];
    assert_eq!(kept, 10_000, "the newest are kept");
}

/// CPU time of a run over a whole topic, in microseconds a record.
#[expect(clippy::cast_precision_loss, reason = "counts of a test are far below 2^52")]
fn cost(site: &Site<'_>, records: usize) -> f64 {
    let mut process = site.run(STATE, |run| {
        run.arg("--accept-cold");
    });
    site.until_read(STATE, records, &mut process);
    let cpu = process.cpu();
    process.stop();
    cpu.as_micros() as f64 / records as f64
}

/// Garbage amid a stream changes nothing about the stream, whatever its size.
fn garbage_is_listed_and_stops_nothing(broker: &Broker) {
    let site = Site::new(broker, "0.1");
    let all = site.lines.len();
    site.publish(0..all / 2);
    let (mut bad, _) = heap(all / 20);
    bad.push(Given::text(1, "x".repeat(1 << 20)));
    let extra = bad.len();
    broker.write(&site.topic, bad);
    site.publish(all / 2..all);
    site.import(STATE);
    let mut process = site.run(STATE, |_| ());
    site.until_read(STATE, all + extra, &mut process);
    let letters: i64 = site.ask(STATE, "SELECT count(*) FROM dead_letter")[0];
    assert_eq!(usize::try_from(letters), Ok(extra), "all of them, and nothing else");
    done(&site, STATE, &["deadletters", "discard", "3", "--reason", "noise"]);
    let late = operate(&site, STATE, &["deadletters", "discard", "3", "--reason", "noise"]);
    assert_eq!(late.status.code(), Some(5));
    assert!(String::from_utf8_lossy(&late.stderr).contains("was discarded already, by "), "{late:?}");
    process.stop();
    let fresh = site.ask::<i64>(STATE, "SELECT build_id FROM submission").len();
    assert_eq!(fresh, site.labelled("fresh"));
}

/// What a newer version can read is judged as a record of its own, once; what it cannot read either stays.
fn a_dead_letter_is_judged_again(broker: &Broker) {
    let site = Site::new(broker, "0.1");
    let all = site.lines.len();
    let index = (0..all).rfind(|&line| site.label(place(line)) == "fresh").unwrap();
    let good = &site.lines[index];
    let build: serde_json::Value = serde_json::from_str(good).unwrap();
    let build = build["body"]["build_id"].to_string();
    let unreadable = good.replace("\"tag\":", "\"tog\":");
    assert_ne!(*good, unreadable);
    site.publish(0..index);
    let (partition, _) = place(index);
    broker.write(&site.topic, [Given::text(i32::try_from(partition).unwrap(), unreadable)]);
    site.publish(index + 1..all);
    broker.write(&site.topic, [Given::text(1, "[]")]);
    site.import(STATE);
    site.drain_to(STATE, all + 1);
    let submitted = || -> Vec<i64> {
        site.ask(STATE, &format!("SELECT build_id FROM submission WHERE build_id = {build}"))
    };
    assert_eq!(submitted(), Vec::<i64>::new());
    let letters: Vec<i64> = site.ask(STATE, "SELECT id FROM dead_letter ORDER BY code = 'not_object'");
    let [letter, other] = letters[..] else { panic!("{letters:?}") };
    let (letter, other) = (letter.to_string(), other.to_string());
    let retry = |letter: &str| operate(&site, STATE, &["deadletters", "retry", letter, "--reason", "mended"]);
    // Stands for a decoder that reads what this one does not.
    let db = Connection::open(site.path(STATE)).unwrap();
    db.execute("UPDATE dead_letter SET bytes = ?1 WHERE id = ?2", (good.as_bytes(), &letter)).unwrap();
    drop(db);

    let mut process = site.run(STATE, |_| ());
    until("the socket", || super::operating::answers(&site, STATE));
    let refused = retry(&other);
    assert_eq!(refused.status.code(), Some(5), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("still cannot be read"), "{refused:?}");
    let retried = retry(&letter);
    assert!(retried.status.success(), "{retried:?}");
    let again = retry(&letter);
    assert_eq!(again.status.code(), Some(5), "{again:?}");
    let status = |letter: &str| -> String {
        site.ask(STATE, &format!("SELECT status FROM dead_letter WHERE id = {letter}")).remove(0)
    };
    assert_eq!([status(&letter), status(&other)], ["retried", "kept"]);
    site.publish_later(6);
    until("the decision", || {
        assert!(process.is_running(), "{}", process.log());
        submitted().len() == 1
    });
    process.stop();
    site.judge_submissions(STATE);
}

/// Where a line stands that was published with all others.
fn place(line: usize) -> (u32, u64) {
    (u32::try_from(line as u64 % PARTITIONS).unwrap(), line as u64 / PARTITIONS)
}

crate::on_both! {
    garbage_is_listed_and_stops_nothing: "garbage amid a stream",
    all_garbage_is_listed_with_its_reason: "a topic of nothing but garbage",
}
crate::on_kafka_only! {
    garbage_is_read_at_full_speed: "garbage is read as fast as anything else",
    a_dead_letter_is_judged_again: "dead letters that are judged again",
}
