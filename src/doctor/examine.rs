//! Finds the facts that are judged: on the disk, at the brokers, and over the network, each within its time.

use std::future::Future;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use super::{Check, Verdict, judge};
use crate::input::lists;
use crate::kafka::config::Connection;
use crate::kafka::handover::TroubleKind;
use crate::kafka::survey::Survey;
use crate::koji::client::{Client, ClientSettings};
use crate::koji::query::koji_version;
use crate::lists::{FetchSettings, Fetcher};
use crate::live::open::FILLED;
use crate::live::shell::Clock;
use crate::live::truth::Mark;
use crate::pipeline::{KojiLogin, Pipeline, Report, Sink};
use crate::state::StateError;
use crate::state::read::{Place, Reader, writer};

/// When brokers are asked no more; what is under way then may take a few seconds.
const KAFKA_MAX: Duration = Duration::from_secs(12);
/// How long all package lists together may take.
const LISTS_MAX: Duration = Duration::from_secs(7);
/// How long a hub may take.
const HUB_MAX: Duration = Duration::from_secs(3);

/// What is examined.
#[derive(Debug)]
pub struct Site<'a> {
    /// The pipeline.
    pub pipeline: &'a Pipeline,
    /// The folder that names of package lists start from.
    pub folder: &'a Path,
    /// The state file, where one was given.
    pub state: Option<&'a Path>,
    /// The clocks.
    pub clock: Clock,
}

/// The checks of a pipeline file that cannot be used: one for each error.
pub fn wrong_file(report: &Report) -> Vec<Check> {
    let check = |finding: &crate::pipeline::Finding| {
        Check::failed(
            "pipeline file",
            format!("{}: {}", finding.place, finding.message),
            finding.help.clone(),
        )
    };
    report.errors().map(check).collect()
}

/// The checks of a state and its place.
pub fn state(path: Option<&Path>) -> Vec<Check> {
    let Some(path) = path else {
        return vec![Check::skipped("state", "no state file was given: give one with --state")];
    };
    let shown = path.display().to_string();
    let mut checks = vec![judge::place(&shown, Place::of(path))];
    if !path.exists() {
        checks.push(judge::no_known("there is no state file yet: a first start is refused"));
        return checks;
    }
    checks.push(match writer(path) {
        Ok(process) => judge::writer(process),
        Err(error) => Check::skipped("writer of the state", error.to_string()),
    });
    let told = Reader::open(path)
        .and_then(|reader| Ok((reader.meta(FILLED)?.is_some(), reader.facts_about_builds()?)));
    match told {
        Ok((filled, facts)) => {
            checks.push(Check::fine("schema of the state", "it is of this version"));
            checks.push(judge::known(filled, facts));
        }
        Err(StateError::Older { found, known, .. }) => checks.push(Check::warning(
            "schema of the state",
            format!("it has schema {found}, and this version writes {known}"),
            "`tidegate run` copies the file first and brings it up; look that there is space for the copy",
        )),
        Err(error) => checks.push(Check::failed(
            "schema of the state",
            error.to_string(),
            "give the state that goes with this pipeline, or restore a backup; `tidegate state verify` tells what is wrong with a file",
        )),
    }
    checks
}

/// The identity of a state and its batches, where it can be read and has one.
fn mark(path: Option<&Path>) -> Option<Mark> {
    let reader = Reader::open(path?).ok()?;
    let serial = reader.meta("serial").ok()?.and_then(|text| text.parse().ok()).unwrap_or(0);
    Some(Mark { state: reader.meta("state_id").ok()??, serial })
}

