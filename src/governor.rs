//! The governor: which admitted build may be submitted now. Pure: no clock, no I/O, no randomness.
//!
//! A build goes when a token is in the bucket, fewer builds are under way than may be, and Koji can bear it: admission is the
//! minimum of the three. Two laws hold of the permits given, over any interval, whatever happens within it:
//!
//! * at most `capacity` + the integral of the rate: also over restarts, changes of the rate, and an outage of the hub;
//! * while builds wait and nothing else stands in the way, and whoever asks asks often enough that the bucket never fills,
//!   exactly the integral of the rate, to the token: no fraction is lost.
//!
//! Time comes in as the wall clock of the caller, which may step; what is counted is its forward movement. The caller
//! persists [`Governor::save`] in the same transaction as the intent to submit, before the call: a token that was
//! spent must never come back by a crash. The queue is not part of it, for the outbox has it: after a restart its builds are
//! handed over again, those under way by [`Governor::resume`], those that wait by [`Governor::enqueue`], in the order of
//! their admission.
//!
//! What does not belong here: calls to Koji, retry budgets and back-off of failed builds, the outbox.

pub mod bucket;
pub mod clock;
pub mod gate;
pub mod hub;
pub mod lanes;
pub mod load;
pub mod queue;
pub mod rate;
pub mod refusal;
pub mod settings;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod queue_laws;
#[cfg(test)]
mod tests;

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use self::bucket::{Bucket, Level};
use self::clock::{GuardedClock, Millis};
use self::gate::{Gate, LoadSample, Strain};
use self::hub::{Hub, Jitter};
use self::lanes::{Cycle, Lane};
use self::queue::{Admitted, Enqueued, Permit, Queue, QueueFull};
use self::rate::Rate;
use self::refusal::{NotUntil, Why};
use self::settings::{Settings, SettingsError};
use crate::engine::decision::BuildKey;

/// Decides when an admitted build is submitted.
#[derive(Debug)]
pub struct Governor {
    settings: Settings,
    clock: GuardedClock,
    bucket: Bucket,
    gate: Gate,
    hub: Hub,
    queue: Queue,
}

/// What must outlive the process, all but the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    clock: GuardedClock,
    rate: Rate,
    level: Level,
    gate: Gate,
    hub: Hub,
    cycle: Cycle,
}

/// A picture of the governor for people and metrics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// How fast the bucket fills, in millionths of a build an hour.
    pub rate: Rate,
    /// Tokens the bucket holds.
    pub capacity: u32,
    /// What is in it, in millionths of a token, cut off.
    pub tokens_millionths: u64,
    /// Builds under way.
    pub in_flight: u32,
    /// Builds that may be.
    pub in_flight_max: u32,
    /// What the load gate has against submitting; `None`: it is open, or there is none.
    pub load: Option<Strain>,
    /// Since when the hub is offline; `None`: it is not.
    pub offline_since: Option<Millis>,
    /// When the next probe is due, while it is.
    pub next_probe: Option<Millis>,
    /// Fresh builds that may go.
    pub fresh: u32,
    /// Drained builds that may go.
    pub drained: u32,
    /// Builds that stand aside for a held one of their group.
    pub partner_held: u32,
    /// Builds that may wait.
    pub waiting_max: u32,
    /// What [`Governor::poll`] would be told now; `None`: a build may go.
    pub refusal: Option<NotUntil>,
    /// When the last of the waiting builds has its token, if nothing but the rate stands in the way and no more come;
    /// `None`: never, at a rate of 0.
    pub drained_at: Option<Millis>,
}

impl Governor {
    /// A governor as it was saved, or one with an empty bucket. What passed on the clock since it was saved refills the
    /// bucket, at the rate of then; from now on that of the settings counts.
    pub fn new(settings: Settings, now: Millis, saved: Option<Saved>) -> Result<Self, SettingsError> {
        settings.check()?;
        let (capacity, rate) = (settings.capacity, settings.rate);
        let mut queue = Queue::default();
        let Some(saved) = saved else {
            let bucket = Bucket::new(capacity, rate, Level::EMPTY);
            let (clock, gate, hub) = (GuardedClock::begin(now), Gate::default(), Hub::default());
            return Ok(Self { settings, clock, bucket, gate, hub, queue });
        };
        queue.lanes.cycle = saved.cycle;
        let bucket = Bucket::new(capacity, saved.rate, saved.level);
        let Saved { clock, gate, hub, .. } = saved;
        let mut governor = Self { settings, clock, bucket, gate, hub, queue };
        governor.set_rate(now, rate);
        Ok(governor)
    }

