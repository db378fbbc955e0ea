//! Who and what appears in a stream: packages, builds, tags, people. All of it invented, all of it small and copied by value.

use std::fmt;

/// Every tenth package is one that somebody rebuilds.
const ELIGIBLE_EACH: u32 = 10;

const PREFIXES: [&str; 24] = [
    "lib",
    "python-",
    "perl-",
    "rust-",
    "golang-",
    "nodejs-",
    "rubygem-",
    "ghc-",
    "R-",
    "kf6-",
    "qt6-",
    "gnome-",
    "xfce4-",
    "mingw-",
    "texlive-",
    "ocaml-",
    "erlang-",
    "php-",
    "java-",
    "octave-",
    "vim-",
    "emacs-",
    "gstreamer1-",
    "sys",
];
const STEMS: [&str; 40] = [
    "amber", "basalt", "cedar", "delta", "ember", "fjord", "garnet", "harbor", "indigo", "jasper", "kelp",
    "lagoon", "marsh", "nimbus", "onyx", "pebble", "quartz", "reef", "sable", "tundra", "umber", "vale",
    "willow", "xenon", "yarrow", "zephyr", "anchor", "beacon", "canal", "dune", "estuary", "ferry", "gull",
    "heron", "inlet", "jetty", "keel", "lock", "mole", "narrows",
];
const ENDS: [&str; 25] = [
    "", "-core", "-tools", "-devel", "-extras", "-client", "-server", "-utils", "-data", "-common", "2", "3",
    "-ng", "-plugins", "-gtk", "-cli", "-sdk", "-fonts", "-themes", "-parser", "-crypto", "-json", "-net",
    "-http", "++",
];
const PEOPLE: [&str; 16] = [
    "abrook", "bmoor", "cfield", "dstone", "ehill", "flane", "gwood", "hforge", "ibridge", "jmarsh",
    "kshore", "lpond", "mcliff", "nvale", "ocove", "pbay",
];

/// The names of all packages: which of them is eligible, and what it is called downstream.
#[derive(Debug, Clone)]
pub(super) struct Packages {
    names: Vec<String>,
}

impl Packages {
    /// The most packages there can be: one for each combination of words.
    pub(super) const MOST: u32 = 24_000;

    pub(super) fn new(count: u32) -> Self {
        let names = (0..count.min(Self::MOST)).map(|index| match index {
            0 => "freeipa".to_owned(),
            10 => "nginx".to_owned(),
            20 => "glibc".to_owned(),
            _ => {
                let mut at = index as usize;
                let mut take = |of: &[&'static str]| {
                    let word = of.get(at % of.len()).copied().unwrap_or_default();
                    at /= of.len();
                    word
                };
                let (prefix, end, stem) = (take(&PREFIXES), take(&ENDS), take(&STEMS));
                format!("{prefix}{stem}{end}")
            }
        });
        Self { names: names.collect() }
    }

    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.names.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn name(&self, package: u32) -> &str {
        self.names.get(package as usize).map_or("", String::as_str)
    }

    pub(super) fn is_eligible(package: u32) -> bool {
        package.is_multiple_of(ELIGIBLE_EACH)
    }

    /// One of the eligible packages for each number below [`Packages::eligible_count`].
    pub(super) fn eligible(number: u32) -> u32 {
        number * ELIGIBLE_EACH
    }

    pub(super) fn eligible_count(&self) -> u32 {
        self.len().div_ceil(ELIGIBLE_EACH)
    }

    /// What the eligible ones are called downstream.
    pub(super) fn downstream(&self) -> impl Iterator<Item = &str> {
        self.names.iter().step_by(ELIGIBLE_EACH as usize).map(|name| match name.as_str() {
            "freeipa" => "ipa",
            name => name,
        })
    }

    /// Pairs of upstream and downstream names.
    pub(super) fn renames(&self) -> &'static [(&'static str, &'static str)] {
        if self.names.is_empty() { &[] } else { &[("freeipa", "ipa")] }
    }
}

