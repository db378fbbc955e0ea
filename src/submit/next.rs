//! What to ask next, in the order of what is most urgent: trouble, doubts, tasks, load, new submissions.

use std::num::NonZeroU32;
use std::sync::Arc;

use super::access::Access;
use super::ask::{Ask, Inquiry, Order, Sought};
use super::row::{Row, RowId};
use super::rows::{Fence, Seat};
use super::settings::{BATCH_MAX, FOLLOW_MAX, LOOK_BACK_SECONDS, Manner, TAGGED_MARGIN_SECONDS, TICK};
use super::stage::{Call, Stage, Step};
use super::{Asked, Chunk, Submitter};
use crate::governor::Status;
use crate::governor::clock::{Millis, Moment, whole_millis};
use crate::governor::queue::Permit;

impl Submitter {
    /// What to ask of the sink now; `None`: nothing before [`Submitter::wakes_at`], or before the answer to the last ask.
    ///
    /// It may be sent only when [`Submitter::changes`] is durable.
    pub fn next(&mut self, now: Millis) -> Option<Ask> {
        if self.asked.is_some() {
            return None;
        }
        self.advance(now);
        let governor = self.governor.status(now);
        let found = self.choose(now, &governor);
        let Some((asked, ask)) = found else {
            self.wake = self.earliest(now, &governor);
            return None;
        };
        self.asked = Some(asked);
        Some(ask)
    }

    fn choose(&mut self, now: Millis, governor: &Status) -> Option<(Asked, Ask)> {
        let moment = self.clock.moment();
        if governor.offline_since.is_some() {
            return self.governor.probe_due(now).then_some((Asked::Sample, Ask::Sample));
        }
        if let Some(setback) = &self.setback {
            if moment < setback.until {
                return None;
            }
            if setback.is_forbidden() && self.settings.manner == Manner::Fenced {
                return Some(self.log_in());
            }
        }
        self.clear_up(now)
            .or_else(|| self.follow(moment))
            .or_else(|| self.look_at_chunk(moment))
            .or_else(|| self.sample(moment))
            .or_else(|| self.submit(now, governor))
    }

    fn log_in(&self) -> (Asked, Ask) {
        (Asked::LogIn, Ask::LogIn { fence: self.sessions.clone() })
    }

    /// Doubts: first the fence, then the look-up of those that had time to land.
    fn clear_up(&self, now: Millis) -> Option<(Asked, Ask)> {
        if self.rows.doubts().any(|(_, fence)| fence == Fence::Missing) {
            return Some(self.log_in());
        }
        let settled = self.rows.doubts().filter(|(_, fence)| *fence == Fence::Done).take(BATCH_MAX);
        let sought: Vec<_> = settled.filter_map(|(id, _)| self.sought(now, id)).collect();
        let since = sought.iter().map(|(_, _, since)| *since).min()?;
        if self.access == Access::Closed {
            return Some(self.log_in());
        }
        let rows = sought.iter().map(|(id, _, _)| *id).collect();
        let markers = sought.into_iter().map(|(id, sought, _)| (id, sought)).collect();
        Some((Asked::Find(rows), Ask::Find { markers, since }))
    }

    /// What is looked for, and since when, in seconds. The tagging is by the hub's own clock: no task of ours is older. The
    /// intent is by ours, which may have been wrong, so a day is left for that.
    fn sought(&self, now: Millis, id: RowId) -> Option<(RowId, Sought, i64)> {
        let row = &self.rows.get(id)?.row;
        let Stage::InDoubt { call } = row.stage() else { return None };
        let tagged = row.plan().admitted.tagged_at.0.saturating_sub(TAGGED_MARGIN_SECONDS);
        Some(match call {
            Some(call) => {
                let sent = call.at.min(now).0.div_euclid(1_000).saturating_sub(LOOK_BACK_SECONDS);
                (id, Sought::Attempt(row.marker()), sent.max(tagged))
            }
            None => (id, Sought::AnyAttempt(row.plan().marker_base.clone()), tagged),
        })
    }

