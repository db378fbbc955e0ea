//! The world of the captured hub, and what happened in it between the captures.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use tidegate::hub::{
    Availability, BuildFile, FakeHub, FarmFile, HostFile, Kept, PackageFile, Point, Rule, Script, TagFile,
    TargetFile, Trouble, UserFile, WorldFile,
};
use tidegate::koji::xmlrpc::{Answer, Call, Fault, Value};
use tokio::task::JoinHandle;

use super::builder::{Builder, build};
use super::hub_wire::{self, Reply, Session, login};

/// The users of the captured hub in the order of their numbers.
pub(crate) const USERS: [&str; 8] =
    ["kojiadmin", "releng", "tagger", "plain", "blocked", "exclusive", "buildvm-01", "buildvm-02"];

/// The certificate that the client of a capture showed.
pub(crate) fn subject(capture: &str) -> Option<&'static str> {
    match capture {
        "17-sslLogin-new-user" => Some("CN=newbie,O=Test hub"),
        "17-sslLogin-ok" | "17-sslLogin-proxyuser" => Some("CN=releng,O=Test hub"),
        _ if capture.starts_with("17-sslLogin-upstream-layout") => Some("CN=releng,O=Test hub"),
        _ => None,
    }
}

pub(crate) fn password(user: &str) -> String {
    format!("{}pw", user.trim_start_matches("koji"))
}

pub(crate) fn world() -> WorldFile {
    let user = |(number, name): (usize, &&str)| UserFile {
        name: (*name).to_owned(),
        password: Some(password(name)),
        permissions: match number {
            0 => vec!["admin".to_owned()],
            2 => vec!["tag".to_owned()],
            _ => Vec::new(),
        },
        blocked: *name == "blocked",
    };
    let packages: Vec<String> = (0..500)
        .map(|number| format!("pkg{number:03}"))
        .chain(["foo".to_owned(), "bar".to_owned()])
        .collect();
    let package = |name: &String| PackageFile {
        name: name.clone(),
        rpm_bytes: (name == "bar").then_some(5_000_000_000),
        ..PackageFile::default()
    };
    let tag =
        |name: &str| TagFile { name: name.to_owned(), packages: packages.clone(), ..TagFile::default() };
    let child = |name: &str, parent: &str| TagFile {
        name: name.to_owned(),
        parents: vec![parent.to_owned()],
        ..TagFile::default()
    };
    let target = |name: &str, build_tag: &str, dest_tag: &str| TargetFile {
        name: name.to_owned(),
        build_tag: build_tag.to_owned(),
        dest_tag: dest_tag.to_owned(),
    };
    let host = |name: &str| HostFile {
        name: name.to_owned(),
        arches: "x86_64 aarch64 noarch".to_owned(),
        ready: false,
        ..HostFile::default()
    };
    WorldFile {
        farm: FarmFile { enabled: false, ..FarmFile::default() },
        user: USERS.iter().enumerate().map(user).collect(),
        package: packages.iter().map(package).collect(),
        tag: vec![
            tag("f41"),
            tag("f42"),
            tag("eln"),
            TagFile { locked: true, ..tag("f41-locked") },
            TagFile { permission: Some("admin".to_owned()), ..tag("f42-permed") },
            TagFile { denied: true, ..tag("f42-deny") },
            TagFile { packages: Vec::new(), ..tag("f42-nolist") },
            tag("f42-candidate"),
            child("f42-build", "f42"),
            child("eln-build", "eln"),
        ],
        target: vec![
            target("rawhide", "f42-build", "f42"),
            target("f42", "f42-build", "f42"),
            target("eln", "eln-build", "eln"),
        ],
        host: vec![host("buildvm-01"), host("buildvm-02")],
        build: builds(),
        ..WorldFile::default()
    }
}

