//! The sink for a hub, against the fake hub.

mod checking;
mod following;
mod ordering;

use tidegate::hub::{FakeHub, Rule, Script, Settings, Trouble as Hit, WorldFile};
use tidegate::koji::client::ClientSettings;
use tidegate::koji::login::Login;
use tidegate::koji::secret::Secret;
use tidegate::koji::xmlrpc::{Answer as Said, Call, Value};
use tidegate::sink::Sink;
use tidegate::sink::koji::{BuildStyle, KojiSettings, KojiSink, Targets};
use tidegate::sink::reads::DEFAULT_CHANNEL;
use tidegate::submit::ask::{Answer, Ask, Order, Receipt};
use tidegate::submit::row::{Session, TaskId};

const SMALL: &str = include_str!("../fixtures/hub/small.toml");
/// Longer than anything of the small world takes, in seconds.
const LONG: i64 = 6 * 3_600;
/// When the small world begins: 2025-02-04T06:00:00Z.
const BEGIN: i64 = 1_738_648_800;

pub(crate) fn world() -> WorldFile {
    WorldFile::parse(SMALL).unwrap()
}

pub(crate) async fn start(world: WorldFile) -> FakeHub {
    FakeHub::start(Settings { world, ..Settings::default() }).await.unwrap()
}

fn sink_with(hub: &FakeHub, options: BuildStyle, password: &str) -> KojiSink {
    sink_at(hub.url(), options, password)
}

fn sink_at(url: String, options: BuildStyle, password: &str) -> KojiSink {
    let settings = KojiSettings {
        client: ClientSettings::new(url),
        login: Login::Password { user: "rebuilder".to_owned(), password: Secret::new(password) },
        targets: Targets { rules: Vec::new(), common: "eln".into() },
        channel: Some(DEFAULT_CHANNEL),
        options,
    };
    KojiSink::new(&settings).unwrap()
}

fn sink(hub: &FakeHub) -> KojiSink {
    sink_with(hub, BuildStyle::default(), "rebuilderpw")
}

/// Each call of that method is hit.
fn hit(hub: &FakeHub, method: &str, trouble: Hit) {
    let rule = Rule { method: method.to_owned(), nth: Vec::new(), share: None, trouble };
    hub.set_script(Script { seed: 0, fault: vec![rule] });
}

async fn log_in(sink: &mut KojiSink, fence: &[Session]) -> (Session, u64) {
    let answer = sink.perform(Ask::LogIn { fence: fence.to_vec() }).await;
    let Answer::LoggedIn { session, next_callnum } = answer else { panic!("{answer:?}") };
    (session, next_callnum)
}

async fn submit(sink: &mut KojiSink, session: Session, callnum: u64, order: Order) -> Receipt {
    let row = order.row;
    let ask = Ask::Submit { session: Some(session), callnum, orders: vec![order] };
    let Answer::Submitted(receipts) = sink.perform(ask).await else { panic!("no receipts") };
    let [(of, receipt)] = <[_; 1]>::try_from(receipts).unwrap();
    assert_eq!(of, row);
    receipt
}

async fn ordered(sink: &mut KojiSink, access: (Session, u64), order: Order) -> TaskId {
    let receipt = submit(sink, access.0, access.1, order).await;
    let Receipt::Accepted(task) = receipt else { panic!("{receipt:?}") };
    task
}

/// What the hub answers to our user, beside any session.
fn asked(hub: &FakeHub, call: &Call) -> Value {
    match hub.world(|world| world.call_as("rebuilder", call)) {
        Said::Value(value) => value,
        Said::Fault(fault) => panic!("{}: {fault}", call.method),
    }
}

/// How many build tasks there are.
fn tasks(hub: &FakeHub) -> i64 {
    let only = tidegate::koji::xmlrpc::Struct::new().with("method", "build");
    let count = tidegate::koji::xmlrpc::Struct::new().with("countOnly", true);
    asked(hub, &Call::new("listTasks").arg(only).arg(count)).as_int().unwrap()
}
