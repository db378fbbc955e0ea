//! What holds for every pipeline file: defaults, overrides, hashes, and no text that brings the reader down.

use proptest::prelude::*;
use tidegate::pipeline::{self, Begin, Follow, KojiLogin, Override, Pipeline, Report, Sink};
use tidegate::settings::{FamilyTag, HoldAction, HoldRule, Settings};
use tidegate::time::{Second, Seconds};

const HEAD: &str = "[trigger]\nfollow = \"f42\"\n";
const ELN: &str = include_str!("../pipelines/eln.toml");

fn parse(text: &str, sets: &[&str]) -> Result<Pipeline, Report> {
    let sets: Vec<Override> = sets.iter().map(|set| Override::parse(set).expect("a setting")).collect();
    pipeline::parse("x.toml", text, &sets)
}

fn settings(text: &str, sets: &[&str]) -> Settings {
    let pipeline = parse(text, sets).unwrap_or_else(|report| panic!("{report}"));
    pipeline.settings().unwrap_or_else(|error| panic!("{error}"))
}

/// The effective configuration written as a pipeline file.
fn written(pipeline: &Pipeline) -> String {
    let stated = pipeline.entries.iter().filter(|entry| entry.value != "unset");
    stated.map(|entry| [entry.key, " = ", &entry.value, "\n"].concat()).collect()
}

#[test]
fn a_file_that_states_nothing_has_the_defaults_of_the_engine() {
    let read = settings(HEAD, &[]);
    let expected = Settings { name: "x".to_owned(), hash: read.hash.clone(), ..Settings::defaults("f42") };
    assert_eq!(read, expected);
    let pipeline = parse(HEAD, &[]).unwrap();
    assert_eq!((pipeline.begin, &pipeline.sink), (Begin::Now, &Sink::DryRun));
    assert_eq!(pipeline.kafka.group, "tidegate-x");
    assert_eq!((pipeline.batch_gap, pipeline.evidence_hub), (None, None));
    assert_eq!(pipeline.warnings, []);
}

#[test]
fn the_defaults_are_those_of_the_design() {
    let keys = pipeline::keys();
    for (path, default) in [
        ("burst.rules", "[\"100 in 5s\", \"30 in 1m\"]"),
        ("burst.other_rules", "[\"100 in 5s\", \"30 in 1m\"]"),
        ("burst.hold_back", "\"1m1s\""),
        ("source.disorder", "\"5s\""),
        ("burst.quiet", "\"1m\""),
        ("burst.quiet_large", "\"10m\""),
        ("burst.suspect_max", "\"30m\""),
        ("burst.large", "500"),
        ("decode.max_future", "\"1m\""),
        ("source.source_silence", "\"10m\""),
        ("dedupe.known_builds", "\"400d\""),
        ("dedupe.message_ids", "\"30d\""),
        ("dedupe.ignored", "\"7d\""),
        ("burst.hold_size", "6_000"),
        ("burst.actor_size", "200"),
        ("burst.gating_users", "[\"bodhi\"]"),
        ("trigger.cutover_quiet", "\"2h\""),
        ("trigger.cutover_max", "\"3d\""),
        ("evidence.max_trail_age", "\"14d\""),
        ("select.list_change_max", "0.1"),
        ("governor.rate", "\"40/h\""),
        ("governor.capacity", "4"),
        ("governor.in_flight", "40"),
        ("governor.load_max", "0.75"),
        ("governor.partner_held", "\"2h\""),
        ("source.begin", "\"now\""),
        ("batch.gap", "unset"),
        ("burst.hold_rule.then", "\"wait\""),
        ("sink.kind", "\"dry_run\""),
    ] {
        let key = keys.iter().find(|key| key.path == path).unwrap();
        assert_eq!(key.default, default, "{path}");
    }
}