    /// What to persist, as of the last call.
    pub fn save(&self) -> Saved {
        Saved {
            clock: self.clock,
            rate: self.bucket.rate(),
            level: self.bucket.level(),
            gate: self.gate.clone(),
            hub: self.hub,
            cycle: self.queue.lanes.cycle,
        }
    }

    /// Takes in a build that was admitted. A retry comes this way too, once the build is [`finished`](Self::finished), and
    /// costs a token like any other.
    pub fn enqueue(&mut self, now: Millis, admitted: Admitted) -> Result<Enqueued, QueueFull> {
        self.advance(now);
        let Settings { partner_held, waiting_max, .. } = self.settings;
        self.queue.enqueue(&self.clock, admitted, partner_held, waiting_max.get())
    }

    /// Takes in a build that was under way when the process ended. Its token was spent then.
    pub fn resume(&mut self, now: Millis, admitted: Admitted) {
        self.advance(now);
        self.queue.resume(self.clock.moment(), admitted);
    }

    /// The builds that may be submitted now, at least one and at most `names_max`; each has cost a token, and counts as
    /// under way until it is [`finished`](Self::finished) or [put back](Self::put_back).
    pub fn poll(&mut self, now: Millis, names_max: NonZeroU32) -> Result<Vec<Permit>, NotUntil> {
        self.advance(now);
        let mut permits = Vec::new();
        for _ in 0..names_max.get() {
            match self.next_permit() {
                Ok(permit) => permits.push(permit),
                Err(refusal) if permits.is_empty() => return Err(refusal),
                Err(_) => break,
            }
        }
        Ok(permits)
    }

    /// The builds whose turns are next, at most `max`: what [`Governor::poll`] gives at the same `now`, as far as it gives any.
    pub fn ahead(&mut self, now: Millis, max: usize) -> Vec<BuildKey> {
        self.advance(now);
        self.queue.lanes.ahead(max)
    }

    /// A build is no longer under way: built, failed, canceled, or never to be. `false` where it was not under way.
    pub fn finished(&mut self, build: BuildKey) -> bool {
        self.queue.finish(build)
    }

    /// A build whose call did not take effect (the hub is offline, the connection failed before the first byte) goes back
    /// to its old place in its lane. The token stays spent: the hub was called. `None` where it was not under way.
    pub fn put_back(&mut self, now: Millis, build: BuildKey) -> Option<Enqueued> {
        self.advance(now);
        self.queue.put_back(self.clock.moment(), build)
    }

    /// A waiting build shall not be submitted (untagged, dropped). `None` where it does not wait.
    pub fn withdraw(&mut self, build: BuildKey) -> Option<Admitted> {
        self.queue.withdraw(build)
    }

    /// A member of the group is held: others of it wait, each up to `partner_held` from its own admission.
    pub fn hold_group(&mut self, now: Millis, group: &str) -> Result<(), QueueFull> {
        self.advance(now);
        self.queue.hold_group(self.clock.moment(), group, self.settings.waiting_max.get())
    }

    /// No member of the group is held any more.
    pub fn release_group(&mut self, now: Millis, group: &str) {
        self.advance(now);
        self.queue.release_group(self.clock.moment(), group);
    }

    /// Takes a sample of Koji's load. Without a load gate it changes nothing.
    pub fn sample(&mut self, now: Millis, sample: &LoadSample) {
        self.advance(now);
        if let Some(load) = &self.settings.load {
            self.gate.sample(self.clock.moment(), sample, load);
            self.gate.advance(self.clock.moment(), load);
        }
    }

    /// The hub said that it is offline, to a call or to a probe.
    pub fn hub_offline(&mut self, now: Millis, jitter: Jitter) {
        self.advance(now);
        self.hub.offline(self.clock.moment(), jitter, self.settings.probes);
    }

    /// The hub answered.
    pub fn hub_online(&mut self, now: Millis) {
        self.advance(now);
        self.hub = Hub::Online;
    }

    /// Whether the hub, being offline, should be probed now with a cheap call.
    pub fn probe_due(&mut self, now: Millis) -> bool {
        self.advance(now);
        self.hub.probe_due(self.clock.moment())
    }

