//! The load of Koji's builders, as Koschei computes it.
//!
//! Koschei's rule keeps Fedora's own scratch rebuilds from crowding out people; who submits rebuilds beside it should see
//! the same load. Only the arithmetic is here; asking the hub (`listHosts` of the enabled hosts of the channel) is the
//! shell's work.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A share of the capacity that is taken, in millionths: 0 is idle, 1,000,000 is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Load(u32);

impl Load {
    /// Nothing runs.
    pub const IDLE: Self = Self(0);
    /// Nothing more fits.
    pub const FULL: Self = Self(1_000_000);

    /// From a share, 0 to 1, to the nearest millionth. What lies outside is cut to that; no number is full, since what cannot be
    /// told must not let anything through.
    pub fn from_share(share: f64) -> Self {
        if share.is_nan() {
            return Self::FULL;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number from 0 to 10^6 after the clamp"
        )]
        Self((share.clamp(0.0, 1.0) * 1e6).round() as u32)
    }

    pub(super) fn from_millionths(millionths: u32) -> Self {
        Self(millionths.min(Self::FULL.0))
    }

    /// Millionths of the capacity.
    pub fn millionths(self) -> u32 {
        self.0
    }

    /// Less by `share`, at least idle.
    #[must_use]
    pub fn less(self, share: Self) -> Self {
        Self(self.0.saturating_sub(share.0))
    }
}

impl fmt::Display for Load {
    /// As Koschei's settings write it: `0.75`, at most three digits behind the point.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let thousandths = self.0.div_ceil(1_000);
        let digits = format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000);
        let shortest = digits.trim_end_matches('0');
        f.write_str(digits.get(..shortest.len().max("0.00".len())).unwrap_or(&digits))
    }
}

/// What the hub says of one builder (`listHosts`).
#[derive(Debug, Clone, PartialEq)]
pub struct Host {
    /// The arches it builds, canonical names as the hub has them: `x86_64`, `s390x`, `noarch`.
    pub arches: Vec<Box<str>>,
    /// What it can take, in units of task weight.
    pub capacity: f64,
    /// The weight of what it runs.
    pub task_load: f64,
    /// Whether it takes more; one that does not counts as full, so an outage of builders raises the load.
    pub ready: bool,
}

impl Host {
    /// (taken, capacity); a capacity that is no positive number is none.
    fn share(&self) -> (f64, f64) {
        let capacity = if self.capacity.is_finite() { self.capacity.max(0.0) } else { 0.0 };
        let taken = if self.ready && !self.task_load.is_nan() { self.task_load.max(0.0) } else { capacity };
        (taken.min(capacity), capacity)
    }
}

/// The load of one arch: taken over capacity, summed over the hosts that build it. Full where none can.
pub fn arch_load(hosts: &[Host], arch: &str) -> Load {
    let of_arch = hosts.iter().filter(|host| host.arches.iter().any(|name| &**name == arch));
    let (taken, capacity) =
        of_arch.map(Host::share).fold((0.0, 0.0), |sum, host| (sum.0 + host.0, sum.1 + host.1));
    if capacity > 0.0 { Load::from_share(taken / capacity) } else { Load::FULL }
}

/// The load that a package of these arches meets: the worst of them, for all must be built.
///
/// A package with `noarch` among them can be built anywhere: the best of `all_arches`. Full where there are none.
pub fn package_load(hosts: &[Host], all_arches: &[Box<str>], arches: &[Box<str>]) -> Load {
    let found = if arches.iter().any(|arch| &**arch == "noarch") {
        all_arches.iter().map(|arch| arch_load(hosts, arch)).min()
    } else {
        arches.iter().map(|arch| arch_load(hosts, arch)).max()
    };
    found.unwrap_or(Load::FULL)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(arches: &str, capacity: f64, task_load: f64, ready: bool) -> Host {
        Host { arches: names(arches), capacity, task_load, ready }
    }

    fn names(text: &str) -> Vec<Box<str>> {
        text.split(' ').filter(|name| !name.is_empty()).map(Into::into).collect()
    }

    #[test]
    fn the_load_of_an_arch() {
        let table: [(&str, Vec<Host>, u32); 12] = [
            ("no host", vec![], 1_000_000),
            ("of another arch", vec![host("s390x", 4.0, 0.0, true)], 1_000_000),
            ("idle", vec![host("x86_64", 4.0, 0.0, true)], 0),
            ("half", vec![host("i386 x86_64", 4.0, 2.0, true)], 500_000),
            ("overcommitted", vec![host("x86_64", 4.0, 9.0, true), host("x86_64", 4.0, 0.0, true)], 500_000),
            ("not ready", vec![host("x86_64", 2.0, 0.0, false), host("x86_64", 6.0, 3.0, true)], 625_000),
            ("weighted", vec![host("x86_64", 1.0, 1.0, true), host("x86_64", 3.0, 0.0, true)], 250_000),
            ("no capacity", vec![host("x86_64", 0.0, 0.0, true)], 1_000_000),
            (
                "one without capacity",
                vec![host("x86_64", 0.0, 5.0, true), host("x86_64", 2.0, 1.0, true)],
                500_000,
            ),
            ("negative", vec![host("x86_64", -3.0, 1.0, true), host("x86_64", 4.0, -1.0, true)], 0),
            ("load unknown", vec![host("x86_64", 4.0, f64::NAN, true)], 1_000_000),
            (
                "capacity unknown",
                vec![host("x86_64", f64::NAN, 0.0, true), host("x86_64", 4.0, 1.0, true)],
                250_000,
            ),
        ];
        for (name, hosts, millionths) in table {
            assert_eq!(arch_load(&hosts, "x86_64").millionths(), millionths, "{name}");
        }
    }

    #[test]
    fn a_package_meets_its_worst_arch_and_noarch_the_best() {
        let hosts = [
            host("x86_64 noarch", 4.0, 1.0, true),
            host("s390x", 4.0, 3.0, true),
            host("ppc64le", 4.0, 2.0, true),
        ];
        let all = names("x86_64 s390x ppc64le");
        for (arches, millionths) in [
            ("x86_64", 250_000),
            ("x86_64 ppc64le", 500_000),
            ("x86_64 s390x ppc64le", 750_000),
            ("noarch", 250_000),
            ("s390x noarch", 250_000),
            ("riscv64", 1_000_000),
            ("", 1_000_000),
        ] {
            assert_eq!(package_load(&hosts, &all, &names(arches)).millionths(), millionths, "{arches}");
        }
        assert_eq!(package_load(&hosts, &[], &names("noarch")), Load::FULL);
    }

    #[test]
    fn a_share_is_cut_to_what_it_can_be() {
        for (share, millionths, text) in [
            (0.75, 750_000, "0.75"),
            (0.750_000_1, 750_000, "0.75"),
            (0.750_001, 750_001, "0.751"),
            (-1.0, 0, "0.00"),
            (7.0, 1_000_000, "1.00"),
            (f64::NAN, 1_000_000, "1.00"),
            (0.625, 625_000, "0.625"),
        ] {
            let load = Load::from_share(share);
            assert_eq!((load.millionths(), load.to_string().as_str()), (millionths, text), "{share}");
        }
    }
}