fn builds() -> Vec<BuildFile> {
    let build = |nvr: &str| BuildFile {
        nvr: nvr.to_owned(),
        owner: Some("releng".to_owned()),
        ..BuildFile::default()
    };
    let pkg = |number| BuildFile {
        source: Some(format!("git+https://src.fedoraproject.org/rpms/pkg{number:03}#{number:032x}")),
        tags: vec!["f41".to_owned()],
        ..build(&format!("pkg{number:03}-1.0-1.fc42"))
    };
    let mut builds: Vec<BuildFile> = (0..500).map(pkg).collect();
    builds.extend([
        build("foo-1.0-1.fc42"),
        BuildFile { failed: true, ..build("foo-1.1-1.fc42") },
        BuildFile { epoch: Some(1), ..build("foo-2.0-1.fc42") },
        BuildFile { draft: true, ..build("foo-3.0-1.fc42") },
    ]);
    builds
}

/// A hub on which a run of captures is played.
pub(crate) struct Stage {
    hub: FakeHub,
    messages: Kept,
    builder: Option<Builder>,
    /// A call that waits until its rival has been answered.
    waiting: Option<JoinHandle<Option<Reply>>>,
    /// Four copies of one call that were sent at once.
    copies: Vec<Reply>,
}

impl Stage {
    pub(crate) fn new(hub: FakeHub, messages: Kept) -> Self {
        Self { hub, messages, builder: None, waiting: None, copies: Vec::new() }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.hub.address()
    }

    pub(crate) async fn end(self) {
        self.hub.stop().await;
    }

