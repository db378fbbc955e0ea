//! Stories, and what is announced of them.

use std::collections::BTreeSet;

use serde_json::Value;
use tidegate::engine::command::{Action, HoldCommand};
use tidegate::engine::decision::{HoldId, Outcome};
use tidegate::engine::hold::Selection;
use tidegate::event::Position;
use tidegate::live::notices::{News, Notices, SCHEMAS};
use tidegate::pipeline::Outputs;
use tidegate::settings::{HoldAction, HoldRule, Rule, Settings};
use tidegate::state::DeadLetter;
use tidegate::state::live::{Notice, StoredPartition};
use tidegate::time::Seconds;

use super::common::settings;
use super::story::Story;

const SCHEMA: &str = include_str!("../../docs/topics.schema.json");

fn small() -> Settings {
    let mut settings = settings();
    let burst = &mut settings.burst;
    burst.rules = vec![Rule { count: 3, within: Seconds(9) }];
    burst.other_rules.clone_from(&burst.rules);
    (burst.hold_back, burst.quiet, burst.quiet_large) = (Seconds(10), Seconds(20), Seconds(100));
    settings
}

fn all() -> Outputs {
    let topic = |name: &str| Some(name.to_owned());
    Outputs { decisions: topic("d"), bursts: topic("b"), dead_letters: topic("l") }
}

fn partition() -> StoredPartition {
    StoredPartition { number: 0, topic: "fedora".to_owned(), partition: 4, next: 0, last: None }
}

/// A story whose lines are batches.
struct Told {
    story: Story,
    notices: Notices,
    decisions: usize,
    runs: usize,
}

impl Told {
    fn new(settings: &Settings) -> Self {
        let story = Story::new(settings);
        let notices = Notices::new(all(), &story.engine);
        Self { story, notices, decisions: 0, runs: 0 }
    }

    /// What is announced of all since the last batch.
    fn batch(&mut self, commands: &[HoldCommand], letters: &[DeadLetter]) -> Vec<Notice> {
        let (feed, stored) = (&self.story.feed, partition());
        let news = News {
            decisions: &feed.decisions[self.decisions..],
            runs: &feed.runs[self.runs..],
            letters,
            commands,
            partitions: &[&stored],
        };
        let notices = self.notices.of_batch(&self.story.engine, &news);
        (self.decisions, self.runs) = (feed.decisions.len(), feed.runs.len());
        for notice in &notices {
            conforms(notice);
        }
        notices
    }

    fn tell(&mut self, script: &str) -> Vec<Notice> {
        self.story.tell(script);
        self.batch(&[], &[])
    }
}

fn document(notice: &Notice) -> Value {
    serde_json::from_str(&notice.data).unwrap()
}

fn header<'a>(notice: &'a Notice, name: &str) -> &'a str {
    &notice.headers.iter().find(|(known, _)| known == name).unwrap().1
}

/// `opened flood h1 3`: event, kind, hold and builds in it.
fn bursts(notices: &[Notice]) -> Vec<String> {
    let of_bursts = notices.iter().filter(|notice| notice.output == "bursts").map(document);
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    of_bursts.map(|one| ["event", "kind", "hold", "held"].map(|key| word(&one[key])).join(" ")).collect()
}

