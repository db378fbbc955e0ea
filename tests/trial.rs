//! Tests inside pipeline files: that the shipped ones pass, that they fail where the pipeline is worse, and what each
//! word of a test means.

use std::path::Path;

use tidegate::pipeline::{self, Override, Pipeline};
use tidegate::trial::{self, Verdict};

/// The first line of the test in [`run`]'s text.
const FIRST_LINE: usize = 6;

fn shipped(name: &str, sets: &[&str]) -> Pipeline {
    let sets: Vec<Override> = sets.iter().map(|set| Override::parse(set).expect("a setting")).collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines").join(name);
    pipeline::load(&path, &sets).unwrap_or_else(|report| panic!("{report}"))
}

fn failed(verdicts: &[Verdict]) -> Vec<&str> {
    verdicts.iter().filter(|verdict| !verdict.passed()).map(|verdict| verdict.name.as_str()).collect()
}

#[test]
fn the_shipped_files_pass_their_tests() {
    for name in ["eln.toml", "eln-fast.toml", "epel.toml", "centos-stream.toml"] {
        let verdicts = trial::run_all(&shipped(name, &[]));
        assert!(verdicts.len() >= 5, "{name} has {} tests", verdicts.len());
        for verdict in verdicts {
            assert_eq!(verdict.failures, [], "{name}: {}", verdict.name);
        }
    }
}

#[test]
fn a_worse_pipeline_fails_the_tests_of_its_file() {
    let floods = "that nothing proves new are a flood";
    for (sets, name, fails) in [
        (&["burst.rules=[\"1000 in 5s\", \"300 in 1m\"]"][..], "eln.toml", floods),
        (&["burst.rules=1000 in 5s"], "eln-fast.toml", floods),
        (&["burst.rules=[\"1000 in 5s\", \"300 in 1m\"]"], "epel.toml", floods),
        (&["burst.rules=[\"1000 in 5s\", \"300 in 1m\"]"], "centos-stream.toml", floods),
        (&["burst.rules=[\"10 in 5s\", \"3 in 1m\"]"], "eln.toml", floods),
        (&["burst.other_rules=[\"1000 in 5s\", \"300 in 1m\"]"], "eln.toml", "old builds swept"),
        (&["burst.other_rules=[\"1000 in 5s\", \"300 in 1m\"]"], "eln-fast.toml", "old builds swept"),
        (&["burst.other_rules=[\"1000 in 5s\", \"300 in 1m\"]"], "epel.toml", "old builds swept"),
        (&["burst.other_rules=[\"1000 in 5s\", \"300 in 1m\"]"], "centos-stream.toml", "old builds swept"),
        (&["burst.hold_back=2m"], "eln.toml", "a new build goes on after"),
        (&["burst.hold_back=61s"], "eln-fast.toml", "a new build goes on after"),
        (&["evidence.candidate_tags=[]"], "eln.toml", "a new build goes on after"),
        (&["evidence.rebuild_tags=[]", "burst.actor_size=1000"], "eln.toml", "a mass rebuild waits"),
        (&["burst.hold_size=100"], "eln.toml", "a side-tag merge"),
        (&["burst.hold_size=100"], "epel.toml", "a side-tag merge"),
        (&["evidence.max_trail_age=1h"], "centos-stream.toml", "a side-tag merge"),
    ] {
        let verdicts = trial::run_all(&shipped(name, sets));
        let failed = failed(&verdicts);
        assert!(
            failed.iter().any(|test| test.contains(fails)),
            "{name} with {sets:?}: failed are {failed:?}"
        );
    }
}

/// Runs one test, given as the lines below its name, over the defaults.
#[track_caller]
fn run(pipeline: &str, test: &str) -> Verdict {
    let whole = format!("[trigger]\nfollow = \"f42\"\n{pipeline}\n[[test]]\nname = \"x\"\n{test}");
    let pipeline = pipeline::parse("x.toml", &whole, &[]).unwrap_or_else(|report| panic!("{report}"));
    let [case] = &pipeline.cases[..] else { panic!("one test was expected") };
    trial::run(&pipeline, case)
}

/// Runs one test that has to pass.
#[track_caller]
fn passes(pipeline: &str, test: &str) {
    let verdict = run(pipeline, test);
    let failures: Vec<String> = verdict.failures.iter().map(ToString::to_string).collect();
    assert!(verdict.passed(), "{}", failures.join("\n\n"));
}