#[test]
fn family_and_follow_go_together() {
    let left = |tag: &str, time: Option<&str>| FamilyTag {
        tag: tag.to_owned(),
        left_at: time.map(|time| Second::parse(time).unwrap()),
    };
    let (f41, f42) = (left("f41", Some("2025-02-04T10:00:00Z")), left("f42", None));
    for family in [
        "[\"f41@2025-02-04T10:00:00Z\", \"f42\"]",
        "[\"f41@2025-02-04T10:00:00.75+00:00\"]",
        "\"f41@2025-02-04T12:00+02:00,f42\"",
        "\"f41@1738663200.5\"",
    ] {
        let read = settings(&format!("{HEAD}family = {family}"), &[]).trigger;
        assert_eq!((read.tag.as_str(), read.family), ("f42", vec![f41.clone(), f42.clone()]), "{family}");
    }
    let alias = "[trigger]\nfollow = \"rawhide\"\ntag = \"f42\"\nfamily = [\"f41@2025-02-04T10:00:00Z\"]\n";
    assert_eq!(settings(alias, &[]).trigger.family, [f41.clone(), f42]);
    assert_eq!(settings(alias, &["trigger.tag=f43"]).trigger.family, [f41, left("f43", None)]);
    let pipeline = parse(alias, &["trigger.follow=f43"]).unwrap();
    assert_eq!(pipeline.follow, Follow::Tag("f43".to_owned()));
    assert_eq!(pipeline.settings().unwrap().trigger.family, [left("f43", None)]);
    assert_eq!(pipeline.warnings.len(), 1, "that the file's family is left out is said");
    assert_eq!(settings(alias, &["trigger.follow=rawhide"]).trigger, settings(alias, &[]).trigger);
    assert_eq!(pipeline.settings_for("f44").trigger.family, [left("f44", None)]);
}

#[test]
fn begin_is_a_word_or_a_time() {
    let time = Second(1_738_663_200);
    for (text, begin, judged_from) in [
        ("\"now\"", Begin::Now, None),
        ("\"earliest\"", Begin::Earliest, None),
        ("\"2025-02-04T10:00:00+00:00\"", Begin::At(time), Some(time)),
        ("2025-02-04T10:00:00Z", Begin::At(time), Some(time)),
    ] {
        let pipeline = parse(&format!("{HEAD}[source]\nbegin = {text}"), &[]).unwrap();
        assert_eq!(
            (pipeline.begin, pipeline.settings().unwrap().clock.begin),
            (begin, judged_from),
            "{text}"
        );
    }
}

#[test]
fn koji_is_asked_only_where_that_is_stated() {
    let hub = "https://koji.example.org/kojihub";
    for (ask, asked) in [("true", Some(hub.to_owned())), ("false", None)] {
        let text = format!("{HEAD}[evidence]\nask_koji = {ask}\nhub = \"{hub}\"");
        assert_eq!(parse(&text, &[]).unwrap().evidence_hub, asked, "{ask}");
    }
}

#[test]
fn every_kind_of_sink_is_read() {
    let some = |text: &str| text.to_owned();
    for (keys, sink) in [
        ("kind = \"dry_run\"", Sink::DryRun),
        (
            "kind = \"koji\"\nhub = \"https://h\"\ntarget = \"eln\"\nkeytab_file = \"k\"",
            Sink::Koji {
                hub: some("https://h"),
                target: some("eln"),
                login: KojiLogin::Keytab(some("k")),
                settle: None,
            },
        ),
        ("kind = \"ebs\"\nurl = \"https://e\"", Sink::Ebs { url: some("https://e"), token_file: None }),
        (
            "kind = \"kafka\"\nbrokers = \"b:1\"\ntopic = \"t\"",
            Sink::Kafka { brokers: vec![some("b:1")], topic: some("t"), login: None },
        ),
        (
            "kind = \"webhook\"\nurl = \"https://w\"\nsecret_file = \"s\"",
            Sink::Webhook { url: some("https://w"), secret_file: Some(some("s")) },
        ),
    ] {
        assert_eq!(parse(&format!("{HEAD}[sink]\n{keys}"), &[]).unwrap().sink, sink, "{keys}");
    }
}

