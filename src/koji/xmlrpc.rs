//! XML-RPC as Koji speaks it: values, and the text of calls, answers and faults, for both sides of the wire.
//!
//! Pure: bytes in, values out, and back. What belongs here is the notation alone; which methods exist and what their
//! answers mean is told in [`crate::koji`].
//!
//! Koji's dialect: `<nil/>` both ways, `<i8>` for whole numbers beyond 32 bit, times as strings, and named arguments
//! as a last struct that carries the member `__starstar`. Text is written with the very bytes that Koji's own client
//! and hub write, with one exception: a carriage return is written `&#13;`, because a reader of XML turns a bare one
//! into a line feed. Struct members keep the order in which they were put in.

mod decode;
mod encode;
mod message;
mod stream;
mod value;

pub use decode::{DecodeError, Limits};
pub use encode::EncodeError;
pub use message::{Answer, Call, Fault};
pub use stream::{Item, ItemReader, ListPlace, read_answer};
pub use value::{Struct, Value};
