//! Package lists as inputs of the engine; what was ignored for its package is judged again where that is eligible now.

use std::sync::Arc;

use super::Engine;
use super::save::Change;
use super::select::{ListVerdict, PackageList};

impl Engine {
    /// Takes a package list; events that were ignored for their package within the last days are judged again where it
    /// is eligible now.
    pub fn offer_packages(&mut self, list: Arc<PackageList>) -> ListVerdict {
        let verdict = self.select.offer(list);
        self.changes.note(|| Change::Lists);
        if verdict == ListVerdict::Applied {
            self.judge_ignored_again();
        }
        verdict
    }

    /// An operator accepts the package list that waits. Gives whether one did.
    pub fn accept_packages(&mut self) -> bool {
        let accepted = self.select.accept();
        self.changes.note(|| Change::Lists);
        if accepted {
            self.judge_ignored_again();
        }
        accepted
    }

    /// Adds pairs (upstream name, downstream name).
    pub fn add_renames(&mut self, renames: impl IntoIterator<Item = (String, String)>) {
        self.select.add_renames(renames);
    }

    /// Whether a package, by its upstream name, is eligible now.
    pub fn is_eligible(&self, name: &str) -> bool {
        self.select.is_eligible(name)
    }

    /// The package list in force.
    pub fn package_list(&self) -> Option<&Arc<PackageList>> {
        self.select.lists().0
    }

    /// The package list in force, and the one that waits for an operator.
    pub fn package_lists(&self) -> (Option<&Arc<PackageList>>, Option<&Arc<PackageList>>) {
        self.select.lists()
    }

    fn judge_ignored_again(&mut self) {
        let since = self.now - self.settings.dedupe.ignored;
        let ignored = std::mem::take(&mut self.ignored);
        self.changes.note(|| Change::IgnoredAgain);
        for (at, event) in ignored {
            if at < since || !self.known.tags.is_judged(event.tag) {
                continue;
            }
            if !self.select.is_eligible(event.nvr.name()) {
                self.changes.note(|| Change::Ignored(at, Arc::clone(&event)));
                self.ignored.push_back((at, event));
                continue;
            }
            self.account.receive(event.position.partition);
            if let Some(trigger) = self
                .triggers
                .iter_mut()
                .find(|trigger| trigger.key.tag == event.tag && trigger.key.instance == event.build.instance)
            {
                trigger.readmit(event, self.now);
            }
        }
    }
}