#[test]
fn a_stated_hold_rule_reaches_the_engine() {
    let rule = |text: &str| settings(&format!("{HEAD}[burst.hold_rule]\n{text}"), &[]).burst.hold_rule;
    let after = Seconds(86_400);
    assert_eq!(rule("after = \"24h\""), Some(HoldRule { after, then: HoldAction::Wait }));
    assert_eq!(rule("after = \"24h\"\nthen = \"drain\""), Some(HoldRule { after, then: HoldAction::Drain }));
    assert_eq!(rule(""), None);
}

#[test]
fn the_hash_is_of_the_effective_configuration() {
    let hash = |text: &str, sets: &[&str]| settings(text, sets).hash;
    let plain = hash(HEAD, &[]);
    assert!(plain.len() == 16 && plain.bytes().all(|byte| byte.is_ascii_hexdigit()), "{plain}");
    for same in [
        "# comment\n[burst]\nquiet = \"60s\"\n[trigger]\nfollow='f42'",
        "name = \"other\"\ntrigger.follow = \"f42\"\nburst.quiet = '1 min'",
    ] {
        assert_eq!(hash(same, &[]), plain, "{same}");
    }
    assert_eq!(hash(HEAD, &["burst.quiet=60s"]), plain);
    assert_ne!(hash(HEAD, &["burst.quiet=61s"]), plain);
}

#[test]
fn the_effective_configuration_is_a_pipeline_file_of_its_own() {
    for text in
        [HEAD, ELN, include_str!("../pipelines/eln-fast.toml"), include_str!("../pipelines/epel.toml")]
    {
        let first = parse(text, &["trigger.follow=f42", "trigger.family=f41@2025-02-04,f42"]).unwrap();
        let second = parse(&written(&first), &[]).unwrap_or_else(|report| panic!("{report}"));
        assert_eq!(first.settings(), second.settings());
    }
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let told = |path: &std::path::Path| pipeline::load(path, &[]).unwrap_err().to_string();
    assert!(told(&folder.path().join("none.toml")).contains("cannot be read"));
    assert!(told(folder.path()).contains("cannot be read"));
    assert!(told(&file("big.toml", &vec![b'#'; (256 << 10) + 1])).contains("more than 262144 bytes"));
    let report = told(&file("latin.toml", b"[trigger]\nfollow = \"f42\" # caf\xe9\n"));
    assert!(report.contains("latin.toml:2:21") && report.contains("UTF-8"), "{report}");
    assert!(pipeline::load(&file("bom.toml", b"\xef\xbb\xbf[trigger]\r\nfollow = \"f42\"\r\n"), &[]).is_ok());
}

#[test]
fn a_file_of_nothing_but_errors_is_reported_in_bounds() {
    for line in ["x{} = 1\n", "x{} = y\n", "x{}\n", "[x{}]\n", "= [ [ = {}\n", "[burst.x{}]\n"] {
        let text: String = (0..10_000).map(|n: u32| line.replace("{}", &n.to_string())).collect();
        let report = parse(&text, &[]).unwrap_err();
        let count = report.errors().count();
        assert!((1..=1_010).contains(&count), "{line}: {count}");
        assert!(report.to_string().len() < 100_000, "{line}");
    }
}

