//! What the facts mean, and what to do about them. Pure.

use super::Check;
use crate::kafka::handover::TroubleKind;
use crate::kafka::survey::{Complaint, TopicSettings};
use crate::live::truth::{Mark, Standing, judge};
use crate::pipeline::Begin;
use crate::state::StateError;
use crate::state::read::Place;
use crate::text::grouped;
use crate::time::Second;

/// Time that a topic should keep its records, in seconds: a pipeline may stand still over a week of absence.
const KEEP: i64 = 7 * DAY;
/// Free bytes below which somebody should know, and below which a state cannot grow for long.
const FREE_LOW: u64 = 2 << 30;
const FREE_MIN: u64 = 100 << 20;
/// Seconds that this machine's clock may trail the broker's, until somebody should know and until times mean nothing.
const BEHIND: i64 = 5;
const BEHIND_MAX: i64 = 60;
/// Age of a record in seconds up to which it shows that the clocks agree.
const CLOSE: i64 = 60;
const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;

/// A file, without its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileFacts {
    /// It is a file, no folder or device.
    pub is_file: bool,
    /// Permission bits.
    pub mode: u32,
    /// Its length in bytes.
    pub bytes: u64,
}

/// Judges a file that the key names. `secret`: only those it is meant for may read it.
pub fn file(key: &str, path: &str, secret: bool, facts: Result<FileFacts, String>) -> Check {
    let name = format!("file of {key}");
    let put = || format!("put the file there, readable by the user that runs Tidegate, or correct {key}");
    match facts {
        Err(error) => Check::failed(name, format!("{path} cannot be read: {error}"), put()),
        Ok(facts) if !facts.is_file => Check::failed(name, format!("{path} is no file"), put()),
        Ok(FileFacts { bytes: 0, .. }) => Check::failed(name, format!("{path} is empty"), put()),
        Ok(FileFacts { mode, .. }) if secret && mode & 0o007 != 0 => Check::warning(
            name,
            format!("{path} is open to every user of this machine (mode {mode:03o})"),
            format!("take that away: chmod o-rwx {path}; and take a new secret if others may have read it"),
        ),
        Ok(_) => Check::fine(name, format!("{path} can be read")),
    }
}

/// Judges the place of a state file.
pub fn place(path: &str, place: Result<Place, StateError>) -> Check {
    let name = "place of the state";
    let place = match place {
        Ok(place) => place,
        Err(error) => return Check::failed(name, error.to_string(), "give another file with --state"),
    };
    let free = format!("{} MiB are free on its disk", grouped(place.free >> 20));
    if !place.writable {
        let remedy = "let the user that runs Tidegate own the file and its folder";
        return Check::failed(name, format!("this user may not write {path} or in its folder"), remedy);
    }
    if place.free < FREE_MIN {
        return Check::failed(name, free, "free some space: where a batch cannot be written, the run ends");
    }
    if place.free < FREE_LOW {
        return Check::warning(name, free, "free some space: a state may grow by gigabytes in a year");
    }
    match place.mode {
        Some(mode) if mode & 0o077 != 0 => Check::warning(
            name,
            format!("{path} can be read by others (mode {mode:03o}); {free}"),
            format!("`tidegate run` takes that away when it opens the file; until then: chmod 600 {path}"),
        ),
        Some(_) => Check::fine(name, format!("{path} can be written by this user alone; {free}")),
        None => Check::fine(name, format!("{path} is not there yet and can be made; {free}")),
    }
}

/// Judges who writes the state now.
pub fn writer(writer: Option<Option<u32>>) -> Check {
    let name = "writer of the state";
    let Some(process) = writer else { return Check::fine(name, "nobody has it open for writing") };
    let who = process.map_or("another process".to_owned(), |id| format!("process {id}"));
    let remedy = "if that is the pipeline itself, all is well; else stop it before you start another";
    Check::warning(name, format!("{who} writes it: a second `tidegate run` is refused"), remedy)
}

/// What the state says of known builds: whether they count as filled, and how many facts about builds there are.
pub fn known(filled: bool, facts: u64) -> Check {
    let name = "known builds";
    let facts_told = format!("{} facts about builds in tags", grouped(facts));
    if filled {
        return Check::fine(
            name,
            format!("{facts_told}; a start found them filled, or accepted that they were not"),
        );
    }
    if facts > 0 {
        let found = format!("{facts_told}, and no start yet; `tidegate known stats` counts them by tag");
        return Check::fine(name, found);
    }
    no_known("no build is known: a first start is refused")
}