/// The schema, with no member allowed that it does not name.
fn strict() -> Value {
    fn close(value: &mut Value) {
        match value {
            Value::Object(members) => {
                if members.contains_key("properties") {
                    members.insert("additionalProperties".to_owned(), Value::Bool(false));
                }
                members.values_mut().for_each(close);
            }
            Value::Array(items) => items.iter_mut().for_each(close),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut schema = serde_json::from_str(SCHEMA).unwrap();
    close(&mut schema);
    schema
}

#[track_caller]
fn conforms(notice: &Notice) {
    let document = document(notice);
    let validator = jsonschema::validator_for(&strict()).unwrap();
    let errors: Vec<_> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}: {document:#}");
    assert_eq!(document["schema"], header(notice, "tidegate-schema"));
    assert_eq!(document["pipeline"]["name"], header(notice, "tidegate-pipeline"));
    let kind = ["outcome", "event", "code"].iter().find_map(|key| document[*key].as_str()).unwrap();
    assert_eq!(kind, header(notice, "tidegate-kind"));
}

#[test]
fn the_schema_is_one_and_names_each_document() {
    assert!(jsonschema::meta::is_valid(&strict()));
    for schema in SCHEMAS {
        assert!(SCHEMA.contains(&format!("\"const\": \"{schema}\"")), "{schema}");
    }
}

#[test]
fn a_flood_is_announced_from_its_opening_to_its_end() {
    let mut told = Told::new(&small());
    let notices = told.tell("100 tag f42 1..3\n111 tick\n117 tick");
    assert_eq!(bursts(&notices), ["opened flood h1 3"]);
    let opened = document(notices.last().unwrap());
    assert_eq!(opened["run"]["members"]["unproven"], 3);
    assert_eq!(notices.last().unwrap().key, "primary/f42");
    let held: Vec<_> = notices.iter().filter(|notice| notice.output == "decisions").collect();
    assert_eq!(held.iter().map(|notice| notice.key.as_str()).collect::<Vec<_>>(), ["p1", "p2", "p3"]);
    let decision = document(held[0]);
    assert_eq!(
        (&decision["topic"], &decision["partition"], &decision["offset"]),
        (&"fedora".into(), &4.into(), &1.into())
    );
    assert_eq!((&decision["outcome"], &decision["hold"]), (&"held".into(), &"h1".into()));
    assert_eq!(decision["why"]["run"]["rule"]["count"], 3);

    // 3 builds, then 6: the size has doubled once.
    let grown = told.tell("118 tag f42 4..6\n129 tick\n135 tick");
    assert_eq!(bursts(&grown), ["grown flood h1 6"]);
    assert_eq!(bursts(&told.tell("136 tick")), Vec::<String>::new());
    let notices = told.tell("400 tick");
    assert_eq!(bursts(&notices), ["closed flood h1 6"]);
    let closed = document(notices.last().unwrap());
    assert_eq!(closed["attributes"]["actors"][0]["actor"], "bodhi");
    assert_eq!(closed["run"]["burst"], true);

    let command = HoldCommand {
        hold: HoldId(1),
        version: None,
        selection: Selection::Package("p2".to_owned()),
        action: Action::Release,
        reason: "wanted".to_owned(),
        who: "ana".to_owned(),
    };
    let rest = HoldCommand { selection: Selection::All, action: Action::Drop, ..command.clone() };
    for command in [&command, &rest] {
        told.story.engine.command(command).unwrap();
    }
    told.story.tell("500 tick");
    let notices = told.batch(&[command, rest], &[]);
    assert_eq!(bursts(&notices), ["decided flood h1 0", "decided flood h1 0"]);
    let decided: Vec<_> = notices.iter().filter(|notice| notice.output == "bursts").map(document).collect();
    assert_eq!(decided[0]["decided"]["selection"], "the builds of package p2");
    assert_eq!((&decided[0]["decided"]["builds"], &decided[1]["decided"]["builds"]), (&1.into(), &5.into()));
    assert_eq!(
        (&decided[1]["decided"]["who"], &decided[1]["decided"]["action"]),
        (&"ana".into(), &"drop".into())
    );
    let released = notices.iter().find(|notice| notice.key == "p2").map(document).unwrap();
    assert_eq!((&released["outcome"], &released["command"]["why"]), (&"submitted".into(), &"wanted".into()));
}

#[test]
fn a_group_that_was_no_burst_is_resolved() {
    let mut told = Told::new(&small());
    let notices = told.tell("10 complete 1..3\n100 tag f42 1..3\n400 tick");
    assert_eq!(bursts(&notices), ["resolved null null null"]);
    let submitted = notices.iter().filter(|notice| header(notice, "tidegate-kind") == "submitted").count();
    assert_eq!(submitted, 3);
}

#[test]
fn a_burst_that_leaves_nothing_is_closed_with_its_hold() {
    let mut told = Told::new(&small());
    let notices = told.tell("know f41 1 0\nknow f41 2 0\nknow f41 3 0\n100 tag f42 1..3\n400 tick");
    assert_eq!(bursts(&notices), ["closed retag h1 0"]);
    // The same in two batches.
    let mut told = Told::new(&small());
    let first = told.tell("know f41 1 0\nknow f41 2 0\nknow f41 3 0\n100 tag f42 1..3\n111 tick\n117 tick");
    assert_eq!(bursts(&first), ["opened retag h1 0"]);
    assert_eq!(bursts(&told.tell("400 tick")), ["closed retag h1 0"]);
}

#[test]
fn what_the_stated_rule_decided_is_told_with_the_rule() {
    for (then, action) in [(HoldAction::Drop, "drop"), (HoldAction::Drain, "release")] {
        let mut settings = small();
        settings.burst.actor_size = 3;
        settings.burst.hold_rule = Some(HoldRule { after: Seconds(86_400), then });
        let mut told = Told::new(&settings);
        let script = "10 complete 1..4\n100 tag f42 1..4 by releng\n400 tick";
        assert_eq!(bursts(&told.tell(script)), ["opened mass_rebuild h1 4", "closed mass_rebuild h1 4"]);
        let notices = told.tell("90000 tick\n90001 tick");
        assert_eq!(bursts(&notices), ["decided mass_rebuild h1 0"]);
        let decided = document(notices.last().unwrap());
        let decided = &decided["decided"];
        assert_eq!(
            (&decided["by"], &decided["action"], &decided["builds"]),
            (&"rule".into(), &action.into(), &4.into())
        );
        assert!(decided["why"].as_str().unwrap().ends_with("after 1d"), "{decided}");
    }
}

#[test]
fn only_what_the_state_has_a_row_for_is_announced() {
    let mut told = Told::new(&small());
    let notices = told.tell(
        "10 complete 1\n20 tag f42-updates-candidate 1\n30 untag f41 9\n40 tick\n100 tag f42 1\n400 tick",
    );
    assert_eq!(notices.len(), 1);
    assert_eq!(header(&notices[0], "tidegate-kind"), "submitted");
}

#[test]
fn a_dead_letter_carries_what_is_needed_to_look_into_it() {
    let mut told = Told::new(&small());
    let letter = DeadLetter {
        position: Position { partition: 0, offset: 7 },
        code: "not_json",
        explanation: "it is no JSON".to_owned(),
        bytes: b"\x1b[2J\xff".to_vec(),
        kafka_millis: Some(1_738_648_800_123),
        headers: vec![
            ("a".to_owned(), vec![0xff]),
            ("big".to_owned(), vec![0; 64 << 10]),
            ("b".to_owned(), Vec::new()),
        ],
    };
    let notices = told.batch(&[], std::slice::from_ref(&letter));
    let [notice] = &notices[..] else { panic!("{notices:?}") };
    assert_eq!((notice.output.as_str(), notice.key.as_str()), ("dead_letters", "fedora-4"));
    let document = document(notice);
    assert_eq!((&document["offset"], &document["bytes"]), (&7.into(), &"G1sySv8=".into()));
    assert_eq!(document["beginning"], "\\u{1b}[2J\\xff");
    assert_eq!(document["headers"].as_array().unwrap().len(), 1);
    assert_eq!(document["headers_cut"], true);
    // Judged once more, it is of no partition.
    let again = DeadLetter { position: Position { partition: u32::MAX, offset: 1 }, ..letter };
    assert_eq!(told.batch(&[], &[again])[0].key, "again");
}

#[test]
fn what_is_not_asked_for_is_not_written_and_a_restart_repeats_nothing() {
    let mut told = Told::new(&small());
    told.tell("100 tag f42 1..3\n111 tick\n117 tick");
    told.notices = Notices::new(all(), &told.story.engine);
    assert_eq!(bursts(&told.batch(&[], &[])), Vec::<String>::new());
    told.notices.set_outputs(Outputs::default());
    assert_eq!(told.tell("118 tag f42 4..9\n129 tick\n135 tick"), []);
    told.notices.set_outputs(Outputs { bursts: Some("b".to_owned()), ..Outputs::default() });
    let notices = told.tell("400 tick");
    assert_eq!(
        notices.iter().map(|notice| notice.output.as_str()).collect::<BTreeSet<_>>(),
        ["bursts"].into()
    );
    assert!(told.story.feed.decisions.iter().any(|decision| decision.outcome() == Outcome::Held));
}
