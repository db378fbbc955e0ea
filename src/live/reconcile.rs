//! Compares what the bus brought with Koji's own history, and judges late what the bus has lost. Pure: the rows of the history
//! come as an argument, from [`super::witness::hub`].
//!
//! Only the past is compared that the watermark has left behind by [`GRACE`]: what is younger may still come, also out of a
//! backlog that stands before Kafka. A stay of a build in a tag that no record told of becomes a record of a partition of its own,
//! [`KOJI`], which counts in the accounts as others do, and takes its turn as a late event: it is deduplicated, counted, held back
//! and judged by the same rules. How many there were and up to when was compared is written in the transaction of their effects.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use super::ask::{Answer, MissedLine, Reconciled, Refusal, RefusalKind};
use super::runner::{Now, Reply, Runner};
use super::view::{KojiView, PartitionView};
use super::witness::{Scope, after_failure};
use crate::event::{Body, Decoded, MessageId, Position, SentAt, Tagging};
use crate::kafka::handover::LastRead;
use crate::koji::answers::HistoryRow;
use crate::state::live::StoredPartition;
use crate::time::{Second, Seconds};

/// The partition of what Koji's history has and the bus did not bring; an offset is its number.
pub const KOJI: u32 = u32::MAX - 1;
/// What the state calls that partition; no topic of Kafka has a space in its name.
pub const TOPIC: &str = "koji history";
/// How far behind the watermark a change of a tag has to be before its message is missed.
pub const GRACE: Seconds = Seconds(600);
/// How much of the past is compared again.
pub const OVERLAP: Seconds = Seconds(6 * 3_600);
/// Most builds of the tags together whose changes are looked at in one go.
pub const ROWS_MAX: usize = 200_000;
/// How long after the start it is first compared: by then a backlog is read, or will be seen to be one.
const FIRST_AFTER: Duration = Duration::from_secs(600);
/// Most builds that are told of by name.
const TOLD_MAX: usize = 1_000;
/// Most requests of operators that wait for their turn.
const WAITING_MAX: usize = 16;

/// The part of the hub's history that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// From when on.
    pub since: Second,
    /// Of which tags.
    pub tags: Vec<String>,
}

/// One comparison.
struct Comparison {
    /// From when on; `None`: from where the last one ended, and [`OVERLAP`] before.
    since: Option<Second>,
    dry_run: bool,
    reply: Option<Reply>,
}

/// When Koji's history is compared, and how far that was done.
pub(super) struct Reconcile {
    /// How often; `None`: Koji is not asked.
    every: Option<Duration>,
    /// Number of the next record of [`KOJI`], and up to when was compared.
    next: u64,
    cursor: Option<Second>,
    /// When it is compared by itself.
    due: Duration,
    under_way: Option<(Comparison, Past)>,
    waiting: VecDeque<Comparison>,
    failures: u32,
    trouble: Option<String>,
    seed: u64,
}

impl Reconcile {
    /// Goes on from what the state says of [`KOJI`].
    pub(super) fn new(
        every: Option<Seconds>,
        stored: Option<&StoredPartition>,
        seed: u64,
        now: Duration,
    ) -> Self {
        let cursor = stored.and_then(|stored| stored.last).map(|last| Second::from_millis(last.kafka_millis));
        Self {
            every: every.map(|every| Duration::from_secs(every.0.unsigned_abs())),
            next: stored.map_or(0, |stored| stored.next),
            cursor,
            due: now + FIRST_AFTER,
            under_way: None,
            waiting: VecDeque::new(),
            failures: 0,
            trouble: None,
            seed,
        }
    }

    /// The row of the state.
    fn stored(&self) -> StoredPartition {
        let last = self.cursor.map(|cursor| LastRead {
            offset: self.next.saturating_sub(1),
            kafka_millis: cursor.0.saturating_mul(1_000),
        });
        StoredPartition { number: KOJI, topic: TOPIC.to_owned(), partition: 0, next: self.next, last }
    }

    pub(super) fn trouble(&self) -> Option<&String> {
        self.trouble.as_ref()
    }
}