/// Something that prints itself by a function.
pub(super) fn shown<F: Fn(&mut fmt::Formatter<'_>) -> fmt::Result>(print: F) -> impl fmt::Display {
    struct Shown<F>(F);
    impl<F: Fn(&mut fmt::Formatter<'_>) -> fmt::Result> fmt::Display for Shown<F> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            (self.0)(f)
        }
    }
    Shown(print)
}

/// A build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Build {
    pub(super) id: u64,
    pub(super) package: u32,
    /// Version and release are told from it.
    pub(super) serial: u32,
    /// The release it was built for: 41 or 42.
    pub(super) release: u8,
}

impl Build {
    pub(super) fn version(self) -> impl fmt::Display {
        let serial = self.serial;
        shown(move |f| write!(f, "{}.{}.{}", serial % 9, serial / 9 % 17, serial / 153 % 6))
    }

    pub(super) fn release(self) -> impl fmt::Display {
        shown(move |f| write!(f, "{}.fc{}", self.serial % 40 + 1, self.release))
    }

    pub(super) fn owner(self) -> User {
        User::Person(self.package)
    }

    /// The task that made it.
    pub(super) fn task_id(self) -> u64 {
        self.id.saturating_mul(37).saturating_add(30_000_000)
    }
}

/// Who did something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum User {
    Person(u32),
    Bodhi,
    Autosign,
    Releng,
    Kojira,
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Person(number) => PEOPLE.get(*number as usize % PEOPLE.len()).copied().unwrap_or_default(),
            Self::Bodhi => "bodhi",
            Self::Autosign => "autosign/autosign01.example.org",
            Self::Releng => "releng",
            Self::Kojira => "kojira",
        })
    }
}

/// A part of a side tag's gating.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    Signing,
    Testing,
}

/// A tag; the number is the release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tag {
    Release(u8),
    Candidate(u8),
    Signing(u8),
    Testing(u8),
    Rebuild(u8),
    Side(u8, u32, Part),
    Build(u8),
    Eln,
    Epel,
}

impl Tag {
    pub(super) fn number(self) -> u32 {
        match self {
            Self::Release(release) => 60_000 + u32::from(release) * 20,
            Self::Candidate(release) => 60_001 + u32::from(release) * 20,
            Self::Signing(release) => 60_002 + u32::from(release) * 20,
            Self::Testing(release) => 60_003 + u32::from(release) * 20,
            Self::Rebuild(release) => 60_004 + u32::from(release) * 20,
            Self::Build(release) => 60_005 + u32::from(release) * 20,
            Self::Side(_, number, part) => number + part as u32,
            Self::Eln => 59_001,
            Self::Epel => 59_002,
        }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Release(release) => write!(f, "f{release}"),
            Self::Candidate(release) => write!(f, "f{release}-updates-candidate"),
            Self::Signing(release) => write!(f, "f{release}-signing-pending"),
            Self::Testing(release) => write!(f, "f{release}-updates-testing-pending"),
            Self::Rebuild(release) => write!(f, "f{release}-rebuild"),
            Self::Build(release) => write!(f, "f{release}-build"),
            Self::Side(release, number, Part::Whole) => write!(f, "f{release}-build-side-{number}"),
            Self::Side(release, number, Part::Signing) => {
                write!(f, "f{release}-build-side-{number}-signing-pending")
            }
            Self::Side(release, number, Part::Testing) => {
                write!(f, "f{release}-build-side-{number}-testing-pending")
            }
            Self::Eln => f.write_str("eln-updates-candidate"),
            Self::Epel => f.write_str("epel9-testing-candidate"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_packages_have_one_name_and_a_tenth_is_eligible() {
        let packages = Packages::new(u32::MAX);
        assert_eq!(packages.len(), Packages::MOST);
        let names: BTreeSet<&str> = (0..packages.len()).map(|package| packages.name(package)).collect();
        assert_eq!(names.len(), 24_000);
        let downstream: BTreeSet<&str> = packages.downstream().collect();
        assert_eq!(downstream.len(), 2_400);
        assert!(downstream.contains("ipa") && !downstream.contains("freeipa"));
        let eligible = (0..packages.len()).filter(|package| Packages::is_eligible(*package));
        assert!(eligible.eq((0..packages.eligible_count()).map(Packages::eligible)));
    }
}
