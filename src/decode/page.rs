//! Pages of datagrepper's archive: one JSON object whose `raw_messages` are many messages.

use memchr::memmem;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// The most messages a page may hold; datagrepper itself gives at most 100 at once.
pub const PAGE_MAX_MESSAGES: usize = 10_000;

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    raw_messages: Vec<&'a RawValue>,
    /// What has a topic is a message.
    topic: Option<IgnoredAny>,
}

/// The messages of a datagrepper page, in its order, each as a value for [`decode`](super::decode).
///
/// `None`: the value is no page that can be split; it goes to `decode` as it is, which explains what it is. A page of
/// more than [`PAGE_MAX_MESSAGES`] is left whole, so that nothing of it is skipped in silence.
///
/// A file's source gives each message a number of its own, as if it had stood on a line: the messages of a page on
/// line 1 are 1, 2, 3, ... and the next line goes on from there. A page without messages has nothing to number.
/// Kafka records are never pages: their offset could not be told apart.
pub fn split_page(value: &[u8]) -> Option<Vec<&[u8]>> {
    // Cheap for the many values that are none.
    memmem::find(value, b"\"raw_messages\"")?;
    let text = std::str::from_utf8(value).ok()?;
    let page: Page<'_> = serde_json::from_str(text).ok()?;
    let messages = page.raw_messages;
    (page.topic.is_none() && messages.len() <= PAGE_MAX_MESSAGES)
        .then(|| messages.into_iter().map(|message| message.get().as_bytes()).collect())
}
