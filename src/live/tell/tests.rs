//! Every change of a view and its line.

use super::*;
use crate::live::pause::Kind;
use crate::live::view::tests::view;
use crate::time::Second;

fn hold(id: u32, members: usize) -> HoldLine {
    HoldLine {
        id,
        kind: "flood".to_owned(),
        instance: "primary".to_owned(),
        tag: "f42".to_owned(),
        opened_at: Second(1),
        version: 1,
        members,
        growing: true,
    }
}

fn pause(why: &str, until: Option<Second>) -> Pause {
    Pause { kind: Kind::Intake, who: "ana".to_owned(), why: why.to_owned(), since: Second(5), until }
}

/// The one line that a change gives, and that which the way back gives.
fn there_and_back(change: impl FnOnce(&mut View), there: (Level, &str), back: (Level, &str)) {
    let before = view();
    let mut now = view();
    change(&mut now);
    for (from, to, (level, text)) in [(&before, &now, there), (&now, &before, back)] {
        let lines = changes(Some(from), to);
        let told: Vec<_> = lines.iter().map(|line| (line.level, &*line.text)).collect();
        assert!(matches!(&told[..], [(l, t)] if *l == level && t.starts_with(text)), "{text}: {told:?}");
        assert_eq!(changes(Some(to), to), [], "nothing changed");
    }
}

#[test]
fn each_change_gives_its_line() {
    use Level as L;
    let reading = (L::INFO, "reading");
    there_and_back(|view| view.intake = Intake::Waiting, (L::INFO, "waiting for the broker"), reading);
    there_and_back(|view| view.intake = Intake::Paused, (L::INFO, "reading is paused"), reading);
    there_and_back(|view| view.intake = Intake::Damaged, (L::ERROR, "reading has stopped"), reading);
    there_and_back(|view| view.intake = Intake::Stopping, (L::INFO, "stopping"), reading);
    let full = Intake::Full { bound: "pending_max".to_owned() };
    there_and_back(
        |view| view.intake = full,
        (L::WARN, "reading stands still at the bound pending_max"),
        reading,
    );
    let closed = Submission::Closed(vec!["cold".to_owned(), "old copy\u{1b}".to_owned()]);
    let open = (L::INFO, "what is admitted is submitted");
    let told = (L::WARN, "nothing is submitted: cold; old copy\\u{1b}");
    there_and_back(|view| view.submission = closed, told, open);
    let quiet = (L::INFO, "f42 is quiet again");
    there_and_back(|view| view.phase = "suspect".to_owned(), (L::INFO, "f42 is suspect"), quiet);
    there_and_back(|view| view.phase = "burst".to_owned(), (L::WARN, "a burst in f42"), quiet);
    there_and_back(
        |view| view.holds.push(hold(7, 1)),
        (L::WARN, "hold h7 (flood) of f42 is open with 1 build:"),
        (L::INFO, "hold h7 (flood) of f42 is closed"),
    );
    there_and_back(
        |view| view.pauses.push(pause("branching\n", None)),
        (L::WARN, "intake is paused by ana until somebody resumes it: branching\\u{a}"),
        (L::INFO, "intake is no longer paused"),
    );
    there_and_back(
        |view| view.silent = true,
        (L::WARN, "no record of any partition"),
        (L::INFO, "records come again"),
    );
    there_and_back(
        |view| view.packages.failed = Some("404".to_owned()),
        (L::WARN, "the package list cannot be fetched: 404"),
        (L::INFO, "the package list is fetched again"),
    );
    there_and_back(
        |view| view.troubles.push("the disk is full".to_owned()),
        (L::WARN, "the disk is full"),
        (L::INFO, "over: the disk is full"),
    );
    there_and_back(
        |view| view.hash = "ffff".to_owned(),
        (L::INFO, "configuration ffff is in force"),
        (L::INFO, "configuration 0a1b is in force"),
    );
    there_and_back(
        |view| view.trigger = "f43".to_owned(),
        (L::WARN, "the trigger tag is f43 now, it was f42"),
        (L::WARN, "the trigger tag is f42 now, it was f43"),
    );
}

