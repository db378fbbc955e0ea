//! A hub to test against: it keeps a world of tags, builds and tasks, and answers as a real Koji hub does.
//!
//! What belongs here is what a hub does: sessions with the numbers of their calls, one transaction for each call, the
//! methods, a virtual farm, the messages that a hub publishes, and the ways in which a hub fails its clients. The world
//! is pure: time comes as an argument, randomness from a seed.

mod arguments;
mod call;
mod exchange;
mod faults;
mod methods;
mod moment;
mod payload;
mod publish;
mod server;
mod session;
mod trouble;
mod users;
mod world;

pub use self::moment::Moment;
pub use self::publish::{JsonLines, Kafka, Kept, Nowhere, Publisher};
pub use self::server::{FakeHub, Latency, Pace, Settings, StartError};
pub use self::trouble::{Point, Rule, Script, ScriptError, Trouble};
pub use self::world::{
    Availability, BuildFile, BuildState, FarmFile, HostFile, Message, PackageFile, Stage, TagFile,
    TargetFile, TaskState, UserFile, World, WorldError, WorldFile,
};
