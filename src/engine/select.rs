//! Which packages are eligible: the package list, renames, and include and exclude expressions.

use std::collections::BTreeSet;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use regex::RegexSet;
use serde::{Deserialize, Serialize};

use crate::settings::Select as SelectSettings;

/// A package list: an input of the engine, versioned by the hash of its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageList {
    /// Hash of the content, 16 hexadecimal digits.
    pub version: String,
    /// Downstream names.
    pub names: BTreeSet<String>,
}

/// What became of a package list that was handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListVerdict {
    /// It is in force.
    Applied,
    /// It is the one in force already.
    Unchanged,
    /// It differs too much from the one in force, which stays until an operator accepts the new one.
    Waits {
        /// Names that the new list adds.
        added: usize,
        /// Names that it removes.
        removed: usize,
        /// Size of the list in force.
        of: usize,
    },
    /// It is empty; the one in force stays.
    Empty,
}

/// Why an expression of the pipeline file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("select: an include or exclude expression cannot be used: {0}")]
pub struct BadExpression(#[from] regex::Error);

/// The operator that tells what is eligible.
#[derive(Debug, Clone)]
pub struct Select {
    include: Option<RegexSet>,
    exclude: RegexSet,
    renames: HashMap<Box<str>, Box<str>>,
    change_max: f64,
    needs_list: bool,
    list: Option<Arc<PackageList>>,
    /// The names of `list`, for look-up.
    listed: HashSet<Box<str>, foldhash::fast::RandomState>,
    /// A list that an operator has to accept.
    proposed: Option<Arc<PackageList>>,
}

impl Select {
    /// The most memory that the compiled expressions may take, in bytes.
    const COMPILED_MAX_BYTES: usize = 4 << 20;

    /// Compiles the settings.
    ///
    /// # Errors
    /// Where an expression is none, or compiles to more than 4 MiB.
    pub fn new(settings: &SelectSettings) -> Result<Self, BadExpression> {
        let compile =
            |list: &[String]| regex::RegexSetBuilder::new(list).size_limit(Self::COMPILED_MAX_BYTES).build();
        let renames = settings.renames.iter().map(|(up, down)| (up.as_str().into(), down.as_str().into()));
        Ok(Self {
            include: if settings.include.is_empty() { None } else { Some(compile(&settings.include)?) },
            exclude: compile(&settings.exclude)?,
            renames: renames.collect(),
            change_max: settings.list_change_max,
            needs_list: settings.needs_list,
            list: None,
            listed: HashSet::default(),
            proposed: None,
        })
    }

    /// Adds pairs (upstream name, downstream name).
    pub fn add_renames(&mut self, renames: impl IntoIterator<Item = (String, String)>) {
        self.renames.extend(renames.into_iter().map(|(up, down)| (up.into(), down.into())));
    }

    /// The name that a package has downstream.
    pub fn downstream<'a>(&'a self, name: &'a str) -> &'a str {
        if self.renames.is_empty() {
            return name;
        }
        self.renames.get(name).map_or(name, |name| name)
    }

    /// Whether a package is eligible.
    pub fn is_eligible(&self, name: &str) -> bool {
        let name = self.downstream(name);
        let listed = match &self.list {
            Some(_) => self.listed.contains(name),
            None => !self.needs_list,
        };
        listed
            && self.include.as_ref().is_none_or(|include| include.is_match(name))
            && (self.exclude.is_empty() || !self.exclude.is_match(name))
    }

    /// Whether a package list tells what is eligible, so that a later one can tell otherwise.
    pub fn goes_by_list(&self) -> bool {
        self.needs_list || self.list.is_some()
    }

    /// Takes a package list. The last good one stays where the new one is empty, or differs so much that somebody
    /// should look first.
    pub fn offer(&mut self, list: Arc<PackageList>) -> ListVerdict {
        if list.names.is_empty() {
            return ListVerdict::Empty;
        }
        let Some(current) = &self.list else {
            self.put(Some(list));
            return ListVerdict::Applied;
        };
        if current.names == list.names {
            self.proposed = None;
            return ListVerdict::Unchanged;
        }
        let added = list.names.difference(&current.names).count();
        let removed = current.names.difference(&list.names).count();
        let of = current.names.len();
        #[expect(clippy::cast_precision_loss, reason = "package lists are far below 2^52 names")]
        if (added + removed) as f64 > self.change_max * of as f64 {
            self.proposed = Some(list);
            return ListVerdict::Waits { added, removed, of };
        }
        self.proposed = None;
        self.put(Some(list));
        ListVerdict::Applied
    }

    /// An operator accepts the list that waits. Gives whether one did.
    pub fn accept(&mut self) -> bool {
        let proposed = self.proposed.take();
        let waited = proposed.is_some();
        if waited {
            self.put(proposed);
        }
        waited
    }

    /// The list in force, and the one that waits for an operator.
    pub fn lists(&self) -> (Option<&Arc<PackageList>>, Option<&Arc<PackageList>>) {
        (self.list.as_ref(), self.proposed.as_ref())
    }

    /// Puts lists back in force that were so before.
    pub fn restore_lists(&mut self, list: Option<Arc<PackageList>>, proposed: Option<Arc<PackageList>>) {
        self.put(list);
        self.proposed = proposed;
    }

    fn put(&mut self, list: Option<Arc<PackageList>>) {
        let names = list.iter().flat_map(|list| &list.names);
        self.listed = names.map(|name| name.as_str().into()).collect();
        self.list = list;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> Arc<PackageList> {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Arc::new(PackageList { version: String::new(), names })
    }

    fn select(settings: &SelectSettings) -> Select {
        Select::new(settings).unwrap()
    }

    #[test]
    fn a_name_is_looked_up_as_it_is_called_downstream() {
        let renames = vec![("freeipa".to_owned(), "ipa".to_owned())];
        let mut select = select(&SelectSettings { renames, ..SelectSettings::default() });
        select.offer(list(&["ipa", "bash"]));
        assert!(select.is_eligible("freeipa") && select.is_eligible("bash") && !select.is_eligible("zsh"));
    }

    #[test]
    fn expressions_narrow_the_list() {
        let settings = SelectSettings {
            include: vec!["^python-".into(), "^bash$".into()],
            exclude: vec!["-doc$".into()],
            ..SelectSettings::default()
        };
        let select = select(&settings);
        for (name, eligible) in
            [("python-x", true), ("bash", true), ("bash5", false), ("python-x-doc", false)]
        {
            assert_eq!(select.is_eligible(name), eligible, "{name}");
        }
    }

    #[test]
    fn without_a_needed_list_nothing_is_eligible() {
        let settings = SelectSettings { needs_list: true, ..SelectSettings::default() };
        let mut select = select(&settings);
        assert!(!select.is_eligible("bash"));
        assert_eq!(select.offer(list(&["bash"])), ListVerdict::Applied);
        assert!(select.is_eligible("bash"));
    }

    #[test]
    fn a_list_that_changes_too_much_waits_for_an_operator() {
        let names: Vec<String> = (0..20).map(|n| format!("p{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut select = select(&SelectSettings { list_change_max: 0.1, ..SelectSettings::default() });
        assert_eq!(select.offer(list(&names)), ListVerdict::Applied);
        assert_eq!(select.offer(list(&[])), ListVerdict::Empty);
        assert_eq!(select.offer(list(&names[1..])), ListVerdict::Applied);
        assert_eq!(select.offer(list(&names[1..])), ListVerdict::Unchanged);
        assert_eq!(select.offer(list(&names[3..])), ListVerdict::Waits { added: 0, removed: 2, of: 19 });
        assert!(select.is_eligible("p1"));
        assert!(select.accept() && !select.is_eligible("p1"));
        assert!(!select.accept() && select.is_eligible("p5"));
    }
}
