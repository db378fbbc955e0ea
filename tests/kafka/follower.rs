//! A pipeline that only remembers: answers assignments, and waits for what must come.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use tidegate::kafka::handover::{
    Assignment, Damage, FromKafka, KafkaRecord, LastRead, Owner, PartitionProgress, Progress, StartAt,
    ToKafka, TroubleKind,
};
use tidegate::kafka::source::{self, Source, SourceSettings};
use tokio::runtime::Runtime;

use crate::broker::PATIENCE;

/// Topic and number.
pub(crate) type Place = (String, i32);

pub(crate) struct Follower {
    source: Source,
    runtime: Runtime,
    /// Where each partition is started; others at their first record.
    pub(crate) starts: BTreeMap<Place, StartAt>,
    /// Says where to start as soon as it is asked.
    pub(crate) answers: bool,
    /// All records by partition, in the order in which they came.
    pub(crate) records: BTreeMap<Place, Vec<KafkaRecord>>,
    pub(crate) assignment: Option<Assignment>,
    pub(crate) progress: Option<Progress>,
    pub(crate) damages: Vec<Damage>,
    pub(crate) repartitioned: Vec<(usize, usize)>,
    pub(crate) troubles: BTreeMap<TroubleKind, String>,
    /// Everything that ever was trouble, in its order.
    pub(crate) history: Vec<String>,
    pub(crate) revoked: u32,
    pub(crate) stopped: Option<bool>,
    /// When the last record came.
    pub(crate) last_record: Option<Instant>,
    recent: VecDeque<String>,
}

impl Follower {
    pub(crate) fn start(settings: SourceSettings) -> Self {
        Self::start_at(settings, BTreeMap::new())
    }

    pub(crate) fn start_at(settings: SourceSettings, starts: BTreeMap<Place, StartAt>) -> Self {
        Self {
            source: source::start(settings).unwrap(),
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
            starts,
            answers: true,
            records: BTreeMap::new(),
            assignment: None,
            progress: None,
            damages: Vec::new(),
            repartitioned: Vec::new(),
            troubles: BTreeMap::new(),
            history: Vec::new(),
            revoked: 0,
            stopped: None,
            last_record: None,
            recent: VecDeque::new(),
        }
    }