#[test]
fn a_list_is_told_when_it_is_proposed_and_when_it_is_taken() {
    let before = view();
    let mut proposed = view();
    proposed.packages.proposed = Some(("v2".to_owned(), 1_234));
    let mut taken = view();
    taken.packages.in_force = Some(("v2".to_owned(), 1_234));
    let told = |from: &View, to: &View| -> Vec<String> {
        changes(Some(from), to).into_iter().map(|line| line.text).collect()
    };
    assert_eq!(
        told(&before, &proposed),
        ["package list v2 of 1,234 packages waits: `tidegate packages accept` takes it"]
    );
    assert_eq!(told(&proposed, &taken), ["package list v2 of 1,234 packages is in force"]);
}

#[test]
fn what_grows_is_told_at_each_power_of_ten() {
    for (before, now, told) in
        [(1, 9, false), (9, 10, true), (10, 99, false), (99, 100, true), (5, 100_000, true), (100, 99, false)]
    {
        let (mut one, mut other) = (view(), view());
        one.holds.push(hold(7, before));
        other.holds.push(hold(7, now));
        one.dead_letters = before as u64;
        other.dead_letters = now as u64;
        assert_eq!(changes(Some(&one), &other).len(), if told { 2 } else { 0 }, "from {before} to {now}");
    }
    let mut first = view();
    first.dead_letters = 1;
    assert_eq!(changes(Some(&view()), &first).len(), 1);
}

#[test]
fn a_pause_in_the_place_of_another_is_told_as_begun_only() {
    let (mut one, mut other) = (view(), view());
    one.pauses.push(pause("a", None));
    other.pauses.push(pause("b", Some(Second(0))));
    let lines = changes(Some(&one), &other);
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].text, "intake is paused by ana until 1970-01-01T00:00:00Z: b");
}

#[test]
fn the_first_view_is_told_as_it_stands() {
    let mut first = view();
    first.holds.push(hold(7, 20));
    first.troubles.push("the disk is full".to_owned());
    let told: Vec<_> = changes(None, &first).into_iter().map(|line| line.text).collect();
    assert_eq!(
        told,
        [
            "pipeline eln follows f42, configuration 0a1b",
            "reading",
            "hold h7 (flood) of f42 is open with 20 builds: `tidegate holds` shows it",
            "the disk is full",
        ]
    );
}

#[test]
fn many_changes_at_once_give_few_lines() {
    let mut now = view();
    now.holds = (0..51).map(|id| hold(id, 1)).collect();
    let lines = changes(Some(&view()), &now);
    assert_eq!(lines.len(), LINES_MAX);
    assert!(lines[49].text.starts_with("2 more changes"), "{}", lines[49].text);
    now.holds.truncate(50);
    let lines = changes(Some(&view()), &now);
    assert!(lines.len() == LINES_MAX && lines[49].text.starts_with("hold h49 "), "{}", lines[49].text);
}

#[test]
fn what_the_bus_lost_is_told_each_time_it_is_found() {
    use super::super::view::KojiView;
    let missed = |missed| View { koji: Some(KojiView { missed, ..KojiView::default() }), ..view() };
    let told = |from: &View, to: &View| -> Vec<String> {
        changes(Some(from), to).into_iter().map(|line| line.text).collect()
    };
    assert_eq!(told(&missed(3), &missed(3)), Vec::<String>::new());
    let [line] = &told(&missed(3), &missed(5))[..] else { panic!("one line") };
    assert!(line.starts_with("the bus did not bring 2 changes of tags"), "{line}");
    // What earlier runs found was told then.
    assert!(!changes(None, &missed(5)).iter().any(|line| line.text.contains("did not bring")));
}