/// There are no known builds, and why.
pub fn no_known(found: &str) -> Check {
    let remedy = "fill them with `tidegate known import PIPELINE --state DB FILE`, or from Koji with --from-koji instead of FILE, or start with --accept-cold: then what nothing proves new is held";
    Check::failed("known builds", found, remedy)
}

/// What brokers refuse or do not answer, with what to do.
pub fn complaint(name: &str, complaint: &Complaint) -> Check {
    let remedy = match complaint.kind {
        TroubleKind::Unreachable => {
            "check source.brokers, the network between here and there, and whether login and certificates are as the brokers want \
             them: some brokers only hang up on who is wrong"
        }
        TroubleKind::Login => "check source.username, source.password_file and the certificates",
        TroubleKind::Permission => {
            "have the brokers' administrator allow this user to describe and read the topics, and to read the group"
        }
        TroubleKind::NoTopic => "correct source.topics, or have the topic made",
        TroubleKind::Unassigned
        | TroubleKind::Stalled
        | TroubleKind::Commit
        | TroubleKind::Expelled
        | TroubleKind::Other => {
            "look for the text above in the documentation of librdkafka, and in the log of the brokers"
        }
    };
    Check::failed(name, complaint.text.clone(), remedy)
}

/// Judges a topic that is read, or written (`key` is then the key in `[output]`), by its partitions.
pub fn topic(name: &str, key: &str, partitions: usize) -> Check {
    match partitions {
        0 => Check::failed(
            name,
            "there is no such topic, or this user may not see it",
            format!("correct {key}, have the topic made, or have this user allowed to describe it"),
        ),
        1 => Check::fine(name, "it has 1 partition"),
        more => Check::fine(name, format!("it has {} partitions", grouped(more as u64))),
    }
}

/// Judges for how long a topic keeps its records. `started`: the state was, before, so `begin` is settled.
pub fn retention(topic: &str, settings: &TopicSettings, begin: Begin, started: bool, now: Second) -> Check {
    let name = format!("retention of {topic}");
    let bytes = settings.keep_bytes.map_or(String::new(), |bytes| {
        format!(", and at most {} MiB of a partition", grouped(bytes.unsigned_abs() >> 20))
    });
    let Some(keep) = settings.keep_millis.map(|millis| millis / 1_000) else {
        return by_bytes(name, format!("records are kept whatever their age{bytes}"), settings);
    };
    let found = format!("records are kept for {}{bytes}", span(keep));
    if let (Begin::At(time), false) = (begin, started)
        && time < Second(now.0.saturating_sub(keep))
    {
        let found = format!("{found}, and source.begin is {time}: what came between may be gone");
        let remedy =
            "import the builds of that time as known builds, keep records for longer, or begin later";
        return Check::warning(name, found, remedy);
    }
    if keep < KEEP {
        let remedy = format!(
            "have retention.ms of the topic set to {} or more: a pipeline that is paused or down for longer loses records unread",
            KEEP * 1_000
        );
        return Check::warning(name, found, remedy);
    }
    by_bytes(name, found, settings)
}

fn by_bytes(name: String, found: String, settings: &TopicSettings) -> Check {
    if settings.keep_bytes.is_none() {
        return Check::fine(name, found);
    }
    let remedy = format!(
        "see that so many bytes are more than {} of messages: a bound by size gives way in a flood",
        span(KEEP)
    );
    Check::warning(name, found, remedy)
}

/// Judges this machine's clock by the newest record of a topic: `newest` and `now` in milliseconds since 1970.
pub fn clock(topic: &str, settings: Option<&TopicSettings>, newest: Option<i64>, now: i64) -> Check {
    let name = "clock";
    let cannot =
        |why: String| Check::skipped(name, format!("it cannot be compared with the brokers': {why}"));
    match (settings, newest) {
        (None, _) => cannot(format!("the brokers do not tell the settings of {topic}")),
        (Some(TopicSettings { broker_times: false, .. }), _) => cannot(format!(
            "times in {topic} are those of whoever wrote (message.timestamp.type is CreateTime)"
        )),
        (Some(_), None) => cannot(format!("{topic} has no record")),
        (Some(_), Some(newest)) => compared((now - newest) / 1_000),
    }
}

