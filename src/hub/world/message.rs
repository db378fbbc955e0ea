//! What a hub publishes about what happens, in the shape of a dump of the bus.

use serde_json::{Map, Value as Json, json};

use super::super::moment::Moment;
use super::{BuildState, Repo, Task, TaskState, World};
use crate::koji::xmlrpc::{Answer, Value};

/// What stands before the topics of a hub.
const TOPIC_PREFIX: &str = "org.fedoraproject.prod.";
/// Where people find a hub's pages.
const BASE_URL: &str = "http://koji.example";

/// A message on the bus.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// A UUID (version 4).
    pub id: String,
    /// Without the prefix: `buildsys.tag`.
    pub topic: &'static str,
    /// When it happened; the header says it in whole seconds.
    pub sent_at: Moment,
    body: Json,
    headers: Map<String, Json>,
}

/// What a kind of message has in common.
struct Kind {
    topic: &'static str,
    schema: Option<&'static str>,
    severity: u8,
}

const TAG: Kind = Kind { topic: "buildsys.tag", schema: Some("tag.TagV1"), severity: 10 };
const UNTAG: Kind = Kind { topic: "buildsys.untag", schema: Some("tag.UntagV1"), severity: 10 };
const BUILD: Kind =
    Kind { topic: "buildsys.build.state.change", schema: Some("build.BuildStateChangeV1"), severity: 20 };
const PROMOTION: Kind = Kind { topic: "buildsys.build.promote", schema: None, severity: 20 };
const TASK: Kind =
    Kind { topic: "buildsys.task.state.change", schema: Some("task.TaskStateChangeV1"), severity: 20 };
const REPO_INIT: Kind = Kind { topic: "buildsys.repo.init", schema: Some("repo.InitV1"), severity: 10 };
const REPO_DONE: Kind = Kind { topic: "buildsys.repo.done", schema: Some("repo.DoneV1"), severity: 10 };
const PACKAGE: Kind =
    Kind { topic: "buildsys.package.list.change", schema: Some("package.ListChangeV1"), severity: 10 };

impl Message {
    /// One line of a dump, without its end.
    pub fn line(&self) -> String {
        json!({
            "body": self.body,
            "headers": self.headers,
            "id": self.id,
            "queue": null,
            "topic": format!("{TOPIC_PREFIX}{}", self.topic),
        })
        .to_string()
    }

    /// A member of the body.
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.body.get(name)
    }
}

impl World {
    /// Publishes that a build was tagged although it was not, as a hub does when the call is rolled back.
    pub fn publish_phantom(&mut self, tag: &str, nvr: &str) {
        let owner = self.find_build(&Value::from(nvr)).ok().flatten().map(|build| build.owner);
        self.publish_phantom_by(tag, nvr, owner.unwrap_or(0));
    }

    /// The same, by that user.
    pub(in crate::hub) fn publish_phantom_by(&mut self, tag: &str, nvr: &str, user: i64) {
        let build = self.find_build(&Value::from(nvr)).ok().flatten().map(|build| build.id);
        if let (Some(tag), Some(build)) = (self.tag_named(tag).map(|tag| tag.id), build) {
            self.publish_tag(tag, build, user, true);
        }
    }

    /// Loses the next so many messages, as a hub does that cannot reach its broker.
    pub fn lose_messages(&mut self, count: u64) {
        self.messages_to_lose = self.messages_to_lose.saturating_add(count);
    }

    fn publish(&mut self, kind: &Kind, body: Json, package: Option<&str>, users: &[&str], priority: u8) {
        let id = crate::event::MessageId::Uuid(self.rng.uuid()).to_string();
        if self.messages_to_lose > 0 {
            self.messages_to_lose -= 1;
            return;
        }
        let mut headers = Map::new();
        if let Some(name) = package {
            headers.insert(format!("fedora_messaging_rpm_{name}"), json!(true));
        }
        headers.insert(
            "fedora_messaging_schema".to_owned(),
            json!(kind.schema.map_or("base.message".to_owned(), |s| format!("koji_fedoramessaging.{s}"))),
        );
        if kind.schema.is_some() {
            headers
                .insert("fedora_messaging_schema_package".to_owned(), json!("koji_fedoramessaging_messages"));
        }
        headers.insert("fedora_messaging_severity".to_owned(), json!(kind.severity));
        for user in users.iter().filter(|user| !user.is_empty()) {
            headers.insert(format!("fedora_messaging_user_{user}"), json!(true));
        }
        headers.insert("priority".to_owned(), json!(priority));
        headers.insert("sent-at".to_owned(), json!(Moment::from(self.now.second()).text('T')));
        self.outbox.push(Message { id, topic: kind.topic, sent_at: self.now, body, headers });
    }

    pub(super) fn publish_tag(&mut self, tag: i64, build: i64, user: i64, tagged: bool) {
        let Some(build) = self.builds.get(build) else { return };
        let (tag_name, user) = (self.tag_name(tag).to_owned(), self.user_name(user).to_owned());
        let (owner, package) = (self.user_name(build.owner).to_owned(), build.name.clone());
        let body = json!({
            "base_url": BASE_URL, "build_id": build.id, "instance": "primary", "name": package,
            "owner": owner, "release": build.release, "tag": tag_name, "tag_id": tag, "user": user,
            "version": build.version,
        });
        let kind = if tagged { &TAG } else { &UNTAG };
        self.publish(kind, body, Some(&package), &[&owner, &user], tag_priority(&tag_name));
    }