impl Site<'_> {
    /// All checks, in the order in which a start would find out. It takes less than 30 s.
    pub async fn examine(&self) -> Vec<Check> {
        let mut checks = self.pipeline();
        checks.extend(self.files());
        checks.extend(state(self.state));
        checks.extend(self.kafka().await);
        checks.extend(self.lists().await);
        checks.extend(self.hubs().await);
        checks
    }

    fn pipeline(&self) -> Vec<Check> {
        let name = "pipeline file";
        let mut checks = match self.pipeline.settings() {
            Ok(settings) => {
                let found = format!(
                    "{} follows {}; nothing is wrong with it",
                    self.pipeline.name, settings.trigger.tag
                );
                vec![Check::fine(name, found)]
            }
            Err(error) => {
                let remedy =
                    "say which tag it is with --set trigger.follow=TAG, or with trigger.tag in the file";
                vec![Check::failed(name, error.to_string(), remedy)]
            }
        };
        let warnings = self.pipeline.warnings.iter();
        checks.extend(warnings.map(|found| Check::warning(name, found.message.clone(), found.help.clone())));
        let by_ticket = matches!(&self.pipeline.sink, Sink::Koji { login: KojiLogin::Keytab(_), .. });
        if by_ticket && !cfg!(feature = "gssapi") {
            let remedy = "build it with `--features gssapi`, or log in with sink.certificate_file";
            checks.push(Check::failed("sink", "this Tidegate was built without login by Kerberos", remedy));
        }
        checks
    }

    /// The files that keys of the pipeline name, by the end of their names.
    fn files(&self) -> Vec<Check> {
        // What is public by its nature.
        let public = ["source.ca_file", "source.certificate_file"];
        let entries = self.pipeline.entries.iter().filter(|entry| entry.key.ends_with("_file"));
        let stated = entries.filter_map(|entry| {
            // The value is written as TOML: of a text, what stands in its quotes.
            let path: String = toml::from_str::<toml::Table>(&format!("path = {}", entry.value))
                .ok()?
                .remove("path")?
                .as_str()?
                .to_owned();
            Some((entry.key, path))
        });
        stated.map(|(key, path)| judge::file(key, &path, !public.contains(&key), facts(&path))).collect()
    }

    async fn kafka(&self) -> Vec<Check> {
        let source = &self.pipeline.kafka;
        if source.brokers.is_empty() || source.topics.is_empty() {
            let remedy = "state source.brokers and source.topics, in the file or by --set source.brokers=[\"HOST:PORT\"]";
            return vec![Check::failed("brokers", "the pipeline says nothing of Kafka", remedy)];
        }
        let survey = match Survey::new(&Connection::of_source(source), &source.group) {
            Ok(survey) => survey,
            Err(error) => {
                return vec![Check::failed(
                    "brokers",
                    error.to_string(),
                    "correct [source] in the pipeline file",
                )];
            }
        };
        let until = self.clock.now().mono + KAFKA_MAX;
        let mut brokers =
            Brokers { site: self, survey, until, checks: Vec::new(), committed: Vec::new(), clock: None };
        brokers.examine().await;
        brokers.checks
    }

    async fn lists(&self) -> Option<Check> {
        let wanted = &self.pipeline.packages;
        if wanted.lists.is_empty() {
            return None;
        }
        let name = "package lists";
        let fetched = within(LISTS_MAX, async {
            let mut fetcher =
                Fetcher::new(&FetchSettings::new(wanted, self.folder)).map_err(|error| error.to_string())?;
            fetcher.fetch(wanted).await.map_err(|error| error.to_string())
        });
        let why = match fetched.await {
            Ok(list) => {
                let names = crate::text::grouped(list.names.len() as u64);
                return Some(Check::fine(
                    name,
                    format!("{names} names were fetched, version {}", list.version),
                ));
            }
            Err(why) => why,
        };
        let fallback = wanted.fallback.as_ref().map(|file| lists::packages(&self.folder.join(file)));
        Some(match fallback {
            Some(Ok(_)) => Check::warning(
                name,
                format!("{why}; the one of packages_fallback can be read"),
                "until the lists were fetched once, that one stands in; correct select.packages or the network",
            ),
            Some(Err(error)) => Check::failed(
                name,
                format!("{why}; nor can packages_fallback: {error}"),
                "correct select.packages_fallback, and select.packages or the network",
            ),
            None => Check::failed(
                name,
                why,
                "correct select.packages or the network: until the lists were fetched once, nothing is eligible",
            ),
        })
    }

    async fn hubs(&self) -> Vec<Check> {
        let sink = match &self.pipeline.sink {
            Sink::Koji { hub, .. } => Some(hub),
            Sink::DryRun | Sink::Ebs { .. } | Sink::Kafka { .. } | Sink::Webhook { .. } => None,
        };
        let mut hubs: Vec<_> = self.pipeline.evidence_hub.iter().chain(sink).collect();
        hubs.dedup();
        let mut checks = Vec::new();
        for hub in hubs {
            let asked = within(HUB_MAX, async {
                let client = Client::new(&ClientSettings::new(hub)).map_err(|error| error.to_string())?;
                client.ask(&koji_version()).await.map_err(|error| error.to_string())
            });
            checks.push(match asked.await {
                Ok(version) => {
                    Check::fine(format!("hub {hub}"), format!("it answers, and is Koji {version}"))
                }
                Err(why) => Check::warning(
                    format!("hub {hub}"),
                    why,
                    "check the address and the network; this version decides without asking it",
                ),
            });
        }
        checks
    }
}

/// The brokers, while they are asked.
struct Brokers<'a> {
    site: &'a Site<'a>,
    survey: Survey,
    until: Duration,
    checks: Vec<Check>,
    /// What the group has committed.
    committed: Vec<String>,
    /// The check of the clock; the best that any topic gave.
    clock: Option<Check>,
}

