//! The calls that change something on the hub. Only a [`Session`](super::session::Session) makes them.

use super::answers::{self, LoggedIn};
use super::fields::{Read, Unexpected, id, nothing};
use super::query::whole;
use super::secret::Secret;
use super::xmlrpc::{Call, Struct, Value};

/// A call that changes something, and how its answer is read.
pub struct Command<T> {
    call: Call,
    read: Read<T>,
}

/// A request for a build. The hub checks neither the target nor the package nor whether the commit was built before.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BuildRequest<'a> {
    /// The commit, as a URL with a fragment.
    pub source: &'a str,
    /// The build target.
    pub target: &'a str,
    /// The task's place in the queue relative to 20; greater is later. Below 0 only administrators may.
    pub priority: Option<i32>,
    /// The channel of builders; `None`: the hub's choice.
    pub channel: Option<&'a str>,
    /// How it is built.
    pub options: BuildOptions<'a>,
}

/// How a build is made.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BuildOptions<'a> {
    /// What becomes of it.
    pub kind: BuildKind,
    /// Ends all arches once one has failed.
    pub fail_fast: bool,
    /// Waits for a new repository of the buildroot first.
    pub wait_repo: bool,
    /// Waits until these builds (NVRs) are in the buildroot.
    pub wait_builds: &'a [&'a str],
    /// Tags nothing.
    pub skip_tag: bool,
    /// These arches instead of the tag's; scratch builds only.
    pub arch_override: Option<&'a str>,
    /// Kept with the build as `custom_user_metadata`, and seen in the task's arguments: the place for a marker.
    pub metadata: Option<Struct>,
}

/// What becomes of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BuildKind {
    /// It is registered under its NVR, and tagged.
    #[default]
    Official,
    /// It is a draft, of which there may be several with one NVR.
    Draft,
    /// It is tried out only: nothing is registered or tagged.
    Scratch,
}

impl<T> Command<T> {
    fn new(call: Call, read: Read<T>) -> Self {
        Self { call, read }
    }

    /// What is sent.
    pub fn call(&self) -> &Call {
        &self.call
    }

    /// Reads the answer.
    pub fn read(&self, answer: &Value) -> Result<T, Unexpected> {
        (self.read)(answer)
    }
}

impl<T> std::fmt::Debug for Command<T> {
    /// Without arguments: a password may be among them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Command").field(&self.call.method).finish()
    }
}

/// Makes a build task, and answers with its number (`build`).
pub fn build(request: &BuildRequest<'_>) -> Command<u64> {
    let options = request.options.members();
    let mut call = Call::new("build").arg(request.source).arg(request.target);
    // Named arguments stand last, and the hub's client always writes the options before them.
    if !options.is_empty() || request.priority.is_some() || request.channel.is_some() {
        call = call.arg(options);
    }
    let call =
        call.named_some("priority", request.priority.map(i64::from)).named_some("channel", request.channel);
    Command::new(call, id)
}

/// Cancels a task with its parts (`cancelTask`); of one that has ended nothing changes, and that is no fault.
pub fn cancel_task(id: u64) -> Command<()> {
    Command::new(Call::new("cancelTask").arg(whole(id)), nothing)
}

/// Ends a session of the same user (`logout`): waits for a call that it runs, and refuses its later ones. `None`: the
/// session that asks.
pub fn logout(session_id: Option<u64>) -> Command<()> {
    let mut call = Call::new("logout");
    if let Some(id) = session_id {
        call = call.arg(whole(id));
    }
    Command::new(call, nothing)
}

/// Opens a session with a password (`login`); for hubs of tests.
pub fn login(user: &str, password: &Secret) -> Command<LoggedIn> {
    Command::new(Call::new("login").arg(user).arg(password.reveal()), answers::logged_in)
}

/// Opens a session for whom the connection or its head proves us to be (`sslLogin`); `proxy_user`: in the name of that
/// user, which the hub must allow.
pub fn ssl_login(proxy_user: Option<&str>) -> Command<LoggedIn> {
    let mut call = Call::new("sslLogin");
    if let Some(user) = proxy_user {
        call = call.arg(user);
    }
    Command::new(call, answers::logged_in)
}

impl BuildOptions<'_> {
    fn members(&self) -> Struct {
        let only = |set: bool| set.then_some(true);
        Struct::new()
            .with_some("scratch", only(self.kind == BuildKind::Scratch))
            .with_some("draft", only(self.kind == BuildKind::Draft))
            .with_some("fail_fast", only(self.fail_fast))
            .with_some("wait_repo", only(self.wait_repo))
            .with_some("wait_builds", (!self.wait_builds.is_empty()).then(|| self.wait_builds.to_vec()))
            .with_some("skip_tag", only(self.skip_tag))
            .with_some("arch_override", self.arch_override)
            .with_some("custom_user_metadata", self.metadata.clone())
    }
}