/// `age`: seconds since the newest record by this machine's clock.
fn compared(age: i64) -> Check {
    let name = "clock";
    let behind = age.saturating_neg();
    let remedy = "have this machine's clock set by NTP or chrony";
    if behind > BEHIND_MAX {
        Check::failed(name, format!("it is at least {} behind the brokers'", span(behind)), remedy)
    } else if behind > BEHIND {
        Check::warning(name, format!("it is at least {} behind the brokers'", span(behind)), remedy)
    } else if age <= CLOSE {
        Check::fine(name, format!("it agrees with the brokers' within {}", span(CLOSE)))
    } else {
        Check::fine(
            name,
            format!(
                "it is not behind the brokers'; the newest record is {} old, so more cannot be told",
                span(age)
            ),
        )
    }
}

/// Judges whose commits the group has: `ours` is the mark of the state, `None` where there is none yet.
pub fn group(group: &str, ours: Option<&Mark>, committed: &[String]) -> Check {
    let name = format!("group {group}");
    let nobody = Mark { state: String::new(), serial: 0 };
    match judge(ours.unwrap_or(&nobody), committed.iter().map(String::as_str)) {
        Standing::Ours if committed.is_empty() => {
            Check::fine(name, "it has committed nothing yet, and may be used")
        }
        Standing::Ours => Check::fine(name, "its commits are of this state"),
        Standing::OldCopy { committed, ours } => Check::warning(
            name,
            format!(
                "this state is an old copy: batch {ours}, and batch {committed} was written by the one that went on"
            ),
            "use that one; if it is lost, start with this one, stop, and take it with `tidegate state adopt`: nothing is submitted before",
        ),
        Standing::Foreign { state } => {
            let whose = state.map_or("another program".to_owned(), |state| format!("the state {state}"));
            let what =
                if ours.is_none() { "no state was given, or none is there" } else { "this state is another" };
            let found = format!("its commits are of {whose}, and {what}: a run is refused");
            Check::failed(
                name,
                found,
                "give each pipeline a group of its own (source.group), or the state that goes with this one",
            )
        }
    }
}