    /// Changes the rate from now on. The tokens in the bucket stay.
    pub fn set_rate(&mut self, now: Millis, rate: Rate) {
        self.advance(now);
        self.bucket.set_rate(rate);
    }

    /// How things stand.
    pub fn status(&mut self, now: Millis) -> Status {
        self.advance(now);
        let offline = match self.hub {
            Hub::Online => None,
            Hub::Offline(offline) => Some(offline),
        };
        let waiting = u64::try_from(self.queue.waiting()).unwrap_or(u64::MAX);
        Status {
            rate: self.bucket.rate(),
            capacity: self.bucket.capacity().get(),
            tokens_millionths: self.bucket.level().millionths(),
            in_flight: count(self.queue.under_way()),
            in_flight_max: self.settings.in_flight.get(),
            load: self.load_strain().map(|(strain, _)| strain),
            offline_since: offline.map(|offline| self.clock.wall_at(offline.since)),
            next_probe: offline.map(|offline| self.clock.wall_at(offline.next)),
            fresh: count(self.queue.lanes.len(Lane::Fresh)),
            drained: count(self.queue.lanes.len(Lane::Drained)),
            partner_held: count(self.queue.aside()),
            waiting_max: self.settings.waiting_max.get(),
            refusal: self.refusal(),
            drained_at: self.bucket.wait_for(waiting).map(|wait| self.in_millis(wait)),
        }
    }

    /// Lets the time up to `now` pass.
    fn advance(&mut self, now: Millis) {
        let elapsed = self.clock.read(now);
        self.bucket.advance(elapsed);
        let moment = self.clock.moment();
        self.queue.advance(moment);
        if let Some(load) = &self.settings.load {
            self.gate.advance(moment, load);
        }
    }

    fn next_permit(&mut self) -> Result<Permit, NotUntil> {
        if let Some(refusal) = self.obstacle() {
            return Err(refusal);
        }
        if let Err(refused) = self.bucket.take() {
            return Err(self.no_token(refused.wait));
        }
        let now = self.clock.moment();
        let at = self.clock.wall_at(now);
        self.queue.start_next(now).ok_or(NotUntil { at: Some(at), why: Why::QueueEmpty })
    }

    /// What a call of [`Governor::poll`] would be refused with now.
    fn refusal(&self) -> Option<NotUntil> {
        self.obstacle().or_else(|| match self.bucket.wait_for(1) {
            Some(0) => None,
            wait => Some(self.no_token(wait)),
        })
    }

    /// What stands in the way, tokens aside: they are only spent when nothing does.
    fn obstacle(&self) -> Option<NotUntil> {
        let (waiting, under_way) = (self.queue.waiting(), count(self.queue.under_way()));
        let max = self.settings.in_flight.get();
        let refused = |why, at| Some(NotUntil { at, why });
        if waiting == 0 {
            return refused(Why::QueueEmpty, None);
        }
        if let Hub::Offline(offline) = self.hub {
            let why = Why::HubOffline { since: self.clock.wall_at(offline.since), probes: offline.probes };
            return refused(why, Some(self.clock.wall_at(offline.next)));
        }
        if let Some((strain, at)) = self.load_strain() {
            return refused(Why::LoadGate(strain), at);
        }
        if under_way >= max {
            return refused(Why::InFlight { in_flight: under_way, max }, None);
        }
        if self.queue.lanes.is_empty() {
            let until = self.queue.first_aside_until().map(|until| self.clock.wall_at(until));
            return refused(Why::PartnerHeld { builds: count(self.queue.aside()) }, until);
        }
        None
    }

    fn load_strain(&self) -> Option<(Strain, Option<Millis>)> {
        let load = self.settings.load.as_ref()?;
        let (strain, until) = self.gate.strain(self.clock.moment(), load)?;
        Some((strain, until.map(|until| self.clock.wall_at(until))))
    }

    fn no_token(&self, wait: Option<u64>) -> NotUntil {
        NotUntil { at: wait.map(|wait| self.in_millis(wait)), why: Why::Tokens { rate: self.bucket.rate() } }
    }

    /// The time on the caller's clock when `wait` more milliseconds have passed.
    fn in_millis(&self, wait: u64) -> Millis {
        self.clock.wall_at(clock::Moment(self.clock.moment().0.saturating_add(wait)))
    }
}

fn count(items: usize) -> u32 {
    u32::try_from(items).unwrap_or(u32::MAX)
}
