//! What can go wrong, how often it is made to, and how often it did.

use std::collections::BTreeMap;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    LostBefore,
    LostAfter,
    SlowCall,
    CaughtLands,
    CaughtRefused,
    TooLate,
    LateCopy,
    Offline,
    HubRestart,
    SessionExpiry,
    LoginRefused,
    LoginLost,
    FenceWaited,
    CrashBeforeWrite,
    CrashBeforeSend,
    CrashBeforeAnswer,
    CrashAfterAnswer,
    CrashAfterWrite,
    ZombieCall,
    ZombieGoesOn,
    ClockForward,
    ClockBack,
    NewsLost,
    NewsTwice,
    NewsEarly,
    ListLags,
    FailsFarm,
    FailsPackage,
    Canceled,
    UnknownTask,
    Refused,
    TryAgain,
    Untag,
    UntagOfSent,
    Superseded,
    NotTagged,
    AlreadyBuilt,
    Unclear,
    PartialCheck,
    PartialFollow,
    Pause,
    Denial,
    RateChange,
    OldCopy,
}

/// All kinds.
pub(crate) const ALL: [Fault; 44] = [
    Fault::LostBefore,
    Fault::LostAfter,
    Fault::SlowCall,
    Fault::CaughtLands,
    Fault::CaughtRefused,
    Fault::TooLate,
    Fault::LateCopy,
    Fault::Offline,
    Fault::HubRestart,
    Fault::SessionExpiry,
    Fault::LoginRefused,
    Fault::LoginLost,
    Fault::FenceWaited,
    Fault::CrashBeforeWrite,
    Fault::CrashBeforeSend,
    Fault::CrashBeforeAnswer,
    Fault::CrashAfterAnswer,
    Fault::CrashAfterWrite,
    Fault::ZombieCall,
    Fault::ZombieGoesOn,
    Fault::ClockForward,
    Fault::ClockBack,
    Fault::NewsLost,
    Fault::NewsTwice,
    Fault::NewsEarly,
    Fault::ListLags,
    Fault::FailsFarm,
    Fault::FailsPackage,
    Fault::Canceled,
    Fault::UnknownTask,
    Fault::Refused,
    Fault::TryAgain,
    Fault::Untag,
    Fault::UntagOfSent,
    Fault::Superseded,
    Fault::NotTagged,
    Fault::AlreadyBuilt,
    Fault::Unclear,
    Fault::PartialCheck,
    Fault::PartialFollow,
    Fault::Pause,
    Fault::Denial,
    Fault::RateChange,
    Fault::OldCopy,
];

/// How often each happened.
#[derive(Debug, Default)]
pub(crate) struct Histogram(pub(crate) BTreeMap<Fault, u64>);

impl Histogram {
    pub(crate) fn note(&mut self, fault: Fault) {
        *self.0.entry(fault).or_default() += 1;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (fault, count) in &other.0 {
            *self.0.entry(*fault).or_default() += count;
        }
    }

    pub(crate) fn of(&self, fault: Fault) -> u64 {
        self.0.get(&fault).copied().unwrap_or(0)
    }
}
