//! What a test tells the engine: messages of a generated stream, and messages made of the test's own events.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use super::fates::{Fates, Told};
use crate::decode::decode;
use crate::engine::Engine;
use crate::engine::select::PackageList;
use crate::event::{Body, BuildState, Decoded, MessageId, Position, Record, SentAt, Tagging};
use crate::generate::{GenerateError, Options, World, generate_with};
use crate::pipeline::{Case, Stream, Tagged, What};
use crate::settings::Route;
use crate::time::Second;

/// The state of a build that is complete.
const COMPLETE: i64 = 1;

/// The stream that a test asks for.
pub(super) fn generated(stream: &Stream) -> Result<World, GenerateError> {
    let Stream { scenario, seed, scale, cold } = stream;
    generate_with(scenario, Options { seed: *seed, scale: *scale, lines: None, cold: *cold })
}

/// Hands messages to an engine.
pub(super) struct Feed {
    route: Route,
    trigger: String,
    partitions: BTreeSet<u32>,
    offset: u64,
    /// Packages of the builds, where events state them.
    packages: BTreeMap<u64, String>,
}

impl Feed {
    pub(super) fn new(route: Route, trigger: &str, case: &Case) -> Self {
        let mut packages = BTreeMap::new();
        for step in &case.steps {
            let (What::Tag(Tagged { builds, package: Some(package), .. })
            | What::Untag(Tagged { builds, package: Some(package), .. })) = &step.what
            else {
                continue;
            };
            packages.extend((builds.first..=builds.last).map(|build| (build, package.clone())));
        }
        Self { route, trigger: trigger.to_owned(), partitions: [0].into(), offset: 0, packages }
    }

    pub(super) fn partitions(&self) -> BTreeSet<u32> {
        self.partitions.clone()
    }

    /// Says which packages are eligible, and what they are called downstream.
    pub(super) fn packages(&self, engine: &mut Engine, case: &Case, stream: Option<&World>) {
        if let Some(world) = stream {
            engine.add_renames(world.renames());
        }
        let names: BTreeSet<String> = match (&case.packages, stream) {
            (Some(packages), _) => packages.iter().cloned().collect(),
            (None, Some(world)) => world.packages().map(str::to_owned).collect(),
            (None, None) if engine.settings().select.needs_list => self.downstream(engine, case),
            (None, None) => return,
        };
        // The list is that of the test alone: nothing compares its version.
        engine.offer_packages(Arc::new(PackageList { version: "0000000000000000".to_owned(), names }));
    }

    /// Downstream names of the packages of all builds that events tag.
    fn downstream(&self, engine: &Engine, case: &Case) -> BTreeSet<String> {
        let renames: BTreeMap<&str, &str> = engine
            .settings()
            .select
            .renames
            .iter()
            .map(|(upstream, downstream)| (upstream.as_str(), downstream.as_str()))
            .collect();
        let mut names = BTreeSet::new();
        for step in &case.steps {
            if let What::Tag(Tagged { builds, .. }) = &step.what {
                names.extend((builds.first..=builds.last).map(|build| {
                    let package = self.package(build);
                    renames.get(package.as_str()).map_or(package, |name| (*name).to_owned())
                }));
            }
        }
        names
    }

    /// Reads a generated stream, what is known before it first. Gives when its last message came.
    pub(super) fn stream(
        &mut self,
        engine: &mut Engine,
        fates: &mut Fates,
        world: &World,
    ) -> io::Result<Second> {
        for (build, tag, at) in world.known() {
            engine.know(None, build, &tag, at);
        }
        let mut number = 0;
        world.each_lesson(|bytes| {
            number += 1;
            let position = Position { partition: 0, offset: number };
            engine.teach(decode(&self.route, &record(position, None, bytes)));
        })?;
        self.partitions = world.partitions();
        let mut last = Second::MIN;
        world.each_sample(|sample| {
            self.offset += 1;
            let position = Position { partition: sample.partition, offset: self.offset };
            let record = record(position, Some(sample.kafka_millis), sample.bytes);
            fates.tell(Told {
                build: sample.build.map(|(build, _)| build),
                package: sample.build.filter(|_| sample.triggers).map(|(_, package)| package.into()),
                label: Some(sample.label),
                triggers: sample.triggers,
            });
            engine.record(position, record.kafka_millis, decode(&self.route, &record));
            last = last.max(Second::from_millis(sample.kafka_millis));
            fates.take_now_and_then(engine);
        })?;
        fates.take(engine);
        Ok(last)
    }

    /// Reads a message about one build.
    pub(super) fn event(
        &mut self,
        engine: &mut Engine,
        fates: &mut Fates,
        what: &What,
        (build, now): (u64, Second),
    ) {
        self.offset += 1;
        let position = Position { partition: 0, offset: self.offset };
        let package = self.package(build);
        let (topic, body) = match what {
            What::Tag(tagged) => ("tag", Body::Tag(tagging(tagged, build, &package))),
            What::Untag(tagged) => ("untag", Body::Untag(tagging(tagged, build, &package))),
            What::Complete(_) | What::Known(..) | What::Release(..) | What::Drop(..) | What::Expect(_) => {
                let state = BuildState { instance: None, build_id: build, new: COMPLETE, task_id: None };
                ("build.state.change", Body::BuildState(state))
            }
        };
        let triggers = matches!(what, What::Tag(tagged) if tagged.tag == self.trigger);
        let decoded = Decoded {
            id: MessageId::parse(&format!("test-{}", self.offset)),
            topic: Cow::Owned(format!("{}{topic}", self.route.topic_prefix)),
            sent_at: SentAt::At(now),
            body,
        };
        fates.tell(Told {
            build: Some(build),
            package: triggers.then(|| package.as_str().into()),
            label: None,
            triggers,
        });
        engine.record(position, None, Ok(decoded));
        fates.take_now_and_then(engine);
    }

    /// The package of a build: the stated one, else one of its own.
    fn package(&self, build: u64) -> String {
        self.packages.get(&build).cloned().unwrap_or_else(|| format!("p{build}"))
    }
}

fn tagging<'a>(tagged: &'a Tagged, build: u64, package: &'a str) -> Tagging<'a> {
    Tagging {
        instance: None,
        tag: tagged.tag.as_str().into(),
        build_id: build,
        name: package.into(),
        version: build.to_string().into(),
        release: "1".into(),
        owner: None,
        user: Some(tagged.by.as_str().into()),
    }
}

fn record(position: Position, kafka_millis: Option<i64>, value: &[u8]) -> Record<'_> {
    Record { position, kafka_millis, headers: &[], value, cut: false }
}
