//! Which capture is which call of ours, and which are calls that Tidegate does not make.

use tidegate::koji::answers::TaskState;
use tidegate::koji::command::{self, BuildKind, BuildOptions, BuildRequest, Command};
use tidegate::koji::query::{
    self, BuildFilter, HistoryFilter, Listing, Page, Query, TaggedFilter, TaskFilter,
};
use tidegate::koji::secret::Secret;
use tidegate::koji::xmlrpc::{Call, Value};
use tidegate::time::Second;

/// A call of ours, and how it compares to the recorded one.
pub(crate) struct Ours {
    pub(crate) call: Call,
    pub(crate) read: Box<dyn Fn(Value) -> Result<(), String>>,
    pub(crate) same: Same,
}

/// How our request compares to the recorded one.
#[derive(Clone, Copy)]
pub(crate) enum Same {
    /// It is the same.
    Bytes,
    /// Members of structs stand in another order: the hub reads them into dictionaries.
    Members,
    /// It is another, for this reason; the answer is of the same shape.
    Differs(&'static str),
}

const STRICT: Same = Same::Differs("asked strictly; we ask without, so that what is missing is no fault");
const RAISES: Same = Same::Differs("raises the task's own fault; we ask for it as an answer");
const FOO: &str = "git+https://src.fedoraproject.org/rpms/foo#abc";

pub(crate) fn ours(name: &str) -> Option<Ours> {
    hub(name).or_else(|| builds(name)).or_else(|| tags(name)).or_else(|| tasks(name)).or_else(|| writes(name))
}

fn hub(name: &str) -> Option<Ours> {
    Some(match name {
        "00-getAPIVersion-anon" => ask(query::api_version()),
        "00-getKojiVersion-anon" | "15-wrong-content-type" | "15-octet-stream" => ask(query::koji_version()),
        "15-too-many-args" => {
            ask(query::koji_version()).but(Same::Differs("has an argument too many, on purpose"))
        }
        "00-getLoggedInUser-anon"
        | "02-getLoggedInUser"
        | "13-session-renewed-oldkey"
        | "17-ssl-session-use" => ask(query::logged_in_user()),
        "04-getLastEvent" => ask(query::last_event()),
        "16-listHosts" | "23-listHosts-ready" => ask(query::list_hosts(None, None)),
        _ => return None,
    })
}

fn builds(name: &str) -> Option<Ours> {
    let nvr = |nvr: &str| ask(query::get_build(nvr));
    let id = |id: i64| ask(query::get_build(id));
    let tagged = |tag, filter| list(query::list_tagged(tag, filter));
    let of_task = |id| {
        let filter = BuildFilter { task_id: Some(id), ..BuildFilter::default() };
        ask(query::list_builds(filter, Page::default()))
    };
    Some(match name {
        "03-getBuild-nvr" => nvr("pkg000-1.0-1.fc42"),
        "03-getBuild-epoch" => nvr("foo-2.0-1.fc42"),
        "03-getBuild-draft" => nvr("foo-3.0-1.fc42,draft_504"),
        "03-getBuild-draft-target-nvr" => nvr("foo-3.0-1.fc42"),
        "03-getBuild-missing" => nvr("foo-9.9-9.fc42"),
        "03-getBuild-malformed" => nvr("foo"),
        "03-getBuild-id" | "14-database-down" | "14-lockout-anon" | "14-offline" | "26-bad-plugin" => id(1),
        "03-getBuild-missing-strict" | "03-getBuild-missing-strict-positional" => {
            nvr("foo-9.9-9.fc42").but(STRICT)
        }
        "03-getBuild-missing-id-strict" => id(999_999).but(STRICT),
        "15-unknown-named-arg" => id(1).but(Same::Differs("has an argument that is none, on purpose")),
        "08-getBuild-building" | "08-getBuild-failed" => nvr("bar-1.0-1.fc42"),
        "20-getBuild-canceled" => nvr("bar-1.7-1.fc42"),
        "21-getBuild-complete" | "23-listRPMs-i8.1" => nvr("bar-1.5-1.fc42"),
        "22-getBuild-promoted" => nvr("foo-2.5-1.eln"),
        "22-getBuild-promoted-old-nvr" => nvr("foo-2.5-1.eln,draft_508"),
        "04-listBuilds-queryOpts" => {
            let filter = BuildFilter { prefix: Some("pkg00"), ..BuildFilter::default() };
            let page = Page { order: Some("-build_id"), offset: None, limit: Some(2) };
            ask(query::list_builds(filter, page)).but(Same::Members)
        }
        "20-listBuilds-taskID-building" | "21-listBuilds-taskID" => of_task(1),
        "21-getBuild-draft-complete" => of_task(2),
        "04-listTagged-pkg-latest-inherit" => tagged("f41", TaggedFilter::LATEST.package("pkg000")),
        "04-listTagged-empty" | "21-listTagged-f42" => tagged("f42", TaggedFilter::LATEST),
        "21-listTagged-f42-build-inherit" => tagged("f42-build", TaggedFilter::LATEST),
        "04-listTagged-missing-tag" => tagged("nope", TaggedFilter::default()),
        "09-listTagged-not-in-list" => tagged("f42-nolist", TaggedFilter::default()),
        "10-multiCall-tag-with-faults-after" | "21-listTagged-eln-draft" => {
            tagged("eln", TaggedFilter::default())
        }
        "21-listTagged-eln-no-draft" => {
            tagged("eln", TaggedFilter { draft: Some(false), ..TaggedFilter::default() })
        }
        "04-getLatestBuilds" => ask(query::latest_builds("f41", Some("pkg001"))),
        "04-listTags-of-build" => ask(query::list_tags("pkg000-1.0-1.fc42")),
        "04-queryHistory" => {
            let filter = HistoryFilter { build_id: Some(1), ..HistoryFilter::default() };
            list(query::query_history(filter))
                .but(Same::Differs("names the build by its NVR; we by its number, which is the key"))
        }
        _ => return None,
    })
}

fn tags(name: &str) -> Option<Ours> {
    let tag = |name| ask(query::get_tag(name));
    Some(match name {
        "04-getTag"
        | "11-callnum-0-read-after-write"
        | "11-callnum-3-lower-read"
        | "11-callnum-6-read"
        | "11-callnum-6-read-again"
        | "11-callnum-text"
        | "12-response-lost-read.1"
        | "12-response-lost-read.2"
        | "13-locked-by-exclusive"
        | "13-session-bad-key"
        | "13-session-expired"
        | "13-session-id-text"
        | "13-session-no-key-header"
        | "13-session-no-such-id"
        | "14-lockout-admin" => tag("f42"),
        "04-getTag-missing" => tag("nope"),
        "04-getTag-missing-strict" => tag("nope").but(STRICT),
        "16-non-ascii" => tag("f42-\u{e9}\u{4e2d}").but(STRICT),
        "11-callnum-10-multicall-reads" | "11-callnum-10-multicall-reads-again" => {
            ask(Query::batch(vec![query::get_tag("f42"), query::get_tag("f41")]))
        }
        "12-response-lost-read-multicall.1" | "12-response-lost-read-multicall.2" => {
            ask(Query::batch(vec![query::get_tag("f42")]))
        }
        "10-multiCall-empty" | "11-callnum-11-multicall-empty" | "11-callnum-11-multicall-empty-again" => {
            ask(Query::batch(Vec::<Query<i64>>::new()))
        }
        "04-getFullInheritance" => ask(query::full_inheritance("f42-build")),
        "05-getBuildTarget" => ask(query::build_target("eln")),
        "05-getBuildTarget-missing" => ask(query::build_target("nope")),
        "05-getBuildTarget-missing-strict" => ask(query::build_target("nope")).but(STRICT),
        "05-getBuildTargets" => ask(query::build_targets()),
        "04-checkTagPackage" => ask(query::check_tag_package("f42", "foo")),
        _ => return None,
    })
}

fn tasks(name: &str) -> Option<Ours> {
    let info = |id, with_request| ask(query::task_info(id, with_request));
    let result = |id| ask(query::task_result(id));
    Some(match name {
        "07-getTaskInfo" | "07-getTaskInfo-canceled" => info(1, false),
        "07-getTaskInfo-missing" => info(999_999, false),
        "07-getTaskInfo-missing-strict" => info(999_999, false).but(STRICT),
        "07-getTaskInfo-request" | "20-getTaskInfo-open" | "21-getTaskInfo-closed" => info(1, true),
        "08-getTaskInfo-failed" => info(3, true),
        "21-getTaskInfo-scratch" => info(5, true),
        "07-getTaskInfo-list" => ask(query::task_infos(&[1, 2, 999_999], true)),
        "07-listTasks-owner-open" => {
            let filter = TaskFilter {
                owner: Some(4),
                states: TaskState::UNDER_WAY.to_vec(),
                with_request: true,
                ..TaskFilter::default()
            };
            ask(query::list_tasks(&filter, Page { order: Some("-id"), offset: None, limit: Some(2) }))
        }
        "07-listTasks-method" => {
            let filter = TaskFilter {
                method: Some("build"),
                created_after: Second::parse("2020-01-01T00:00:00Z"),
                ..TaskFilter::default()
            };
            ask(query::list_tasks(&filter, Page { limit: Some(1), ..Page::default() }))
                .but(Same::Differs("gives a time without its zone; ours says that it is UTC"))
        }
        "07-taskFinished" => ask(query::task_finished(1)),
        "07-getTaskResult-canceled-noraise" => result(1),
        "08-getTaskResult-failed-noraise" => result(3),
        "07-getTaskResult-open" | "07-getTaskResult-canceled" | "21-getTaskResult-closed" => {
            result(1).but(RAISES)
        }
        "08-getTaskResult-failed-no-such-target" => result(3).but(RAISES),
        "08-getTaskResult-closed" | "21-getTaskResult-not-in-list" => result(6).but(RAISES),
        "21-getTaskResult-failed" => result(4).but(RAISES),
        "22-getTaskResult-same-source-again" => result(9).but(RAISES),
        "26-getTaskResult-rebuild-of-failed" => result(7).but(RAISES),
        "26-getTaskResult-tagBuild-already" => result(12).but(RAISES),
        "21-getTaskDescendents" => ask(query::task_descendents(1)),
        _ => return None,
    })
}

fn writes(name: &str) -> Option<Ours> {
    let request = BuildRequest { source: FOO, target: "eln", ..BuildRequest::default() };
    let build = |request: &BuildRequest<'_>| run(command::build(request));
    Some(match name {
        "06-build-anonymous"
        | "11-callnum-0-build"
        | "11-callnum-0-build-again"
        | "11-callnum-13-parallel.1"
        | "11-callnum-13-parallel.2"
        | "11-callnum-13-parallel.3"
        | "11-callnum-13-parallel.4"
        | "11-callnum-3-lower"
        | "11-callnum-5-skip"
        | "11-callnum-6-write-after-read"
        | "11-callnum-7-write-after-fault"
        | "11-callnum-none"
        | "11-callnum-none-again"
        | "11-callnum-old-header"
        | "11-callnum-parallel-different.1"
        | "11-callnum-parallel-different.2"
        | "11-callnum-parallel-different.3"
        | "11-callnum-parallel-different.4"
        | "11-callnum-parallel-different.5"
        | "11-callnum-parallel-different.6"
        | "11-callnum-parallel-different.7"
        | "11-callnum-parallel-different.8"
        | "12-response-lost.1"
        | "12-response-lost.2" => build(&request),
        "06-build-no-such-target" => build(&BuildRequest { target: "nope", ..request }),
        "06-build-rawhide" => build(&BuildRequest {
            source: "git+https://src.fedoraproject.org/rpms/bar#def",
            target: "rawhide",
            ..request
        }),
        "06-build-draft-priority" | "06-build-same-source-again" => build(&BuildRequest {
            priority: Some(5),
            options: BuildOptions { kind: BuildKind::Draft, ..BuildOptions::default() },
            ..request
        }),
        "06-build-negative-priority" | "06-build-negative-priority-admin" => {
            build(&BuildRequest { priority: Some(-5), ..request })
        }
        "11-callnum-7-fault" | "11-callnum-7-fault-again" => {
            build(&BuildRequest { priority: Some(-5), ..request })
                .but(Same::Differs("gives the priority by its place; ours, as Koji's client, by its name"))
        }
        "06-build-no-such-channel" => build(&BuildRequest { channel: Some("nope"), ..request }),
        "06-build-scratch" => build(&BuildRequest {
            target: "rawhide",
            options: BuildOptions {
                kind: BuildKind::Scratch,
                arch_override: Some("x86_64"),
                ..BuildOptions::default()
            },
            ..request
        }),
        "07-cancelTask"
        | "07-cancelTask-again"
        | "07-cancelTask-not-owner"
        | "11-callnum-12-cancelTask-noop"
        | "11-callnum-12-cancelTask-noop-again"
        | "26-cancelTask-closed" => run(command::cancel_task(1)),
        "20-cancelTask-open" | "26-cancelTask-failed" => run(command::cancel_task(3)),
        "07-cancelTask-missing" => run(command::cancel_task(999_999)),
        "13-logout-anon" => run(command::logout(None)),
        "01-login-already" => run(command::login("kojiadmin", &Secret::new("adminpw"))),
        "01-login-ok" => run(command::login("kojiadmin", &Secret::new("adminpw")))
            .but(Same::Differs("says by name that there are no options")),
        "01-login-bad-password" => run(command::login("kojiadmin", &Secret::new("nope"))),
        "01-login-blocked-user" => run(command::login("blocked", &Secret::new("blockedpw"))),
        "01-login-no-such-user" => run(command::login("nobody", &Secret::new("x"))),
        "22-promoteBuild-not-allowed.1" => run(command::login("plain", &Secret::new("plainpw"))),
        "17-sslLogin-new-user"
        | "17-sslLogin-no-cert"
        | "17-sslLogin-ok"
        | "17-sslLogin-upstream-layout-tls12"
        | "17-sslLogin-upstream-layout-tls13"
        | "17-sslLogin-wrong-path" => run(command::ssl_login(None)),
        "17-sslLogin-proxyuser" => run(command::ssl_login(Some("kojiadmin"))),
        _ => return None,
    })
}

/// Why Tidegate does not make this call.
pub(crate) fn unused(name: &str) -> Option<&'static str> {
    let number = name.split('-').next().unwrap_or_default();
    Some(match name {
        "13-session-renew" => "a session is never renewed: its numbering would begin anew",
        "13-exclusiveSession" => "locks out every other tool of the user",
        "13-subsession" => "one session is one writer",
        "02-getPermsByCurrent" | "16-getAllPerms" => "what we may do is told by the fault",
        "04-getPackage-missing" | "04-getPackageID-strict" => "packages are known by their names",
        "04-listBuilds-count" => "builds are not counted",
        "06-build-missing-arg" | "06-build-bad-src-type" | "06-build-target-nil" => {
            "malformed on purpose: our types do not allow it"
        }
        "07-setTaskPriority" | "07-setTaskPriority-admin" => "only administrators may",
        "07-cancelBuild-missing" => "a build is canceled with its task",
        "08-resubmitTask" => "a retry is a submission of its own, with a marker of its own",
        "10-multiCall-invalid-method"
        | "10-multiCall-login-inside"
        | "10-multiCall-named-args"
        | "10-multiCall-nested"
        | "10-multiCall-one-fault"
        | "10-system.multicall" => "a mixture of calls: ours are of one kind",
        "11-callnum-8-multicall"
        | "11-callnum-8-multicall-again"
        | "11-callnum-9-multicall-allfault"
        | "11-callnum-9-multicall-allfault-again" => "writes go one by one, each with a number of its own",
        "15-empty-post" | "15-get" | "15-not-xml" | "15-truncated-xml" | "15-invalid-method" => {
            "malformed on purpose"
        }
        "16-echo-nil" => "malformed on purpose: a build is asked for by number or NVR",
        "16-getEvent-strict" => "only the newest point of the hub's history is asked for",
        "21-getTaskChildren" => "getTaskDescendents tells of all depths",
        "23-listRPMs-i8.2" => "what a build contains is of no matter",
        _ if number == "09" && !name.contains("listTagged") => "tagging is the build task's work",
        _ if ["08-host", "10-multiCall-tag-with-faults", "24-", "25-", "22-promoteBuild"]
            .iter()
            .any(|beginning| name.starts_with(beginning))
            && !["10-multiCall-tag-with-faults-after", "22-promoteBuild-not-allowed.1"].contains(&name) =>
        {
            "the work of builders, taggers and release engineers"
        }
        _ => return None,
    })
}

fn ask<T: 'static>(query: Query<T>) -> Ours {
    Ours {
        call: query.call().clone(),
        read: Box::new(move |value| query.read(value).map(drop).map_err(|error| error.to_string())),
        same: Same::Bytes,
    }
}

fn list<T: 'static>(listing: Listing<T>) -> Ours {
    let call = listing.call().clone();
    let read = move |value: Value| {
        let member = value.as_struct().and_then(|members| members.get("tag_listing"));
        let items = member.unwrap_or(&value).as_array();
        let items = items.ok_or_else(|| "no list".to_owned())?;
        items.iter().try_for_each(|item| listing.read(item).map(drop).map_err(|error| error.to_string()))
    };
    Ours { call, read: Box::new(read), same: Same::Bytes }
}

fn run<T: 'static>(command: Command<T>) -> Ours {
    Ours {
        call: command.call().clone(),
        read: Box::new(move |value| command.read(&value).map(drop).map_err(|error| error.to_string())),
        same: Same::Bytes,
    }
}

impl Ours {
    fn but(mut self, same: Same) -> Self {
        self.same = same;
        self
    }
}