/// Runs one test that has to fail; gives lines and messages of what failed.
#[track_caller]
fn fails(pipeline: &str, test: &str) -> Vec<(usize, String)> {
    let verdict = run(pipeline, test);
    let line = |finding: &pipeline::Finding| match finding.place {
        pipeline::Place::File { line, .. } => line,
        pipeline::Place::Set { .. } | pipeline::Place::Whole { .. } => 0,
    };
    verdict.failures.iter().map(|failure| (line(failure), failure.message.clone())).collect()
}

#[test]
fn a_failure_names_the_line_what_was_expected_and_what_was() {
    let told = fails(
        "",
        r#"events = [
            { at = "1m", tag = "f42-candidate", builds = "1..3" },
            { at = "1h", tag = "f42", builds = "1..5" },
        ]
        expect = [
            { builds = "1..5", outcome = "submitted" },
            { builds = 7, outcome = "held" },
            { outcome = "held", count = 1 },
            { builds = 1, reason = "trail", within = "60s" },
            { builds = 1, package = "p1", outcome = "held", hold = "flood", at_least = 1 },
        ]"#,
    );
    assert_eq!(
        told,
        [
            (
                FIRST_LINE + 5,
                "expected: each message of builds 1..5 submitted; was: 3 of 5 (3 submitted (trail), first build 1 of p1; \
                 2 held (no_fresh_evidence) in a hold of kind unproven, first build 4 of p4)"
                    .to_owned()
            ),
            (
                FIRST_LINE + 6,
                "expected: each message of build 7 held; was: 0 of 0 (no such message came)".to_owned()
            ),
            (
                FIRST_LINE + 7,
                "expected: one message held; was: 2 of 5 (3 submitted (trail), first build 1 of p1; \
                 2 held (no_fresh_evidence) in a hold of kind unproven, first build 4 of p4)"
                    .to_owned()
            ),
            (
                FIRST_LINE + 8,
                "expected: each message of build 1 submitted (trail) within 1m; was: 0 of 1 (1 submitted (trail), first \
                 build 1 of p1)"
                    .to_owned()
            ),
            (
                FIRST_LINE + 9,
                "expected: at least one message of build 1 of package p1 held in a hold of kind flood; was: 0 of 1 \
                 (1 submitted (trail), first build 1 of p1)"
                    .to_owned()
            ),
        ]
    );
}

#[test]
fn the_edges_of_the_words() {
    // The hold-back is over 61 s after the event: not a second before, and the watermark has to have passed it.
    passes(
        "",
        r#"events = [
            { at = "1m", tag = "f42-candidate", builds = 1 },
            { at = "1h", tag = "f42", builds = 1 },
            { at = "1h1m", expect = { outcome = "pending" } },
            { at = "1h1m1s", expect = { outcome = "submitted", reason = "trail", within = "61s", count = 1 } },
        ]
        expect = { outcome = "submitted" }"#,
    );
    // Thirty in a minute are a flood, and one fewer are none; spread over 30 events, the last is a step from the end.
    passes(
        "",
        r#"events = [
            { tag = "f42", builds = "1..30", over = "1m" },
            { at = "2h", tag = "f42", builds = "41..69", over = "1m" },
        ]
        expect = [{ builds = "1..30", hold = "flood" }, { builds = "41..69", hold = "unproven" }]"#,
    );
    // What is undecided at the end is pending where the time is stated, and held as at the end of a replay where not.
    for (advance, outcome) in [
        ("advance = \"60s\"", "outcome = \"pending\""),
        ("advance = \"61s\"", "outcome = \"held\", hold = \"unproven\""),
        ("", "outcome = \"held\", reason = \"no_fresh_evidence\""),
    ] {
        passes("", &format!("{advance}\nevents = {{ tag = \"f42\", builds = 1 }}\nexpect = {{ {outcome} }}"));
    }
}

