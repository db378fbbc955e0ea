//! The methods of the hub, each with its parameters as the real one names them.

mod builds;
mod history;
mod hosts;
mod query;
mod sessions;
mod tags;
mod tasks;
mod topics;

use super::arguments::{Arguments, Signature};
use super::call::{Method, Turn};
use super::faults::generic;
use crate::koji::xmlrpc::{Fault, Value};

/// The version of Koji that this hub speaks like.
pub(super) const VERSION: &str = "1.35.3";

type Run = fn(&mut Turn<'_>, &Arguments) -> Result<Value, Fault>;

/// A method: its name, the name of the Python function that refusals show, and its parameters.
const fn method(
    name: &'static str,
    function: &'static str,
    parameters: &'static [&'static str],
    run: Run,
) -> Method {
    Method { name, signature: Signature { function, parameters }, run }
}

/// The method of that name.
pub(super) fn find(name: &str) -> Result<&'static Method, Fault> {
    let groups = [TOPICS, SESSIONS, BUILDS, TAGS, TASKS, HOSTS];
    let mut methods = groups.into_iter().flatten();
    methods.find(|method| method.name == name).ok_or_else(|| generic(format!("Invalid method: {name}")))
}

const TOPICS: &[Method] = &[
    method("getKojiVersion", "RootExports.getKojiVersion", &[], topics::version),
    method("getAPIVersion", "RootExports.getAPIVersion", &[], topics::api_version),
    method("mavenEnabled", "RootExports.mavenEnabled", &[], topics::disabled),
    method("getMavenBuild", "get_maven_build", &["buildInfo", "strict?"], topics::nothing),
    method("getWinBuild", "get_win_build", &["buildInfo", "strict?"], topics::nothing),
    method("getImageBuild", "get_image_build", &["buildInfo", "strict?"], topics::nothing),
    method("winEnabled", "RootExports.winEnabled", &[], topics::disabled),
    method("getLastEvent", "RootExports.getLastEvent", &["before?", "strict?"], topics::last_event),
    method("getEvent", "RootExports.getEvent", &["id"], topics::event),
    method("getUser", "get_user", &["userInfo?", "strict?", "krb_princs?", "groups?"], topics::user),
    method("getPackage", "lookup_package", &["info", "strict?"], topics::package),
    method("getPackageID", "RootExports.getPackageID", &["name", "strict?"], topics::package_id),
    method(
        "getPackageConfig",
        "RootExports.getPackageConfig",
        &["tag", "pkg", "event?"],
        topics::package_config,
    ),
    method(
        "listPackages",
        "RootExports.listPackages",
        &[
            "tagID?",
            "userID?",
            "pkgID?",
            "prefix?",
            "inherited?",
            "with_dups?",
            "event?",
            "queryOpts?",
            "with_owners?",
            "with_blocked?",
        ],
        topics::list_packages,
    ),
    method(
        "packageListAdd",
        "pkglist_add",
        &["taginfo", "pkginfo", "owner?", "block?", "extra_arches?", "force?", "update?"],
        topics::package_list_add,
    ),
    method(
        "packageListBlock",
        "pkglist_block",
        &["taginfo", "pkginfo", "force?"],
        topics::package_list_block,
    ),
    method("getBuildTarget", "get_build_target", &["info", "event?", "strict?"], topics::target),
    method(
        "getBuildTargets",
        "get_build_targets",
        &["info?", "event?", "buildTagID?", "destTagID?", "queryOpts?"],
        topics::targets,
    ),
    method(
        "getRepo",
        "RootExports.getRepo",
        &["tag", "state?", "event?", "dist?", "min_event?"],
        topics::repo,
    ),
    method(
        "queryHistory",
        "query_history",
        &[
            "tables?",
            "before?",
            "after?",
            "beforeEvent?",
            "afterEvent?",
            "editor?",
            "active?",
            "package?",
            "build?",
            "tag?",
            "user?",
            "queryOpts?",
        ],
        history::query,
    ),
];

