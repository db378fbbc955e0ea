//! Messages as a hub publishes them, written as lines of a dump.

use std::fmt::{self, Write as _};

use super::cast::{Build, Packages, Tag, User, shown};
use crate::event::MessageId;
use crate::time::Second;

/// Room for the longest line.
const LINE_BYTES: usize = 2_048;

/// Which Koji speaks, and on which topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Fedora,
    /// Another distribution on the same bus.
    CentOs,
    /// A secondary hub: its numbers mean other builds.
    Secondary,
}

/// What a message tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    Tag {
        build: Build,
        tag: Tag,
        user: User,
    },
    Untag {
        build: Build,
        tag: Tag,
        user: User,
    },
    /// Building began (0) or is complete (1).
    State {
        build: Build,
        new: u8,
    },
    Image {
        number: u32,
    },
    PackageAdded {
        package: u32,
        tag: Tag,
    },
    Signed {
        build: Build,
    },
    RepoDone {
        tag: Tag,
        number: u32,
    },
    Scratch {
        package: u32,
        number: u32,
    },
}

/// One message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message {
    pub(super) event: Event,
    pub(super) origin: Origin,
    pub(super) id: u128,
    /// What its header says, seconds since 1970.
    pub(super) sent_at: i64,
}

/// What the envelope of a message needs beside its body.
struct Envelope<'a> {
    topic: &'static str,
    schema: &'static str,
    severity: u8,
    priority: u8,
    package: Option<&'a str>,
    user: Option<User>,
}

/// `message` as one line.
pub(super) fn text(packages: &Packages, message: &Message) -> Result<String, fmt::Error> {
    let mut text = String::with_capacity(LINE_BYTES);
    write(&mut text, packages, message)?;
    Ok(text)
}