#[test]
fn operators_decide_about_holds_whole_or_in_part() {
    for (decision, released, dropped, held) in [
        ("release = \"flood\"", 40, 0, 0),
        ("drop = \"flood\"", 0, 40, 0),
        ("release = \"flood\", package = \"p7\"", 1, 0, 39),
        ("release = \"flood\", except = \"p7\"", 39, 0, 1),
        ("drop = \"flood\", pattern = \"p1?-*\"", 0, 10, 30),
    ] {
        passes(
            "",
            &format!(
                "events = [{{ tag = \"f42\", builds = \"1..40\" }}, {{ at = \"1h\", {decision} }}]
                 expect = [
                     {{ reason = \"released_by_operator\", count = {released} }},
                     {{ reason = \"dropped_by_operator\", count = {dropped} }},
                     {{ outcome = \"held\", count = {held} }},
                 ]"
            ),
        );
    }
    let told = fails(
        "",
        r#"events = [
            { tag = "f42", builds = 1 },
            { at = "1h", release = "flood" },
            { at = "2h", drop = "unproven", package = "bash" },
        ]
        expect = { outcome = "held" }"#,
    );
    assert_eq!(
        told,
        [
            (
                FIRST_LINE + 2,
                "expected: an open hold of kind flood; was: unproven with 1 held".to_owned()
            ),
            (
                FIRST_LINE + 3,
                "expected: hold h1 can be decided; was: nothing in hold h1 matches: it is listed by `tidegate holds show h1`"
                    .to_owned()
            ),
        ]
    );
}

#[test]
fn the_stated_rule_of_a_hold_acts_when_time_goes_on() {
    let rule = "[burst.hold_rule]\nafter = \"24h\"\nthen = \"drop\"";
    // The hold is opened when the builds fall due, 61 s after they came.
    for (advance, expected) in
        [("24h1m", "outcome = \"held\""), ("24h1m1s", "outcome = \"dropped\", reason = \"dropped_by_rule\"")]
    {
        passes(
            rule,
            &format!(
                "advance = \"{advance}\"\nevents = {{ tag = \"f42\", builds = 1 }}\nexpect = {{ {expected} }}"
            ),
        );
    }
}

#[test]
fn known_builds_packages_and_untags() {
    passes(
        "[select]\npackages = [\"list.txt\"]\nrenames = { freeipa = \"ipa\" }",
        r#"family = ["f41@2025-02-04T10:00:00Z", "f42"]
        packages = ["ipa", "p2"]
        events = [
            { known = "f41", builds = 2 },
            { complete = "1..3" },
            { at = "1h", tag = "f42", builds = 1, package = "freeipa" },
            { at = "1h", tag = "f42", builds = "2..3" },
            { at = "2h", tag = "f42", builds = 1 },
            { at = "3h", untag = "f42", builds = 1 },
            { at = "4h", tag = "f42", builds = 1 },
        ]
        expect = [
            { package = "freeipa", reason = "completed", count = 1 },
            { builds = 1, reason = "build_in_tag", count = 1 },
            { builds = 1, reason = "already_submitted", count = 1 },
            { builds = 2, reason = "known_build" },
            { builds = 3, outcome = "ignored", reason = "not_eligible" },
        ]"#,
    );
    // Without a stated list every package of the events is eligible, under its downstream name.
    passes(
        "[select]\npackages = [\"list.txt\"]\nrenames = { freeipa = \"ipa\" }",
        r#"events = [
            { complete = "1..2" },
            { at = "1h", tag = "f42", builds = 1, package = "freeipa" },
            { at = "1h", tag = "f42", builds = 2 },
        ]
        expect = { outcome = "submitted" }"#,
    );
}

#[test]
fn a_stream_is_followed_by_events() {
    passes(
        "",
        r#"generate = "branching"
        scale = 0.02
        cold = true
        events = [
            { at = "1h", expect = { label = "retag", outcome = "held", hold = "flood", at_least = 10 } },
            { at = "1h", drop = "flood" },
        ]
        expect = [
            { label = "retag", outcome = "submitted", count = 0 },
            { label = "retag", reason = "dropped_by_operator", at_least = 10 },
        ]"#,
    );
}

#[test]
fn begin_does_not_silence_a_test() {
    passes(
        "[source]\nbegin = \"2030-01-01\"",
        "events = { tag = \"f42\", builds = 1 }\nexpect = { outcome = \"held\" }",
    );
}

#[test]
fn an_alias_needs_a_tag() {
    let text = "[trigger]\nfollow = \"rawhide\"\n[[test]]\nname = \"x\"\nevents = { tag = \"f42\", builds = 1 }\n\
                expect = { outcome = \"held\" }";
    let pipeline = pipeline::parse("x.toml", text, &[]).unwrap_or_else(|report| panic!("{report}"));
    let [verdict] = &trial::run_all(&pipeline)[..] else { panic!("one test was expected") };
    assert_eq!(verdict.failures[0].message, "the test does not say which tag `rawhide` stands for");
}

#[test]
fn tests_decide_nothing() {
    let bare = "[trigger]\nfollow = \"f42\"\n";
    let tested = format!(
        "{bare}[[test]]\nname = \"x\"\nevents = {{ tag = \"f42\", builds = 1 }}\nexpect = {{ outcome = \"held\" }}"
    );
    let hash = |text: &str| pipeline::parse("x.toml", text, &[]).map(|pipeline| pipeline.hash().to_owned());
    assert_eq!(hash(bare), hash(&tested));
}