impl Brokers<'_> {
    async fn examine(&mut self) {
        let source = &self.site.pipeline.kafka;
        let mut answered = false;
        for topic in &source.topics {
            let name = format!("topic {topic}");
            if self.is_over() {
                self.checks.push(Check::skipped(name, "the brokers took too long over the others"));
                continue;
            }
            match self.survey.partitions(topic) {
                Ok(partitions) => {
                    if !std::mem::replace(&mut answered, true) {
                        let brokers = source.brokers.join(", ");
                        self.checks.push(Check::fine("brokers", format!("they answer at {brokers}")));
                    }
                    self.checks.push(judge::topic(&name, "source.topics", partitions));
                    if partitions > 0 {
                        self.content(topic).await;
                    }
                }
                Err(complaint) if complaint.kind == TroubleKind::Unreachable && !answered => {
                    self.checks.push(judge::complaint("brokers", &complaint));
                    let rest = "topics, group, retention and clock";
                    self.checks.push(Check::skipped(rest, "no broker answers"));
                    return;
                }
                Err(complaint) => self.checks.push(judge::complaint(&name, &complaint)),
            }
        }
        self.checks.extend(self.clock.take());
        if answered {
            self.group();
        }
        self.outputs();
    }

    fn is_over(&self) -> bool {
        self.site.clock.now().mono >= self.until
    }

    /// What is in a topic that exists: whether it may be read, for how long it is kept, and its times.
    async fn content(&mut self, topic: &str) {
        let newest = self.survey.newest(topic);
        if let Err(complaint) = &newest {
            self.checks.push(judge::complaint(&format!("reading {topic}"), complaint));
        } else {
            self.checks.push(Check::fine(format!("reading {topic}"), "it may be read"));
        }
        match self.survey.committed(topic) {
            Ok(committed) => self.committed.extend(committed),
            Err(complaint) => {
                let name = format!("group {} on {topic}", self.site.pipeline.kafka.group);
                self.checks.push(judge::complaint(&name, &complaint));
            }
        }
        let settings = self.survey.settings(topic).await;
        let now = self.site.clock.now().wall;
        self.checks.push(match &settings {
            Ok(settings) => judge::retention(
                topic,
                settings,
                self.site.pipeline.begin,
                mark(self.site.state).is_some(),
                now,
            ),
            Err(complaint) => Check::skipped(
                format!("retention of {topic}"),
                format!(
                    "the brokers do not tell it ({}): see that retention.ms is 7 days or more",
                    complaint.text
                ),
            ),
        });
        let clock =
            judge::clock(topic, settings.ok().as_ref(), newest.ok().flatten(), now.0.saturating_mul(1_000));
        if self.clock.as_ref().is_none_or(|before| {
            before.verdict == Verdict::Skipped
                || clock.verdict > before.verdict && clock.verdict != Verdict::Skipped
        }) {
            self.clock = Some(clock);
        }
    }

    fn group(&mut self) {
        let group = &self.site.pipeline.kafka.group;
        // Read after the commits: a pipeline that runs writes its state before it commits.
        let ours = mark(self.site.state);
        self.checks.push(judge::group(group, ours.as_ref(), &self.committed));
        let in_use = self.site.state.is_some_and(|path| matches!(writer(path), Ok(Some(_))));
        let members = if in_use || self.is_over() { Vec::new() } else { self.survey.members() };
        if let Some(first) = members.first() {
            self.checks.push(Check::warning(
                format!("members of {group}"),
                format!("{first} is in the group, and nobody writes this state"),
                "stop it, or give this pipeline a group of its own (source.group): a run beside another reader is refused",
            ));
        }
    }

    fn outputs(&mut self) {
        let outputs = &self.site.pipeline.outputs;
        let keys = [
            ("output.decisions", &outputs.decisions),
            ("output.bursts", &outputs.bursts),
            ("output.dead_letters", &outputs.dead_letters),
        ];
        for (key, topic) in keys.into_iter().filter_map(|(key, topic)| Some((key, topic.as_ref()?))) {
            let name = format!("topic {topic} to write");
            if self.is_over() {
                self.checks.push(Check::skipped(name, "the brokers took too long over the others"));
                continue;
            }
            self.checks.push(match self.survey.partitions(topic) {
                Ok(partitions) => judge::topic(&name, key, partitions),
                Err(complaint) => judge::complaint(&name, &complaint),
            });
        }
    }
}

/// The facts of a file. It is opened, since permission bits alone do not say who may.
fn facts(path: &str) -> Result<judge::FileFacts, String> {
    let told = |error: std::io::Error| {
        if error.kind() == ErrorKind::NotFound {
            "there is no such file".to_owned()
        } else {
            error.to_string()
        }
    };
    // Looked at before it is opened: opening a pipe would wait for whoever writes to it.
    let facts = std::fs::metadata(path).map_err(told)?;
    if facts.is_file() {
        std::fs::File::open(path).map_err(told)?;
    }
    let mode = facts.permissions().mode() & 0o777;
    Ok(judge::FileFacts { is_file: facts.is_file(), mode, bytes: facts.len() })
}

/// Waits for an answer at most so long.
async fn within<T>(most: Duration, answer: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    match tokio::time::timeout(most, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(format!("no answer within {} s", most.as_secs())),
    }
}
