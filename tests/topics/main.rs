//! What a running pipeline announces on topics: the documents against their JSON Schema, and how they are sent.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that cannot go on has failed"
)]

#[path = "../common/mod.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod common;
#[path = "../common/story.rs"]
#[expect(dead_code, reason = "other tests tell longer stories")]
mod story;

mod notices;
mod sending;