/// Keys with values as they stand in a file, right and wrong.
fn statements() -> impl Strategy<Value = (&'static str, String)> {
    let text = |strategy: BoxedStrategy<String>| strategy.prop_map(|text| format!("'{text}'")).boxed();
    let length =
        prop_oneof![(0..200_000_i64).prop_map(|s| Seconds(s).to_string()), "[0-9smhd. ]{0,6}"].boxed();
    let rule = prop_oneof!["[0-9]{1,4} in [0-9]{1,4}s", "[0-9a-z ]{0,12}"].boxed();
    prop_oneof![
        (
            prop::sample::select(vec!["burst.hold_back", "burst.quiet", "source.disorder", "batch.gap"]),
            text(length)
        ),
        (prop::sample::select(vec!["burst.rules", "burst.other_rules"]), text(rule)),
        (
            prop::sample::select(vec!["burst.large", "governor.capacity"]),
            any::<i16>().prop_map(|n| n.to_string()).boxed()
        ),
        (Just("select.list_change_max"), (-0.5_f64..1.5).prop_map(|n| format!("{n:?}")).boxed()),
        (prop::sample::select(vec!["select.include", "select.exclude"]), text("[a-z(|)*?!.]{0,8}".boxed())),
        (Just("trigger.family"), text("f4[0-2](@2025-0[1-9]-01)?(,f4[0-2])?".boxed())),
        (Just("burst.allow_leak"), any::<bool>().prop_map(|flag| flag.to_string()).boxed()),
        (prop::sample::select(vec!["burst.hold_bak", "brust.quiet"]), Just("1".to_owned()).boxed()),
    ]
}

/// A pipeline file with some of its bytes replaced by something else.
fn damaged() -> impl Strategy<Value = String> {
    let scrap = prop_oneof!["\\PC{0,6}", "[\\[\\]{}\"'=,.#\\n\\\\@ 0-9a-z]{0,8}"];
    (0..ELN.len(), 0..30_usize, scrap).prop_map(|(start, length, scrap)| {
        let mut bytes = ELN.as_bytes().to_vec();
        let end = (start + length).min(bytes.len());
        bytes.splice(start..end, scrap.bytes());
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

proptest! {
    #[test]
    fn no_text_brings_the_reader_down(text in prop_oneof!["\\PC{0,60}", "[\\[\\]{}\"'=,.#\\n\\\\a-c1@: ]{0,60}", damaged()]) {
        if let Err(report) = parse(&text, &[]) {
            prop_assert!(report.errors().count() > 0);
            let lines = text.split('\n').count();
            for finding in report.errors() {
                if let pipeline::Place::File { line, column, .. } = finding.place {
                    prop_assert!(line >= 1 && line <= lines && column >= 1, "{finding}");
                }
            }
            prop_assert!(report.to_string().contains("the pipeline was not loaded"));
        }
    }

    #[test]
    fn no_setting_brings_the_reader_down(text in "(burst|select|trigger)\\.(rules|include|family|follow|renames)=\\PC{0,30}") {
        let set = Override::parse(&text).expect("a key and a value");
        if let Err(report) = pipeline::parse("x.toml", HEAD, &[set]) {
            prop_assert!(report.errors().count() > 0);
        }
    }

    #[test]
    fn a_setting_equals_the_same_value_in_the_file((path, value) in statements()) {
        let in_file = parse(&format!("{path} = {value}\ntrigger.follow = \"f42\"\n"), &[]);
        let set = parse(HEAD, &[&format!("{path}={value}")]);
        match (in_file, set) {
            (Ok(in_file), Ok(set)) => {
                prop_assert_eq!(in_file.settings(), set.settings());
                prop_assert_eq!(written(&in_file), written(&set));
            }
            (Err(in_file), Err(set)) => {
                let messages = |report: &Report| {
                    let mut all: Vec<String> = report.errors().map(|finding| finding.message.clone()).collect();
                    all.sort();
                    all
                };
                prop_assert_eq!(messages(&in_file), messages(&set));
            }
            (in_file, set) => prop_assert!(false, "{path} = {value}: {in_file:?} {set:?}"),
        }
    }

    #[test]
    fn a_setting_wins_over_the_file(file in 61..600_i64, set in 61..600_i64) {
        let text = format!("{HEAD}[burst]\nhold_back = \"{file}s\"");
        let read = settings(&text, &["burst.hold_back=9m", &format!("burst.hold_back={set}s")]);
        prop_assert_eq!(read.burst.hold_back, Seconds(set));
    }
}