    /// Takes news in until a condition holds.
    pub(crate) fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let deadline = now() + PATIENCE;
        while !holds(self) {
            let left = deadline.saturating_duration_since(now());
            let receive = async { tokio::time::timeout(left, self.source.from.recv()).await };
            let Ok(received) = self.runtime.block_on(receive) else {
                panic!("this did not come: {what}\n{:#?}", self.recent);
            };
            let Some(news) = received else {
                panic!("the source ended before: {what}\n{:#?}", self.recent);
            };
            self.take(news);
        }
    }

    fn take(&mut self, news: FromKafka) {
        self.remember(&news);
        match news {
            FromKafka::Assigned(assignment) => {
                self.assignment = Some(assignment);
                self.progress = None;
                if self.answers {
                    self.answer();
                }
            }
            FromKafka::Damaged { damages, .. } => self.damages.extend(damages),
            FromKafka::Repartitioned { before, now, .. } => self.repartitioned.push((before, now)),
            FromKafka::Revoked { generation } => {
                assert_eq!(Some(generation), self.assignment.take().map(|a| a.generation));
                self.revoked += 1;
                self.progress = None;
            }
            FromKafka::Records { generation, records } => self.add(generation, records),
            FromKafka::Progress(progress) => {
                assert_eq!(Some(progress.generation), self.assignment.as_ref().map(|a| a.generation));
                self.progress = Some(progress);
            }
            FromKafka::Trouble(trouble) => {
                self.history.push(format!("{:?}", trouble.kind));
                let twice = self.troubles.insert(trouble.kind, trouble.text);
                assert_eq!(twice, None, "told twice");
            }
            FromKafka::Over(kind) => {
                self.history.push(format!("over {kind:?}"));
                assert!(self.troubles.remove(&kind).is_some(), "{kind:?} is over that was not told");
            }
            FromKafka::Stopped { left_group } => self.stopped = Some(left_group),
        }
    }

    fn remember(&mut self, news: &FromKafka) {
        self.recent.truncate(200);
        let text = match news {
            FromKafka::Records { records, .. } => format!("{} records", records.len()),
            other => format!("{other:?}"),
        };
        self.recent.push_front(text);
    }

    fn add(&mut self, generation: u64, records: Vec<KafkaRecord>) {
        let assignment = self.assignment.as_ref().expect("records come within an assignment");
        assert_eq!(generation, assignment.generation);
        assert!((1..=500).contains(&records.len()), "a batch of {}", records.len());
        self.last_record = Some(now());
        for record in records {
            let partition = &assignment.partitions[record.partition as usize];
            assert_eq!(partition.owner, Owner::Ours);
            let place = (partition.topic.to_string(), partition.number);
            let mark = LastRead { offset: record.offset, kafka_millis: record.kafka_millis.unwrap() };
            // As a state would: a later assignment goes on behind what came before.
            let stored = StartAt::Stored { next: record.offset + 1, last: Some(mark) };
            self.starts.insert(place.clone(), stored);
            self.records.entry(place).or_default().push(record);
        }
    }

    /// Says where to start, as far as that is known.
    pub(crate) fn answer(&mut self) {
        let Some(assignment) = &self.assignment else { panic!("there is no assignment") };
        let start = |(index, partition): (u32, &tidegate::kafka::handover::Partition)| {
            let place = (partition.topic.to_string(), partition.number);
            Some((index, *self.starts.get(&place)?)).filter(|_| partition.owner == Owner::Ours)
        };
        let partitions = (0..).zip(&assignment.partitions).filter_map(start).collect();
        let generation = assignment.generation;
        self.tell(ToKafka::Start { generation, partitions });
    }

    pub(crate) fn tell(&self, what: ToKafka) {
        self.source.to.blocking_send(what).unwrap();
    }

    pub(crate) fn generation(&self) -> u64 {
        self.assignment.as_ref().map_or(0, |assignment| assignment.generation)
    }

    /// How many records came of a partition.
    pub(crate) fn count(&self, topic: &str, number: i32) -> usize {
        self.records.get(&(topic.to_owned(), number)).map_or(0, Vec::len)
    }

    /// The values of a partition as texts.
    pub(crate) fn values(&self, topic: &str, number: i32) -> Vec<String> {
        let records = self.records.get(&(topic.to_owned(), number)).map_or(&[][..], Vec::as_slice);
        records.iter().map(|record| String::from_utf8(record.value.clone()).unwrap()).collect()
    }

    /// The newest progress of one partition.
    pub(crate) fn at(&self, topic: &str, number: i32) -> Option<PartitionProgress> {
        let partitions = &self.assignment.as_ref()?.partitions;
        let index = partitions.iter().position(|p| *p.topic == *topic && p.number == number)?;
        let progress = self.progress.as_ref()?;
        progress.partitions.iter().find(|p| p.partition as usize == index).copied()
    }

    /// Every owned partition is proved to be read to its end, which is where `ends` says.
    pub(crate) fn is_caught_up(&self) -> bool {
        self.progress
            .as_ref()
            .is_some_and(|p| !p.partitions.is_empty() && p.partitions.iter().all(|p| p.caught_up))
    }

    pub(crate) fn until_caught_up(&mut self) {
        // A proof that is asked for from now on.
        let from = now();
        self.until("every partition is caught up", |follower| {
            follower.is_caught_up()
                && follower.progress.as_ref().is_some_and(|progress| progress.asked_at >= from)
        });
    }

    /// Batches and news that nobody has taken.
    pub(crate) fn waiting(&self) -> usize {
        self.source.from.len()
    }

    /// Stops the source and says whether it left the group; the channel must end.
    pub(crate) fn stop(mut self) -> bool {
        let began = now();
        self.tell(ToKafka::Stop);
        self.until("the source has stopped", |follower| follower.stopped.is_some());
        assert!(began.elapsed() < Duration::from_secs(10), "stopping took {:?}", began.elapsed());
        assert_eq!(self.runtime.block_on(self.source.from.recv()), None);
        self.stopped == Some(true)
    }
}

/// The clock of these tests.
#[expect(clippy::disallowed_methods, reason = "deadlines of tests that talk to real brokers")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
