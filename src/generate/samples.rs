//! A generated stream in memory, for whoever runs a pipeline over it without files.

use std::collections::BTreeSet;
use std::io;

use super::plan::{Line, Millis, NEW, OLD};
use super::world::{self, World};
use crate::score::truth::Label;
use crate::settings::FamilyTag;
use crate::time::Second;

/// One line of a stream as a source hands it over, with its truth.
#[derive(Debug)]
pub struct Sample<'a> {
    /// The partition it came by.
    pub partition: u32,
    /// When it reached Kafka, in milliseconds since 1970.
    pub kafka_millis: i64,
    /// The message.
    pub bytes: &'a [u8],
    /// What it is.
    pub label: Label,
    /// The build it tells of, with its package's name.
    pub build: Option<(u64, &'a str)>,
    /// It tags a build into the trigger tag.
    pub triggers: bool,
}

impl World {
    /// The tag whose new builds trigger rebuilds.
    pub fn trigger_tag(&self) -> String {
        format!("f{NEW}")
    }

    /// The tags that were followed, the trigger tag last.
    pub fn family(&self) -> Vec<FamilyTag> {
        let left_at = Some(Second::from_millis(self.plan.left_at));
        let old = FamilyTag { tag: format!("f{OLD}"), left_at };
        vec![old, FamilyTag { tag: self.trigger_tag(), left_at: None }]
    }

    /// Downstream names of the eligible packages.
    pub fn packages(&self) -> impl Iterator<Item = &str> {
        self.plan.packages.downstream()
    }

    /// Pairs of upstream and downstream names.
    pub fn renames(&self) -> impl Iterator<Item = (String, String)> {
        let renames = self.plan.packages.renames().iter();
        renames.map(|(upstream, downstream)| ((*upstream).to_owned(), (*downstream).to_owned()))
    }

    /// The builds that are known when the stream begins: number, tag, and when it was tagged.
    pub fn known(&self) -> impl Iterator<Item = (u64, String, Second)> {
        let known = self.plan.known.iter();
        known.map(|known| (known.build.id, format!("f{OLD}"), Second::from_millis(known.tagged_at)))
    }

    /// The partitions that its lines come by.
    pub fn partitions(&self) -> BTreeSet<u32> {
        match &self.mix {
            Some(mix) => mix.clone().map(|line| line.partition).collect(),
            None => self.plan.lines.iter().map(|line| line.partition).collect(),
        }
    }

    /// Gives the messages from before the stream, in the order of time.
    ///
    /// # Errors
    /// Where a message cannot be written, which would be a defect.
    pub fn each_lesson(&self, mut take: impl FnMut(&[u8])) -> io::Result<()> {
        let mut bytes = Vec::new();
        for line in &self.plan.warmup {
            bytes.clear();
            world::event(&mut bytes, &self.plan.packages, line)?;
            take(&bytes);
        }
        Ok(())
    }

    /// Gives the stream's lines in the order of their arrival.
    ///
    /// # Errors
    /// Where a message cannot be written, which would be a defect.
    pub fn each_sample(&self, mut take: impl FnMut(&Sample<'_>)) -> io::Result<()> {
        let mut bytes = Vec::new();
        let mut give = |line: &Line| {
            bytes.clear();
            world::event(&mut bytes, &self.plan.packages, line)?;
            let build = line.build().map(|build| (build.id, self.plan.packages.name(build.package)));
            let (partition, kafka_millis): (u32, Millis) = (line.partition, line.arrives);
            let (label, triggers) = (line.label, line.is_trigger());
            take(&Sample { partition, kafka_millis, bytes: &bytes, label, build, triggers });
            Ok(())
        };
        match &self.mix {
            Some(mix) => mix.clone().try_for_each(|line| give(&line)),
            None => self.plan.lines.iter().try_for_each(give),
        }
    }
}