/// A length of time in words.
fn span(seconds: i64) -> String {
    if seconds < 120 {
        format!("{seconds} s")
    } else if seconds < 2 * HOUR {
        format!("{} min", seconds / 60)
    } else if seconds < 2 * DAY {
        format!("{} h", seconds / HOUR)
    } else {
        format!("{} days", grouped((seconds / DAY).unsigned_abs()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict::{self, Failed, Fine, Skipped, Warning};
    use super::*;

    /// What is not fine says what to do, and what is fine has nothing to be done.
    fn expect(check: &Check, verdict: Verdict, words: &str) {
        assert_eq!(check.verdict, verdict, "{check:?}");
        assert!(check.found.contains(words), "{check:?} lacks {words}");
        assert_eq!(check.remedy.is_some(), matches!(verdict, Warning | Failed), "{check:?}");
    }

    #[test]
    fn files() {
        let facts = |mode, bytes| Ok(FileFacts { is_file: true, mode, bytes });
        for (secret, facts, verdict, words) in [
            (true, facts(0o600, 1), Fine, "can be read"),
            (true, facts(0o640, 1), Fine, "can be read"),
            (true, facts(0o644, 1), Warning, "mode 644"),
            (true, facts(0o602, 1), Warning, "mode 602"),
            (false, facts(0o644, 1), Fine, "can be read"),
            (true, facts(0o600, 0), Failed, "is empty"),
            (false, Ok(FileFacts { is_file: false, mode: 0o700, bytes: 9 }), Failed, "is no file"),
            (true, Err("no such file".to_owned()), Failed, "no such file"),
        ] {
            expect(&file("source.key_file", "k", secret, facts), verdict, words);
        }
    }

    #[test]
    fn places_of_states() {
        let of = |writable, mode, free| place("a.db", Ok(Place { writable, mode, free }));
        expect(&of(true, None, FREE_LOW), Fine, "not there yet");
        expect(&of(true, Some(0o600), FREE_LOW), Fine, "2,048 MiB");
        expect(&of(true, Some(0o640), FREE_LOW), Warning, "mode 640");
        expect(&of(true, Some(0o600), FREE_LOW - 1), Warning, "2,047 MiB");
        expect(&of(true, Some(0o600), FREE_MIN), Warning, "100 MiB");
        expect(&of(true, Some(0o600), FREE_MIN - 1), Failed, "99 MiB");
        expect(&of(false, None, FREE_LOW), Failed, "may not write");
        let nfs = StateError::Network { path: "a.db".into(), kind: "NFS" };
        expect(&place("a.db", Err(nfs)), Failed, "NFS");
        expect(&writer(None), Fine, "nobody");
        expect(&writer(Some(Some(7))), Warning, "process 7");
    }

    #[test]
    fn known_builds() {
        expect(&known(true, 0), Fine, "0 facts");
        expect(&known(false, 1_000), Fine, "1,000 facts");
        expect(&known(false, 0), Failed, "first start is refused");
    }

    #[test]
    fn how_long_records_are_kept() {
        let now = Second(1_738_648_800);
        let of = |keep_millis, keep_bytes, begin, started| {
            retention(
                "koji",
                &TopicSettings { keep_millis, keep_bytes, broker_times: false },
                begin,
                started,
                now,
            )
        };
        let week = KEEP * 1_000;
        for (keep, bytes, begin, started, verdict, words) in [
            (None, None, Begin::Now, false, Fine, "whatever their age"),
            (None, Some(1 << 30), Begin::Now, false, Warning, "1,024 MiB of a partition"),
            (Some(week), None, Begin::Now, false, Fine, "kept for 7 days"),
            (Some(week - 1_000), None, Begin::Now, false, Warning, "kept for 6 days"),
            (Some(week - 1_000), None, Begin::Earliest, true, Warning, "kept for 6 days"),
            (Some(week), Some(1 << 20), Begin::Now, false, Warning, "1 MiB of a partition"),
            (Some(week), None, Begin::At(Second(now.0 - KEEP)), false, Fine, "7 days"),
            (Some(week), None, Begin::At(Second(now.0 - KEEP - 1)), false, Warning, "source.begin is"),
            (Some(week), None, Begin::At(Second(0)), true, Fine, "7 days"),
            (Some(0), None, Begin::Now, false, Warning, "kept for 0 s"),
        ] {
            expect(&of(keep, bytes, begin, started), verdict, words);
        }
    }

    #[test]
    fn clocks() {
        let settings = |broker_times| TopicSettings { keep_millis: None, keep_bytes: None, broker_times };
        for (age, verdict, words) in [
            (0, Fine, "within 60 s"),
            (60, Fine, "within 60 s"),
            (61, Fine, "61 s old"),
            (-5, Fine, "within 60 s"),
            (-6, Warning, "6 s behind"),
            (-60, Warning, "60 s behind"),
            (-61, Failed, "61 s behind"),
            (-7_200, Failed, "2 h behind"),
        ] {
            expect(
                &clock("koji", Some(&settings(true)), Some(1_000_000), 1_000_000 + age * 1_000),
                verdict,
                words,
            );
        }
        expect(&clock("koji", Some(&settings(true)), None, 0), Skipped, "no record");
        expect(&clock("koji", Some(&settings(false)), Some(0), 0), Skipped, "CreateTime");
        expect(&clock("koji", None, Some(0), 0), Skipped, "do not tell");
    }

    #[test]
    fn whose_the_group_is() {
        let ours = Mark { state: "ours".to_owned(), serial: 10 };
        let of = |ours, texts: &[&str]| {
            group("g", ours, &texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>())
        };
        expect(&of(None, &[]), Fine, "nothing yet");
        expect(&of(Some(&ours), &["tidegate 1 ours 10"]), Fine, "of this state");
        expect(&of(Some(&ours), &["tidegate 1 ours 11"]), Warning, "batch 11");
        expect(&of(Some(&ours), &["tidegate 1 theirs 1"]), Failed, "the state theirs");
        expect(&of(None, &["tidegate 1 ours 10"]), Failed, "no state was given");
        expect(&of(Some(&ours), &["rpk"]), Failed, "another program");
    }

    #[test]
    fn topics_and_complaints() {
        expect(&topic("topic a", "source.topics", 0), Failed, "no such topic");
        expect(&topic("topic a", "source.topics", 1), Fine, "1 partition");
        expect(&topic("topic a", "source.topics", 1_200), Fine, "1,200 partitions");
        for kind in
            [TroubleKind::Unreachable, TroubleKind::Login, TroubleKind::Permission, TroubleKind::Other]
        {
            expect(&complaint("brokers", &Complaint { kind, text: "it says".to_owned() }), Failed, "it says");
        }
    }
}