    pub(super) fn publish_build(&mut self, id: i64, old: Option<BuildState>) {
        let Some(build) = self.builds.get(id) else { return };
        let task = build.task.and_then(|task| self.tasks.get(task));
        let (owner, package) = (self.user_name(build.owner).to_owned(), build.name.clone());
        let body = json!({
            "attribute": "state", "base_url": BASE_URL, "build_id": id,
            "completion_time": build.completed.map(|moment| moment.text('T')),
            "creation_time": build.created.1.text('T'), "epoch": build.epoch,
            "files_base_url": format!("{BASE_URL}/kojifiles/work"), "instance": "primary", "name": package,
            "new": build.state as i64, "old": old.map(|state| state as i64), "owner": owner,
            "release": build.release, "request": task.map(|task| list(&task.request)),
            "task": task.map(|task| self.task_body(task)), "task_id": build.task,
            "url": format!("{BASE_URL}/koji/buildinfo?buildID={id}"), "version": build.version,
        });
        self.publish(&BUILD, body, Some(&package), &[&owner], 0);
    }

    /// The hub publishes of tasks only those of scratch builds, and of these only the one that was asked for.
    pub(super) fn publish_task(&mut self, id: i64, old: Option<TaskState>) {
        let Some(task) = self.tasks.get(id).filter(|task| task.parent.is_none() && task.is_scratch()) else {
            return;
        };
        let owner = self.user_name(task.owner).to_owned();
        let source = task.request.first().and_then(Value::as_str).unwrap_or_default();
        let package = super::farm::package_of(source).to_owned();
        let body = json!({
            "attribute": "state", "base_url": BASE_URL, "files_base_url": format!("{BASE_URL}/kojifiles/work"),
            "id": id, "info": self.task_body(task), "instance": "primary", "method": task.method,
            "new": task.state.name(), "old": old.map(TaskState::name), "owner": owner, "srpm": package,
        });
        self.publish(&TASK, body, Some(&package), &[&owner], 0);
    }

    pub(super) fn publish_repo(&mut self, repo: &Repo, done: bool) {
        let body = json!({
            "base_url": BASE_URL, "instance": "primary", "repo_id": repo.id,
            "tag": self.tag_name(repo.tag), "tag_id": repo.tag,
        });
        self.publish(if done { &REPO_DONE } else { &REPO_INIT }, body, None, &[], 0);
    }

    pub(in crate::hub) fn publish_package(&mut self, tag: i64, package: &str, owner: i64, action: &str) {
        let owner = self.user_name(owner).to_owned();
        let body = json!({
            "action": action, "base_url": BASE_URL, "block": action == "block", "extra_arches": null,
            "force": false, "instance": "primary", "owner": owner, "package": package,
            "tag": self.tag_name(tag), "update": action == "update",
        });
        self.publish(&PACKAGE, body, Some(package), &[&owner], 0);
    }

    pub(super) fn publish_promotion(&mut self) {
        self.publish(&PROMOTION, json!({ "base_url": BASE_URL, "instance": "primary" }), None, &[], 0);
    }

    fn task_body(&self, task: &Task) -> Json {
        let seconds = |moment: Option<Moment>| moment.map(|moment| Moment::from(moment.second()).timestamp());
        let children = self.children.get(&task.id).into_iter().flatten();
        let children: Vec<Json> =
            children.filter_map(|id| self.tasks.get(*id)).map(|child| self.task_body(child)).collect();
        json!({
            "arch": task.arch, "awaited": null, "channel_id": task.channel, "children": children,
            "completion_time": seconds(task.completed), "create_time": seconds(Some(task.created)),
            "host_id": task.host,
            "host_name": task.host.and_then(|id| self.hosts.get(id)).map(|host| host.name.as_str()),
            "id": task.id, "label": task.label, "method": task.method, "owner": self.user_name(task.owner),
            "parent": task.parent, "priority": task.priority, "request": list(&task.request),
            "result": task.result.as_ref().map(result), "start_time": seconds(task.started),
            "state": task.state as i64, "url": format!("{BASE_URL}/koji/taskinfo?taskID={}", task.id),
            "waiting": task.waiting.then_some(true),
        })
    }
}

/// The priority that the bus plugin gives to a message about a tag.
fn tag_priority(tag: &str) -> u8 {
    let rebuild = tag.strip_prefix('f').and_then(|rest| rest.strip_suffix("-rebuild"));
    if rebuild.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())) {
        0
    } else if tag == "eln" || tag.starts_with("eln-") {
        1
    } else {
        2
    }
}

fn list(values: &[Value]) -> Json {
    Json::Array(values.iter().map(plain).collect())
}

fn result(answer: &Answer) -> Json {
    match answer {
        Answer::Value(value) => plain(value),
        Answer::Fault(fault) => json!(fault.text),
    }
}

/// A value as JSON; bytes have no place in what a hub publishes.
fn plain(value: &Value) -> Json {
    match value {
        Value::Nil | Value::Bytes(_) => Json::Null,
        Value::Bool(truth) => json!(truth),
        Value::Int(number) => json!(number),
        Value::Double(number) => json!(number),
        Value::String(text) | Value::DateTime(text) => json!(text),
        Value::Array(items) => list(items),
        Value::Struct(members) => {
            Json::Object(members.iter().map(|(name, value)| (name.to_owned(), plain(value))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_about_a_tag_has_the_priority_of_the_plugin() {
        for (tag, priority) in
            [("f42-rebuild", 0), ("f-rebuild", 2), ("eln", 1), ("eln-build", 1), ("elna", 2), ("f42", 2)]
        {
            assert_eq!(tag_priority(tag), priority, "{tag}");
        }
    }
}
