//! The command line of Tidegate.

use std::process::ExitCode;

fn main() -> ExitCode {
    tidegate::cli::run()
}
