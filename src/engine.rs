//! The engine: from decoded records to decisions. Pure: no clock, no I/O, no async.

pub mod clock;
pub mod decision;
pub mod names;
pub mod reorder;
pub mod window;