impl Runner {
    /// The part of the history that is to be compared now, if any.
    pub(super) fn look_back(&mut self, now: Now) -> Option<Past> {
        self.reconcile.every?;
        self.engine.watermark()?;
        if self.reconcile.under_way.is_some() {
            return None;
        }
        let is_due = now.mono >= self.reconcile.due;
        let by_itself = || Comparison { since: None, dry_run: false, reply: None };
        let comparison = self.reconcile.waiting.pop_front().or_else(|| is_due.then(by_itself))?;
        let past = Past { since: self.since(comparison.since, now), tags: Scope::of(&self.engine).family };
        self.reconcile.under_way = Some((comparison, past.clone()));
        Some(past)
    }

    /// From when on is compared. What came before `begin` is not ours to judge.
    fn since(&self, wanted: Option<Second>, now: Now) -> Second {
        let again = self.reconcile.cursor.unwrap_or(now.wall) - OVERLAP;
        let since = wanted.unwrap_or(again);
        self.engine.settings().clock.begin.map_or(since, |begin| since.max(begin))
    }

    /// An operator wants it to be compared; the answer comes when that is done and written.
    pub(super) fn reconcile(&mut self, since: Option<Second>, dry_run: bool, reply: Reply) {
        let refused = |kind, text: &str| Answer::Refused(Refusal { kind, text: text.to_owned() });
        if self.reconcile.every.is_none() {
            let text = "the pipeline does not ask Koji: state evidence.ask_koji = true and evidence.hub, and start it anew";
            return reply(refused(RefusalKind::Refused, text));
        }
        if self.engine.watermark().is_none() {
            let text = "no record of every partition was read yet, so nothing can be missing; try again once the pipeline reads";
            return reply(refused(RefusalKind::Refused, text));
        }
        if self.reconcile.waiting.len() >= WAITING_MAX {
            return reply(refused(RefusalKind::Refused, "others wait for the same already: try again later"));
        }
        self.reconcile.waiting.push_back(Comparison { since, dry_run, reply: Some(reply) });
    }

    /// Takes the history that was asked for, or why it did not come.
    pub(super) fn take_past(&mut self, rows: Result<Vec<HistoryRow>, String>, now: Now) {
        let Some((comparison, past)) = self.reconcile.under_way.take() else { return };
        match rows {
            Ok(rows) => self.compare(comparison, &past, &rows, now),
            Err(error) => {
                let text = format!("Koji's history cannot be compared with what the bus brought: {error}");
                if let Some(reply) = comparison.reply {
                    return reply(Answer::Refused(Refusal { kind: RefusalKind::Failed, text }));
                }
                self.reconcile.due = now.mono + after_failure(self.reconcile.failures, self.reconcile.seed);
                self.reconcile.failures = self.reconcile.failures.saturating_add(1);
                // Told once: the words of the first failure stand until it works again.
                self.reconcile.trouble.get_or_insert(text);
            }
        }
    }

    fn compare(&mut self, comparison: Comparison, past: &Past, rows: &[HistoryRow], now: Now) {
        let Comparison { since, dry_run, reply } = comparison;
        let Some(until) = self.engine.watermark().map(|watermark| watermark - GRACE) else { return };
        let mut lines = Vec::new();
        let mut missed = 0u64;
        for row in rows {
            for change in self.missing(row, past.since, until) {
                missed += 1;
                if lines.len() < TOLD_MAX {
                    lines.push(change.line(row));
                }
                if !dry_run {
                    self.feed(row, change);
                }
            }
        }
        if !dry_run {
            self.compared(since.is_none_or(|since| since <= self.since(None, now)), until, now);
        }
        let Some(reply) = reply else { return };
        let more = missed.saturating_sub(lines.len() as u64);
        let answer = Answer::Reconciled(Reconciled {
            since: past.since,
            until,
            builds: rows.len() as u64,
            missed: lines,
            more,
            dry_run,
        });
        if dry_run { reply(answer) } else { self.answer_when_written(reply, answer) }
    }

    /// Notes up to when was compared, unless that leaves a gap behind it.
    fn compared(&mut self, is_whole: bool, until: Second, now: Now) {
        if is_whole {
            self.reconcile.cursor = self.reconcile.cursor.max(Some(until));
            self.reconcile.due = now.mono + self.reconcile.every.unwrap_or_default();
            (self.reconcile.failures, self.reconcile.trouble) = (0, None);
        }
        self.batch.partitions.push(self.reconcile.stored());
        self.dirty = true;
    }

