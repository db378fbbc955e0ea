//! A builder that compiles nothing, on the calls that a hub has for hosts.

use std::net::SocketAddr;

use tidegate::koji::xmlrpc::{Answer, Call, Fault, Struct, Value};

use super::hub_wire::{self, Session, login};

const FAILED: &str = "error building package (arch noarch), mock exited with status 1; see build.log or root.log for more information";

/// A host and a user who has things built.
pub(crate) struct Builder {
    address: SocketAddr,
    host: Session,
    user: Session,
    callnum: i64,
}

fn source(fragment: &str) -> String {
    format!("git+https://src.fedoraproject.org/rpms/{fragment}")
}

pub(crate) fn build(fragment: &str, target: &str) -> Call {
    Call::new("build").arg(source(fragment)).arg(target)
}

impl Builder {
    pub(crate) async fn new(address: SocketAddr) -> Self {
        let (host, user) =
            (login(address, "buildvm-01", "buildvm-01pw").await, login(address, "releng", "relengpw").await);
        let mut builder = Self { address, host, user, callnum: 0 };
        builder.host(Call::new("exclusiveSession")).await;
        builder
    }

    async fn call(&mut self, call: &Call, as_host: bool) -> Result<Value, Fault> {
        self.callnum += 1;
        let session = if as_host { &self.host } else { &self.user };
        let answer = hub_wire::call(self.address, call, Some((session, self.callnum))).await;
        answer.expect("an answer").into_result()
    }

    async fn host(&mut self, call: Call) -> Value {
        let result = self.call(&call, true).await;
        result.unwrap_or_else(|fault| panic!("{}: {fault}", call.method))
    }

    async fn submit(&mut self, call: Call) {
        self.call(&call, false).await.unwrap_or_else(|fault| panic!("{}: {fault}", call.method));
    }

    async fn open(&mut self, task: i64) {
        self.host(Call::new("host.openTask").arg(task)).await;
    }

    async fn close(&mut self, task: i64) {
        let nothing = Answer::Value(Value::Nil).encode().expect("it can be written");
        self.host(Call::new("host.closeTask").arg(task).arg(nothing)).await;
    }

    async fn fail(&mut self, task: i64, fault: Fault) {
        let fault = Answer::Fault(fault).encode().expect("it can be written");
        self.host(Call::new("host.failTask").arg(task).arg(fault)).await;
    }

    /// Registers a build of package, version and release.
    async fn init(&mut self, task: i64, nvr: [&str; 3], draft: bool) -> Result<i64, Fault> {
        let [name, version, release] = nvr;
        let source = source(&format!("{name}#{version}-1"));
        let origin = Struct::new().with("original_url", source.as_str());
        let data = Struct::new()
            .with("name", name)
            .with("version", version)
            .with("release", release)
            .with("epoch", Value::Nil)
            .with("task_id", task)
            .with("source", source)
            .with("extra", Struct::new().with("source", origin))
            .with_some("draft", draft.then_some(true));
        let build = self.call(&Call::new("host.initBuild").arg(data), true).await?;
        Ok(build.as_int().expect("a number"))
    }

    async fn complete(&mut self, task: i64, build: i64, tag: i64) {
        let files = || Value::Array(Vec::new());
        let complete = Call::new("host.completeBuild").arg(task).arg(build);
        self.host(complete.arg("x.src.rpm").arg(files())).await;
        let request = vec![tag.into(), build.into(), false.into(), Value::Nil, true.into()];
        let subtask = Call::new("host.subtask").arg("tagBuild").arg(request).arg(task).named("label", "tag");
        let child = self.host(subtask).await.as_int().expect("a number");
        self.open(child).await;
        self.host(Call::new("host.tagBuild").arg(child).arg(tag).arg(build)).await;
        self.close(child).await;
        self.close(task).await;
    }

    /// Tasks 1 to 6; the builds 505 and 506 are under way.
    pub(crate) async fn begin_six_builds(&mut self) {
        let option = |name: &str| Value::from(Struct::new().with(name, true));
        for call in [
            build("bar#1.5-1", "rawhide"),
            build("foo#2.5-1", "eln").arg(option("draft")),
            build("bar#1.7-1", "rawhide"),
            build("bar#failing", "rawhide"),
            build("bar#1.6-1", "rawhide").arg(option("scratch")),
            build("unlisted#1", "rawhide"),
        ] {
            self.submit(call).await;
        }
        for (task, version) in [(1, "1.5"), (3, "1.7")] {
            self.open(task).await;
            self.init(task, ["bar", version, "1.fc42"], false).await.expect("a build");
        }
    }

    /// What becomes of them.
    pub(crate) async fn end_six_builds(&mut self) {
        self.complete(1, 505, 2).await;
        self.open(4).await;
        let failing = self.init(4, ["bar", "1.0.1", "1.fc42"], false).await.expect("a build");
        self.host(Call::new("host.failBuild").arg(4).arg(failing)).await;
        self.fail(4, Fault::new(1005, FAILED)).await;
        self.open(2).await;
        let draft = self.init(2, ["foo", "2.5", "1.eln"], true).await.expect("a build");
        self.complete(2, draft, 3).await;
        self.open(5).await;
        self.close(5).await;
        self.open(6).await;
        self.fail(6, Fault::new(1005, "package unlisted not in list for tag f42")).await;
    }

    /// Task 9 builds what task 1 has built.
    pub(crate) async fn build_again(&mut self) {
        self.submit(build("bar#1.5-1", "rawhide")).await;
        self.open(9).await;
        let refusal = self.init(9, ["bar", "1.5", "1.fc42"], false).await.expect_err("it is there");
        self.fail(9, refusal).await;
    }

    /// Task 1 is closed; 3 has failed, and so has 7, which built the same; 12 tagged what was tagged.
    pub(crate) async fn twelve_tasks(&mut self) {
        for _ in 1..=11 {
            self.submit(build("bar#1.0-1", "rawhide")).await;
        }
        self.open(1).await;
        self.close(1).await;
        for task in [3, 7] {
            self.open(task).await;
            let build = self.init(task, ["bar", "1.0", "1.fc42"], false).await.expect("a build");
            self.host(Call::new("host.failBuild").arg(task).arg(build)).await;
            self.fail(task, Fault::new(1005, FAILED)).await;
        }
        self.submit(Call::new("tagBuild").arg("f41").arg("pkg002-1.0-1.fc42")).await;
        self.open(12).await;
        let tag = Call::new("host.tagBuild").arg(12).arg(1).arg(3);
        let refusal = self.call(&tag, true).await.expect_err("it is tagged");
        self.fail(12, refusal).await;
    }
}