    fn follow(&self, now: Moment) -> Option<(Asked, Ask)> {
        let tasks = self.rows.polls_due(now, FOLLOW_MAX);
        (!tasks.is_empty()).then(|| (Asked::Follow(tasks.clone()), Ask::Follow(tasks)))
    }

    fn look_at_chunk(&self, now: Moment) -> Option<(Asked, Ask)> {
        let chunk = self.chunk?;
        (chunk.next_look <= now).then(|| (Asked::Follow(Vec::new()), Ask::Follow(Vec::new())))
    }

    fn sample(&self, now: Moment) -> Option<(Asked, Ask)> {
        (self.wants_samples() && self.next_sample <= now).then_some((Asked::Sample, Ask::Sample))
    }

    fn wants_samples(&self) -> bool {
        self.settings.governor.load.is_some() && self.rows.planned() > 0
    }

    fn submit(&mut self, now: Millis, governor: &Status) -> Option<(Asked, Ask)> {
        if self.pause.is_some() || governor.refusal.is_some() || self.chunk.is_some() {
            return None;
        }
        if self.settings.manner == Manner::Fenced && self.access == Access::Closed {
            return Some(self.log_in());
        }
        let ahead = self.governor.ahead(now, BATCH_MAX);
        let ahead: Vec<RowId> = ahead.into_iter().filter_map(|build| self.rows.of_build(build)).collect();
        let tokens = usize::try_from(governor.tokens_millionths / 1_000_000).unwrap_or(usize::MAX);
        let wanted = self.settings.orders_max().min(tokens.max(1)).min(ahead.len());
        if self.settings.is_checked() {
            let moment = self.clock.moment();
            let ready = ahead.iter().take_while(|id| self.findings.fresh(**id, moment).is_some()).count();
            if ready < wanted {
                let a_minutes = governor.rate.millionths_per_hour() / 60_000_000;
                let soon = tokens.saturating_add(usize::try_from(a_minutes).unwrap_or(usize::MAX));
                return self.check(&ahead, wanted.max(soon.saturating_add(1)));
            }
        }
        self.send(now, wanted)
    }

    /// Asks Koji of the builds that go within about a minute: what is found is not used for longer.
    fn check(&mut self, ahead: &[RowId], max: usize) -> Option<(Asked, Ask)> {
        let rows: Vec<_> = ahead.iter().copied().take(max.min(BATCH_MAX)).collect();
        let inquiries: Vec<_> =
            rows.iter().filter_map(|id| self.rows.get(*id)).map(|live| inquiry(&live.row)).collect();
        self.findings.clear();
        let at = Some(self.clock.moment());
        (!inquiries.is_empty()).then_some((Asked::Check { rows, at }, Ask::Check(inquiries)))
    }

    fn send(&mut self, now: Millis, wanted: usize) -> Option<(Asked, Ask)> {
        let count = u32::try_from(wanted).ok().and_then(NonZeroU32::new)?;
        let permits = self.governor.poll(now, count).ok()?;
        self.is_kept_changed = true;
        let (session, callnum) = self.access.take_callnum();
        let call = Call { at: now, session, callnum };
        let orders: Vec<_> =
            permits.into_iter().filter_map(|permit| self.order(now, &permit, call)).collect();
        if orders.is_empty() {
            return None;
        }
        if let Some(timeout) = self.settings.chunk_timeout() {
            let moment = self.clock.moment();
            let next_look = moment.after(self.settings.follow_every);
            self.chunk = Some(Chunk { sent: now, until: moment.after(timeout), next_look });
        }
        let rows = orders.iter().map(|order| order.row).collect();
        Some((Asked::Submit(rows), Ask::Submit { session, callnum, orders }))
    }