const SESSIONS: &[Method] = &[
    method("multiCall", "multiCall", &["calls"], sessions::multi_call),
    method("system.multicall", "multiCall", &["calls"], sessions::multi_call),
    method("login", "login", &["user", "password", "opts?", "renew?", "exclusive?"], sessions::login),
    method(
        "sslLogin",
        "sslLogin",
        &["proxyuser?", "proxyauthtype?", "renew?", "exclusive?"],
        sessions::ssl_login,
    ),
    method("logout", "logout", &["session_id?"], sessions::logout),
    method("subsession", "subsession", &[], sessions::subsession),
    method("exclusiveSession", "exclusiveSession", &["force?"], sessions::exclusive),
    method("sharedSession", "sharedSession", &[], sessions::shared),
    method("getLoggedInUser", "RootExports.getLoggedInUser", &[], sessions::logged_in_user),
    method("getPerms", "RootExports.getPerms", &[], sessions::permissions),
    method("getAllPerms", "RootExports.getAllPerms", &[], sessions::all_permissions),
];

const BUILDS: &[Method] = &[
    method("getBuild", "get_build", &["buildInfo", "strict?"], builds::get),
    method(
        "listBuilds",
        "RootExports.listBuilds",
        &[
            "packageID?",
            "userID?",
            "taskID?",
            "prefix?",
            "state?",
            "volumeID?",
            "source?",
            "createdBefore?",
            "createdAfter?",
            "completeBefore?",
            "completeAfter?",
            "type?",
            "typeInfo?",
            "queryOpts?",
            "pattern?",
            "cgID?",
            "draft?",
        ],
        builds::list,
    ),
    method("promoteBuild", "RootExports.promoteBuild", &["build", "force?"], builds::promote),
    method("cancelBuild", "RootExports.cancelBuild", &["buildID", "strict?"], builds::cancel),
    method(
        "getAverageBuildDuration",
        "RootExports.getAverageBuildDuration",
        &["package", "age?"],
        builds::average_duration,
    ),
    method(
        "listArchives",
        "list_archives",
        &[
            "buildID?",
            "buildrootID?",
            "componentBuildrootID?",
            "hostID?",
            "type?",
            "filename?",
            "size?",
            "checksum?",
            "checksum_type?",
            "typeInfo?",
            "queryOpts?",
            "imageID?",
            "archiveID?",
            "strict?",
        ],
        builds::archives,
    ),
    method("queryRPMSigs", "query_rpm_sigs", &["rpm_id?", "sigkey?", "queryOpts?"], builds::signatures),
    method(
        "listRPMs",
        "list_rpms",
        &[
            "buildID?",
            "buildrootID?",
            "imageID?",
            "componentBuildrootID?",
            "hostID?",
            "arches?",
            "queryOpts?",
            "draft?",
        ],
        builds::rpms,
    ),
];

const TAGS: &[Method] = &[
    method("getTag", "get_tag", &["tagInfo", "strict?", "event?", "blocked?"], tags::get),
    method(
        "listTags",
        "RootExports.listTags",
        &["build?", "package?", "perms?", "queryOpts?", "pattern?"],
        tags::list,
    ),
    method(
        "getFullInheritance",
        "RootExports.getFullInheritance",
        &["tag", "event?", "reverse?"],
        tags::full_inheritance,
    ),
    method(
        "getInheritanceData",
        "RootExports.getInheritanceData",
        &["tag", "event?"],
        tags::inheritance_data,
    ),
    method("getBuildConfig", "RootExports.getBuildConfig", &["tag", "event?"], tags::build_config),
    method(
        "getTagExternalRepos",
        "get_tag_external_repos",
        &["tag_info?", "repo_info?", "event?"],
        tags::external_repos,
    ),
    method("getExternalRepoList", "get_external_repo_list", &["tag_info", "event?"], tags::external_repos),
    method(
        "getTagGroups",
        "RootExports.getTagGroups",
        &["tag", "event?", "inherit?", "incl_pkgs?", "incl_reqs?", "incl_blocked?"],
        tags::groups,
    ),
    method(
        "listTagged",
        "RootExports.listTagged",
        &[
            "tag", "event?", "inherit?", "prefix?", "latest?", "package?", "owner?", "type?", "strict?",
            "extra?", "draft?",
        ],
        tags::tagged,
    ),
    method(
        "getLatestBuilds",
        "RootExports.getLatestBuilds",
        &["tag", "event?", "package?", "type?", "draft?"],
        tags::latest_builds,
    ),
    method("checkTagPackage", "RootExports.checkTagPackage", &["tag", "pkg"], tags::check_package),
    method("tagBuild", "RootExports.tagBuild", &["tag", "build", "force?", "fromtag?"], tags::tag),
    method(
        "tagBuildBypass",
        "RootExports.tagBuildBypass",
        &["tag", "build", "force?", "notify?"],
        tags::tag_bypass,
    ),
    method("untagBuild", "RootExports.untagBuild", &["tag", "build", "strict?", "force?"], tags::untag),
    method(
        "untagBuildBypass",
        "RootExports.untagBuildBypass",
        &["tag", "build", "strict?", "force?", "notify?"],
        tags::untag_bypass,
    ),
    method("massTag", "RootExports.massTag", &["tag", "builds"], tags::mass_tag),
    method("createSideTag", "createSideTag", &["basetag", "debuginfo?", "suffix?"], tags::create_side_tag),
    method("removeSideTag", "removeSideTag", &["sidetag"], tags::remove_side_tag),
    method("listSideTags", "listSideTags", &["basetag?", "user?", "queryOpts?"], tags::list_side_tags),
];