/// Writes `message` as one line, without its newline. Keys are sorted, as the command-line tool of the bus writes them.
fn write(out: &mut String, packages: &Packages, message: &Message) -> fmt::Result {
    out.push_str(r#"{"body": "#);
    let envelope = body(out, packages, message)?;
    out.push_str(r#", "headers": {"#);
    if let Some(package) = envelope.package {
        write!(out, r#""fedora_messaging_rpm_{package}": true, "#)?;
    }
    out.push_str(r#""fedora_messaging_schema": "koji_fedoramessaging."#);
    out.push_str(envelope.schema);
    out.push_str(r#"", "fedora_messaging_schema_package": "koji_fedoramessaging_messages", "#);
    write!(out, r#""fedora_messaging_severity": {}, "#, envelope.severity)?;
    if let Some(user) = envelope.user {
        write!(out, r#""fedora_messaging_user_{user}": true, "#)?;
    }
    write!(out, r#""priority": {}, "sent-at": ""#, envelope.priority)?;
    iso(out, message.sent_at)?;
    let id = MessageId::Uuid(message.id);
    let prefix = if message.origin == Origin::CentOs { "org.centos.prod" } else { "org.fedoraproject.prod" };
    write!(
        out,
        r#""}}, "id": "{id}", "priority": {}, "queue": null, "topic": "{prefix}.buildsys.{}"}}"#,
        envelope.priority, envelope.topic
    )
}

fn body<'a>(out: &mut String, packages: &'a Packages, message: &Message) -> Result<Envelope<'a>, fmt::Error> {
    let instance = if message.origin == Origin::Secondary { "s390" } else { "primary" };
    match message.event {
        Event::Tag { build, tag, user } => {
            let name = packages.name(build.package);
            tag_body(out, name, (build, tag, user), instance)?;
            Ok(Envelope { topic: "tag", schema: "tag.TagV1", ..Envelope::of_tag(tag, name, user) })
        }
        Event::Untag { build, tag, user } => {
            let name = packages.name(build.package);
            tag_body(out, name, (build, tag, user), instance)?;
            Ok(Envelope { topic: "untag", schema: "tag.UntagV1", ..Envelope::of_tag(tag, name, user) })
        }
        Event::State { build, new } => {
            let name = packages.name(build.package);
            state_body(out, name, build, new, (instance, message.sent_at))?;
            Ok(Envelope::info(
                "build.state.change",
                "build.BuildStateChangeV1",
                Some(name),
                Some(build.owner()),
            ))
        }
        Event::Image { number } => {
            image_body(out, number, message.sent_at)?;
            Ok(Envelope::info("build.state.change", "build.BuildStateChangeV1", None, Some(User::Releng)))
        }
        Event::PackageAdded { package, tag } => {
            let (name, owner) = (packages.name(package), User::Person(package));
            out.push_str(
                r#"{"action": "add", "base_url": "https://koji.fedoraproject.org", "block": false, "#,
            );
            write!(
                out,
                r#""extra_arches": null, "force": true, "instance": "{instance}", "owner": "{owner}", "#
            )?;
            write!(out, r#""package": "{name}", "tag": "{tag}", "update": null}}"#)?;
            Ok(Envelope::debug("package.list.change", "package.ListChangeV1", Some(name), Some(owner)))
        }
        Event::Signed { build } => {
            let name = packages.name(build.package);
            signed_body(out, name, build, instance)?;
            Ok(Envelope::info("rpm.sign", "rpm.SignV1", Some(name), None))
        }
        Event::RepoDone { tag, number } => {
            out.push_str(r#"{"base_url": "https://koji.fedoraproject.org", "#);
            write!(out, r#""instance": "{instance}", "repo_id": {number}, "tag": "{tag}", "#)?;
            write!(out, r#""tag_id": {}}}"#, tag.number())?;
            Ok(Envelope::debug("repo.done", "repo.DoneV1", None, Some(User::Kojira)))
        }
        Event::Scratch { package, number } => {
            let (name, owner, id) = (packages.name(package), User::Person(package), 140_000_000 + number);
            out.push_str(r#"{"attribute": "state", "base_url": "https://koji.fedoraproject.org", "#);
            write!(
                out,
                r#""id": {id}, "info": {{"id": {id}, "label": null, "method": "build", "parent": null, "#
            )?;
            write!(
                out,
                r#""request": ["cli-build/{name}-1.0-1.src.rpm", "rawhide", {{"scratch": true}}]}}, "#
            )?;
            write!(out, r#""instance": "{instance}", "method": "build", "new": "CLOSED", "old": "OPEN", "#)?;
            write!(out, r#""owner": "{owner}", "srpm": "{name}-1.0-1.src.rpm"}}"#)?;
            Ok(Envelope::info("task.state.change", "task.TaskStateChangeV1", Some(name), Some(owner)))
        }
    }
}

impl<'a> Envelope<'a> {
    fn of_tag(tag: Tag, name: &'a str, user: User) -> Self {
        let priority = if matches!(tag, Tag::Rebuild(_)) { 0 } else { 2 - u8::from(tag == Tag::Eln) };
        Self { priority, ..Self::debug("", "", Some(name), Some(user)) }
    }

    fn info(topic: &'static str, schema: &'static str, package: Option<&'a str>, user: Option<User>) -> Self {
        Self { topic, schema, severity: 20, priority: 0, package, user }
    }

    fn debug(
        topic: &'static str,
        schema: &'static str,
        package: Option<&'a str>,
        user: Option<User>,
    ) -> Self {
        Self { severity: 10, ..Self::info(topic, schema, package, user) }
    }
}

fn tag_body(out: &mut String, name: &str, what: (Build, Tag, User), instance: &str) -> fmt::Result {
    let (build, tag, user) = what;
    out.push_str(r#"{"base_url": "https://koji.fedoraproject.org", "#);
    write!(out, r#""build_id": {}, "instance": "{instance}", "name": "{name}", "#, build.id)?;
    write!(out, r#""owner": "{}", "release": "{}", "tag": "{tag}", "#, build.owner(), build.release())?;
    write!(out, r#""tag_id": {}, "user": "{user}", "version": "{}"}}"#, tag.number(), build.version())
}

fn state_body(out: &mut String, name: &str, build: Build, new: u8, at: (&str, i64)) -> fmt::Result {
    let (instance, now) = at;
    let (old, complete) = if new == 0 { ("null", false) } else { ("0", true) };
    let started = now - if complete { 300 + i64::from(build.serial % 3_000) } else { 2 };
    let (owner, task, host) = (build.owner(), build.task_id(), build.serial % 60);
    let request = shown(|f| {
        let commit = u128::from(build.id) * 0x9e37_79b9_7f4a_7c15_f39c;
        write!(f, r#"["git+https://src.fedoraproject.org/rpms/{name}.git#{commit:040x}", "rawhide", {{}}]"#)
    });
    out.push_str(r#"{"attribute": "state", "base_url": "https://koji.fedoraproject.org", "#);
    write!(out, r#""build_id": {}, "completion_time": "#, build.id)?;
    if complete {
        out.push('"');
        iso(out, now)?;
        out.push('"');
    } else {
        out.push_str("null");
    }
    out.push_str(r#", "creation_time": ""#);
    iso(out, started)?;
    out.push_str(r#"", "epoch": null, "files_base_url": "https://kojipkgs.fedoraproject.org/work", "#);
    write!(
        out,
        r#""instance": "{instance}", "name": "{name}", "new": {new}, "old": {old}, "owner": "{owner}", "#
    )?;
    write!(out, r#""release": "{}", "request": {request}, "task": {{"arch": "noarch", "#, build.release())?;
    out.push_str(r#""awaited": null, "channel_id": 1, "children": [], "completion_time": null, "#);
    write!(out, r#""create_time": {started}.0, "host_id": {}, "#, 400 + host)?;
    write!(out, r#""host_name": "buildvm-x86-{host:02}.example.org", "id": {task}, "label": null, "#)?;
    write!(out, r#""method": "build", "owner": "{owner}", "parent": null, "priority": 20, "#)?;
    write!(out, r#""request": {request}, "result": null, "start_time": {started}.5, "state": 1, "#)?;
    write!(
        out,
        r#""url": "https://koji.fedoraproject.org/koji/taskinfo?taskID={task}", "waiting": null}}, "#
    )?;
    write!(
        out,
        r#""task_id": {task}, "url": "https://koji.fedoraproject.org/koji/buildinfo?buildID={}", "#,
        build.id
    )?;
    write!(out, r#""version": "{}"}}"#, build.version())
}

fn image_body(out: &mut String, number: u32, now: i64) -> fmt::Result {
    out.push_str(r#"{"attribute": "state", "base_url": "https://koji.fedoraproject.org", "#);
    write!(out, r#""build_id": {}, "completion_time": ""#, 9_000_000 + number)?;
    iso(out, now)?;
    out.push_str(r#"", "creation_time": ""#);
    iso(out, now - 1_800)?;
    out.push_str(
        r#"", "epoch": 0, "instance": "primary", "name": "Fedora-ELN-Cloud-Base", "new": 1, "old": 0, "#,
    );
    write!(out, r#""owner": "releng", "release": "20250204.n.{}", "#, number % 9)?;
    out.push_str(
        r#""request": ["Fedora-ELN-Cloud-Base", "42", ["x86_64", "aarch64"], {"repos": [["base", 1]]}], "#,
    );
    out.push_str(r#""task": null, "task_id": null, "version": "11"}"#);
    Ok(())
}

fn signed_body(out: &mut String, name: &str, build: Build, instance: &str) -> fmt::Result {
    let nvr = shown(|f| write!(f, "{name}-{}-{}", build.version(), build.release()));
    out.push_str(r#"{"base_url": "https://koji.fedoraproject.org", "build": {"build_id": "#);
    write!(out, r#"{}, "draft": false, "epoch": null, "name": "{name}", "nvr": "{nvr}", "#, build.id)?;
    write!(out, r#""owner_name": "{}", "release": "{}", "#, build.owner(), build.release())?;
    write!(out, r#""state": 1, "task_id": {}, "version": "{}"}}, "#, build.task_id(), build.version())?;
    write!(
        out,
        r#""instance": "{instance}", "rpm": {{"arch": "x86_64", "build_id": {}, "epoch": null, "#,
        build.id
    )?;
    write!(out, r#""id": {}, "name": "{name}", "release": "{}", "#, build.id * 11, build.release())?;
    write!(out, r#""size": {}, "version": "{}"}}, "#, 20_000 + build.serial, build.version())?;
    write!(out, r#""sighash": "{:032x}", "sigkey": "105ef944"}}"#, u128::from(build.id) << 40)
}

fn iso(out: &mut String, at: i64) -> fmt::Result {
    write!(out, "{}", Second(at))?;
    // The bus writes the zone as an offset.
    out.truncate(out.len().saturating_sub(1));
    out.push_str("+00:00");
    Ok(())
}
