//! Whose fault a failed task is, by what the hub says of it.
//!
//! What the farm did is worth another try; what the package did fails again. A text that nobody knows is laid on the
//! package: another try costs hours of builders, and a person is told either way.

use crate::koji::fault::{OFFLINE, UNKNOWN};
use crate::koji::xmlrpc::Fault;
use crate::submit::ask::Cause;

/// The stage in which the source package is made.
pub(super) const SRPM: &str = "srpm";

/// Koji's code for a buildroot that could not be made.
const BUILDROOT: i64 = 1012;
/// Koji's code for a failed build.
const BUILD: i64 = 1005;

/// Words of failures that another try does not mend, whatever else the text says.
const OF_THE_PACKAGE: [&str; 8] = [
    "already exists",
    "already in progress",
    "unknown build target",
    "no such build target",
    "not in list for tag",
    "policy violation",
    // What mock answers where the packages that a build needs are not there.
    "mock exited with status 30",
    "mock exited with status 10",
];

/// Words of failures of builders, their disks and their network.
const OF_THE_FARM: [&str; 22] = [
    "no space left",
    "disk quota",
    "input/output error",
    "read-only file system",
    "cannot allocate memory",
    "out of memory",
    "connection refused",
    "connection reset",
    "connection aborted",
    "connection timed out",
    "timed out",
    "remote end closed",
    "temporary failure in name resolution",
    "name or service not known",
    "network is unreachable",
    "no route to host",
    "bad gateway",
    "service unavailable",
    "gateway time-out",
    "host was restarted",
    "task freed",
    "killed by signal",
];

/// Words of failures to fetch a source; at that stage mock says nothing.
const OF_THE_SOURCE_SERVER: [&str; 4] =
    ["could not resolve host", "unable to access", "early eof", "rpc failed"];

/// Whose fault it is that a task failed at this stage.
pub(super) fn cause(stage: &str, fault: &Fault) -> Cause {
    let text = fault.text.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if has(&OF_THE_PACKAGE) {
        return Cause::Package;
    }
    if has(&OF_THE_FARM) || (stage == SRPM && has(&OF_THE_SOURCE_SERVER)) {
        return Cause::Infrastructure;
    }
    match fault.code {
        // A builder's own exception: nothing of the package was judged. A hub that went offline meanwhile neither.
        UNKNOWN | OFFLINE | BUILDROOT => Cause::Infrastructure,
        // A mock that ended otherwise than with "the build failed" did not come to the package.
        BUILD if text.contains("mock exited with status") && !text.contains("mock exited with status 1;") => {
            Cause::Infrastructure
        }
        _ => Cause::Package,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_fault_a_failure_is() {
        use Cause::{Infrastructure, Package};
        for (stage, code, text, expected) in [
            (
                "buildArch x86_64",
                1005,
                "error building package (arch x86_64), mock exited with status 1; see build.log",
                Package,
            ),
            (
                "buildArch s390x",
                1005,
                "error building package, mock exited with status 80; see root.log",
                Infrastructure,
            ),
            (
                "buildArch s390x",
                1012,
                "could not init mock buildroot, mock exited with status 30; see root.log",
                Package,
            ),
            (
                "buildArch s390x",
                1012,
                "could not init mock buildroot, mock exited with status 20; see root.log",
                Infrastructure,
            ),
            (
                SRPM,
                1005,
                "error building srpm, mock exited with status 1; see build.log or root.log",
                Package,
            ),
            (
                SRPM,
                1005,
                "Unable to access 'https://src.example/rpms/x/': Could not resolve host",
                Infrastructure,
            ),
            ("buildArch x86_64", 1005, "unable to access the licence server", Package),
            (SRPM, 1, "<class 'requests.exceptions.ConnectionError'>: Connection aborted", Infrastructure),
            ("buildArch x86_64", 1, "<class 'OSError'>: [Errno 28] No space left on device", Infrastructure),
            ("build", 1000, "Build already exists (id=505, state=COMPLETE): {}", Package),
            ("build", 1000, "Build already in progress (task 6)", Package),
            ("build", 1000, "unknown build target: nope", Package),
            ("build", 1005, "package zlib not in list for tag eln", Package),
            ("tagBuild noarch", 1003, "policy violation (tag)", Package),
            ("build", 1014, "database outage", Infrastructure),
            ("build", 4711, "of a later Koji", Package),
            ("build", 0, "the hub does not say why", Package),
        ] {
            let found = cause(stage, &Fault::new(code, text));
            assert_eq!(found, expected, "{stage}: {code} {text}");
        }
    }
}