const TASKS: &[Method] = &[
    method("build", "RootExports.build", &["src", "target", "opts?", "priority?", "channel?"], tasks::build),
    method("getTaskInfo", "RootExports.getTaskInfo", &["task_id", "request?", "strict?"], tasks::info),
    method("listTasks", "RootExports.listTasks", &["opts?", "queryOpts?"], tasks::list),
    method("getTaskResult", "RootExports.getTaskResult", &["taskId", "raise_fault?"], tasks::result),
    method("getTaskRequest", "RootExports.getTaskRequest", &["taskId"], tasks::request),
    method(
        "getTaskChildren",
        "RootExports.getTaskChildren",
        &["task_id", "request?", "strict?"],
        tasks::children,
    ),
    method(
        "getTaskDescendents",
        "RootExports.getTaskDescendents",
        &["task_id", "request?"],
        tasks::descendents,
    ),
    method(
        "listBuildroots",
        "RootExports.listBuildroots",
        &[
            "hostID?",
            "tagID?",
            "state?",
            "rpmID?",
            "archiveID?",
            "taskID?",
            "buildrootID?",
            "repoID?",
            "queryOpts?",
        ],
        tasks::buildroots,
    ),
    method("taskFinished", "RootExports.taskFinished", &["taskId"], tasks::finished),
    method("cancelTask", "RootExports.cancelTask", &["task_id", "recurse?"], tasks::cancel),
    method(
        "setTaskPriority",
        "RootExports.setTaskPriority",
        &["task_id", "priority", "recurse?"],
        tasks::set_priority,
    ),
    method("resubmitTask", "RootExports.resubmitTask", &["taskID"], tasks::resubmit),
    method(
        "listTaskOutput",
        "RootExports.listTaskOutput",
        &["taskID", "stat?", "all_volumes?", "strict?"],
        tasks::output,
    ),
];

const HOSTS: &[Method] = &[
    method(
        "listHosts",
        "RootExports.listHosts",
        &["arches?", "channelID?", "ready?", "enabled?", "userID?", "queryOpts?"],
        hosts::list,
    ),
    method("getHost", "get_host", &["hostInfo", "strict?", "event?"], hosts::get),
    method("getChannel", "get_channel", &["channelInfo", "strict?"], hosts::channel),
    method("listChannels", "RootExports.listChannels", &["hostID?", "event?", "enabled?"], hosts::channels),
    method("host.getTasks", "HostExports.getTasks", &[], hosts::tasks),
    method("host.openTask", "HostExports.openTask", &["task_id"], hosts::open_task),
    method("host.closeTask", "HostExports.closeTask", &["task_id", "response"], hosts::close_task),
    method("host.failTask", "HostExports.failTask", &["task_id", "response"], hosts::fail_task),
    method("host.initBuild", "HostExports.initBuild", &["data"], hosts::init_build),
    method("host.failBuild", "HostExports.failBuild", &["task_id", "build_id"], hosts::fail_build),
    method(
        "host.completeBuild",
        "HostExports.completeBuild",
        &["task_id", "build_id", "srpm", "rpms", "brroots?", "logs?"],
        hosts::complete_build,
    ),
    method(
        "host.subtask",
        "HostExports.subtask",
        &["method", "arglist", "parent", "label?", "priority?", "arch?", "channel?"],
        hosts::subtask,
    ),
    method(
        "host.tagBuild",
        "HostExports.tagBuild",
        &["task_id", "tag", "build", "force?", "fromtag?"],
        hosts::tag_build,
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_stands_for_one_method() {
        let mut names: Vec<&str> = [TOPICS, SESSIONS, BUILDS, TAGS, TASKS, HOSTS]
            .into_iter()
            .flatten()
            .map(|method| method.name)
            .collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(find("nosuchmethod").is_err());
    }
}