    /// Sends a request as it was sent then: alone, or together with others.
    pub(crate) async fn send(
        &mut self,
        capture: &str,
        line: &str,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Reply {
        let address = self.address();
        if capture == "11-callnum-13-parallel.1" {
            self.copies = self.four_at_once(line, headers, body).await;
        }
        if capture.starts_with("11-callnum-13-parallel.") {
            return self.copies.remove(0);
        }
        let reply = match capture {
            // The second of two transactions had begun before the first was committed.
            "24-tag-race-multicall.2" | "24-tag-race-single.2" => {
                let waiting = self.waiting.take().expect("it was sent before its rival");
                self.hub.release();
                waiting.await.expect("it has not panicked")
            }
            _ => hub_wire::send(address, line, headers, body).await,
        };
        reply.expect("an answer")
    }

    async fn four_at_once(&self, line: &str, headers: &[(String, String)], body: &[u8]) -> Vec<Reply> {
        self.hub.set_script(stall("build", Point::Between));
        let one = || {
            let (address, line, headers, body) =
                (self.address(), line.to_owned(), headers.to_vec(), body.to_vec());
            tokio::spawn(async move { hub_wire::send(address, &line, &headers, &body).await })
        };
        let copies: Vec<_> = (0..4).map(|_| one()).collect();
        self.hub.wait_stalled(4).await;
        self.hub.release();
        self.hub.set_script(Script::default());
        let mut replies = Vec::new();
        for copy in copies {
            replies.push(copy.await.expect("it has not panicked").expect("an answer"));
        }
        // The captures stand in the order of their answers, whose task ids rise.
        replies.sort_by_key(|reply| match reply.answer() {
            Answer::Value(value) => value.as_int(),
            Answer::Fault(_) => None,
        });
        replies
    }

    /// What happened before a capture.
    pub(crate) async fn before(&mut self, capture: &str, sessions: &BTreeMap<String, Session>) {
        match capture {
            "08-host.openTask-2" => {
                let session = (&sessions["6"], 1);
                let answer =
                    hub_wire::call(self.address(), &Call::new("exclusiveSession"), Some(session)).await;
                assert_eq!(answer, Some(Answer::Value(Value::Nil)));
            }
            "12-response-lost.1" => self.three_hundred_builds().await,
            "13-session-expired" => self.hub.world(|world| world.expire_session(sessions["8"].id)),
            "14-offline" => self.be(Availability::Offline("Koji is down for maintenance (test)".to_owned())),
            "14-lockout-anon" => self.be(Availability::LockedOut),
            "14-database-down" => self.be(Availability::DatabaseDown),
            "26-bad-plugin" => self.be(Availability::Misconfigured),
            "23-listHosts-ready" => self.hub.world(|world| world.set_host_ready("buildvm-01", true)),
            "20-getTaskInfo-open" => self.builder().await.begin_six_builds().await,
            "21-getTaskInfo-closed" => self.builder().await.end_six_builds().await,
            "22-getTaskResult-same-source-again" => self.builder().await.build_again().await,
            "24-tag-race-multicall.1" => self.rival(Call::multi((0..5).map(tag_into_eln))).await,
            "24-tag-race-single.1" => self.rival(tag_into_eln(101)).await,
            "26-cancelTask-closed" => self.builder().await.twelve_tasks().await,
            _ => {}
        }
    }

    async fn builder(&mut self) -> &mut Builder {
        if self.builder.is_none() {
            self.builder = Some(Builder::new(self.address()).await);
        }
        self.builder.as_mut().expect("it was just made")
    }

    /// Sends a call whose transaction has begun and not ended when this returns.
    async fn rival(&mut self, call: Call) {
        self.hub.set_script(stall(&call.method, Point::Running));
        let address = self.address();
        let session = login(address, "kojiadmin", "adminpw").await;
        let mut headers = session.headers().to_vec();
        headers.push(("Koji-Session-Callnum".to_owned(), "0".to_owned()));
        let body = call.encode().expect("a call that can be written");
        self.waiting = Some(tokio::spawn(async move {
            hub_wire::send(address, "POST /kojihub HTTP/1.1", &headers, body.as_bytes()).await
        }));
        self.hub.wait_stalled(1).await;
        self.hub.set_script(Script::default());
    }

    /// One multiCall of 300 builds, and a copy of it while it runs: task 30 to task 329.
    async fn three_hundred_builds(&mut self) {
        let address = self.address();
        let session = login(address, "plain", "plainpw").await;
        let builds = Call::multi((0..300).map(|_| build("foo#abc", "eln")));
        self.hub.set_script(stall("multiCall", Point::Running));
        let send = || {
            let (session, builds) = (session.clone(), builds.clone());
            tokio::spawn(async move { hub_wire::call(address, &builds, Some((&session, 0))).await })
        };
        let first = send();
        self.hub.wait_stalled(1).await;
        self.hub.set_script(Script::default());
        let copy = send();
        self.hub.release();
        let made = first.await.expect("it has not panicked").expect("an answer").into_result();
        assert_eq!(made.expect("builds").as_array().map(<[Value]>::len), Some(300));
        let refused = copy.await.expect("it has not panicked").expect("an answer").into_result();
        let text = format!("unable to retry call 0 (method multiCall) for session {}", session.id);
        assert_eq!(refused, Err(Fault::new(1009, text)));
    }

    /// What happened after a capture.
    pub(crate) fn after(&mut self, capture: &str) {
        match capture {
            "14-offline" | "14-lockout-admin" | "14-database-down" | "26-bad-plugin" => {
                self.be(Availability::Open);
            }
            "25-massTag-one-missing" => drop(self.messages.take()),
            "25-massTag-in-multicall-rolled-back" => {
                let told: Vec<String> = self
                    .messages
                    .take()
                    .iter()
                    .map(|message| message.get("name").expect("a tag").to_string())
                    .collect();
                assert_eq!(told, ["\"pkg005\"", "\"pkg006\"", "\"pkg009\""], "two of them phantoms");
            }
            _ => {}
        }
    }

    fn be(&self, availability: Availability) {
        self.hub.world(|world| world.set_availability(availability));
    }
}

/// Each call of a method waits there until it is released.
fn stall(method: &str, at: Point) -> Script {
    let rule = Rule {
        method: method.to_owned(),
        nth: Vec::new(),
        share: None,
        trouble: Trouble::Stall { at, millis: None },
    };
    Script { seed: 0, fault: vec![rule] }
}

fn tag_into_eln(number: u32) -> Call {
    Call::new("tagBuildBypass").arg("eln").arg(format!("pkg{number:03}-1.0-1.fc42"))
}
