//! Finds the shared folder that some tests need.

use std::path::{Path, PathBuf};

/// The shared folder with real samples and scenarios: `TIDEGATE_SHARED`, or `shared` beside the project. Says so and
/// gives `None` where there is none, so that the tests that need it pass over.
#[expect(clippy::print_stdout, reason = "whoever reads the test log is to see what was not tested")]
pub(crate) fn shared() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let folder = std::env::var_os("TIDEGATE_SHARED").map_or_else(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: needs ../shared");
    None
}