    /// Writes the intent. A permit that does not fit to what is known here is given back: nothing is sent on a guess.
    fn order(&mut self, now: Millis, permit: &Permit, call: Call) -> Option<Order> {
        let build = permit.admitted.build;
        let id = self.rows.of_build(build);
        let source = id.and_then(|id| self.findings.fresh(id, self.clock.moment()).cloned());
        let (Some(id), Some(source)) =
            (id, source.or_else(|| (!self.settings.is_checked()).then(|| "".into())))
        else {
            self.misfits += 1;
            self.governor.put_back(now, build);
            return None;
        };
        let is_sent_again = matches!(self.settings.manner, Manner::Repeatable | Manner::DryRun)
            && self.rows.get(id).is_some_and(|live| live.row.attempt() > 0);
        self.step(id, Step::Send { call, again: is_sent_again })?;
        self.rows.seat(id, Seat::Sent);
        self.findings.forget(id);
        self.rows.get(id).map(|live| order(&live.row, source))
    }

    /// When there may be something to ask again: the earliest of all that is waited for.
    fn earliest(&self, now: Millis, governor: &Status) -> Option<Millis> {
        if governor.offline_since.is_some() {
            return governor.next_probe.map(|at| at.max(after(now, 1)));
        }
        let moment = self.clock.moment();
        if let Some(setback) = self.setback.as_ref().filter(|setback| moment < setback.until) {
            return Some(self.clock.wall_at(setback.until));
        }
        let tick = Moment(moment.0.saturating_add(whole_millis(TICK)));
        let settling = self.rows.doubts().filter_map(|(_, fence)| match fence {
            Fence::Settling(left) => Some(Moment(moment.0.saturating_add(left)).min(tick)),
            Fence::Missing | Fence::Done | Fence::Person => None,
        });
        let moments = [
            self.rows.first_delayed(),
            self.rows.first_poll(),
            self.chunk.map(|chunk| chunk.next_look.min(chunk.until)),
            self.wants_samples().then_some(self.next_sample),
            (!self.findings.is_empty()).then_some(tick),
        ];
        let moments = moments.into_iter().flatten().chain(settling).map(|at| self.clock.wall_at(at));
        let denials = self.denials.values().filter_map(|denial| denial.until);
        let turn = governor.refusal.as_ref().and_then(|refusal| refusal.at).filter(|_| self.pause.is_none());
        moments.chain(denials).chain(turn).min().map(|at| if at <= now { after(now, 1_000) } else { at })
    }

    /// Lets calls that may still land have their time. One look counts for little: a clock that jumps ahead must not cut the
    /// wait short.
    pub(super) fn settle(&mut self, elapsed: u64) {
        let served = elapsed.min(whole_millis(TICK));
        let doubts: Vec<_> = self.rows.doubts().collect();
        for (id, fence) in doubts {
            if let Fence::Settling(left) = fence {
                let left = left.saturating_sub(served);
                let fence = if left == 0 { Fence::Done } else { Fence::Settling(left) };
                self.rows.seat(id, Seat::Doubt(fence));
            }
        }
    }
}

fn after(now: Millis, millis: i64) -> Millis {
    Millis(now.0.saturating_add(millis))
}

fn inquiry(row: &Row) -> Inquiry {
    let plan = row.plan();
    Inquiry {
        row: plan.id,
        build_id: plan.admitted.build.id,
        tags: plan.trigger_tags.clone(),
        target: plan.target.clone(),
        package: Arc::clone(&plan.admitted.package),
    }
}

fn order(row: &Row, source: Arc<str>) -> Order {
    let plan = row.plan();
    Order {
        row: plan.id,
        marker: row.marker(),
        source,
        target: plan.target.clone().unwrap_or_default(),
        package: Arc::clone(&plan.admitted.package),
        nvr: Arc::clone(&plan.nvr),
        build_id: plan.admitted.build.id,
        tag: Arc::clone(&plan.tag),
        priority: plan.priority,
    }
}