    /// What no record told of a stay, in order.
    fn missing(&self, row: &HistoryRow, since: Second, until: Second) -> Vec<Change> {
        let within = |at: Second| (since..=until).contains(&at);
        let seen = self.engine.is_in_tag(row.build_id, &row.tag_name);
        let is_trigger = row.tag_name == self.engine.settings().trigger.tag;
        match (row.active, seen) {
            (true, None | Some(false)) if within(row.tagged) => vec![Change::Tag],
            (false, Some(true)) if row.untagged.is_some_and(within) => vec![Change::Untag],
            // Nobody builds for what is gone; but in another tag of the family it makes the build known.
            (false, None) if !is_trigger && within(row.tagged) => {
                let untag = row.untagged.filter(|at| within(*at)).map(|_| Change::Untag);
                std::iter::once(Change::Tag).chain(untag).collect()
            }
            (true | false, _) => Vec::new(),
        }
    }

    /// Gives the engine what the bus did not bring.
    fn feed(&mut self, row: &HistoryRow, change: Change) {
        let position = Position { partition: KOJI, offset: self.reconcile.next };
        self.reconcile.next += 1;
        let tagging = Tagging {
            instance: None,
            build_id: row.build_id,
            name: row.name.as_str().into(),
            version: row.version.as_str().into(),
            release: row.release.as_str().into(),
            tag: row.tag_name.as_str().into(),
            owner: None,
            user: change.by(row).map(Into::into),
        };
        let (topic, koji_event_id, body) = match change {
            Change::Tag => ("tag", row.koji_event_id, Body::Tag(tagging)),
            Change::Untag => ("untag", row.untag_koji_event_id.unwrap_or_default(), Body::Untag(tagging)),
        };
        let decoded = Decoded {
            id: MessageId::parse(&format!("koji-{topic}-{}-{}-{koji_event_id}", row.tag_name, row.build_id)),
            topic: format!("{}{topic}", self.engine.settings().route.topic_prefix).into(),
            sent_at: SentAt::At(change.at(row)),
            body,
        };
        self.engine.again(position, None, Ok(decoded));
        self.records += 1;
    }

    /// The partition of what the bus did not bring; `None` where there never was anything.
    pub(super) fn koji_partition(&self) -> Option<PartitionView> {
        let next = self.reconcile.next;
        let counts = self.engine.account().partitions().iter().find(|(number, _)| *number == KOJI);
        let counts = counts.map(|(_, counts)| *counts).filter(|_| next > 0)?;
        Some(PartitionView {
            number: KOJI,
            topic: TOPIC.to_owned(),
            partition: 0,
            owner: None,
            next,
            end: next,
            caught_up: true,
            // It moves no watermark and has none: nothing waits for it.
            watermark: self.reconcile.cursor,
            newest: None,
            last_kafka_millis: None,
            counts,
        })
    }

    /// How Koji is asked; `None` where it is not.
    pub(super) fn koji_view(&self) -> Option<KojiView> {
        self.reconcile.every?;
        let (waiting, asked) = self.witness.counts();
        Some(KojiView { waiting, asked, compared_until: self.reconcile.cursor, missed: self.reconcile.next })
    }
}

/// What happened to a build in a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Tag,
    Untag,
}

impl Change {
    fn at(self, row: &HistoryRow) -> Second {
        match self {
            Self::Tag => row.tagged,
            Self::Untag => row.untagged.unwrap_or(row.tagged),
        }
    }

    fn by(self, row: &HistoryRow) -> Option<&str> {
        match self {
            Self::Tag => Some(&row.tagged_by),
            Self::Untag => row.untagged_by.as_deref(),
        }
    }

    fn line(self, row: &HistoryRow) -> MissedLine {
        MissedLine {
            nvr: format!("{}-{}-{}", row.name, row.version, row.release),
            build_id: row.build_id,
            tag: row.tag_name.clone(),
            what: match self {
                Self::Tag => "tag".to_owned(),
                Self::Untag => "untag".to_owned(),
            },
            at: self.at(row),
        }
    }
}

impl fmt::Debug for Reconcile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reconcile")
            .field("next", &self.next)
            .field("cursor", &self.cursor)
            .finish_non_exhaustive()
    }
}
