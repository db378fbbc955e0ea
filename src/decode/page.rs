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

#[cfg(test)]
mod tests {
    use super::*;

    fn page(messages: &str) -> String {
        format!(r#"{{"arguments": {{"page": 1}}, "count": 3, "raw_messages": [{messages}], "total": 3}}"#)
    }

    #[test]
    fn a_page_is_split_into_its_messages_in_order() {
        for (messages, expected) in [
            ("", &[][..]),
            ("{}", &["{}"]),
            (
                r#"{"topic": "b", "body": {"x": [1]}} , {"topic": "a"}, null"#,
                &[r#"{"topic": "b", "body": {"x": [1]}}"#, r#"{"topic": "a"}"#, "null"],
            ),
        ] {
            let page = page(messages);
            let split = split_page(page.as_bytes()).unwrap();
            assert_eq!(split, expected.iter().map(|message| message.as_bytes()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_page_holds_at_most_so_many_messages() {
        let full = |count: usize| page(&vec!["1"; count].join(","));
        assert_eq!(split_page(full(PAGE_MAX_MESSAGES).as_bytes()).unwrap().len(), PAGE_MAX_MESSAGES);
        assert_eq!(split_page(full(PAGE_MAX_MESSAGES + 1).as_bytes()), None);
    }

    #[test]
    fn what_is_no_page_stays_whole() {
        for value in [
            "",
            "{}",
            r#"{"raw_messages": {}}"#,
            r#"{"raw_messages": [1]"#,
            r#"{"raw_messages": [1]} x"#,
            r#"[{"raw_messages": [1]}]"#,
            r#"{"topic": "x", "raw_messages": [1]}"#,
            r#"{"body": {"raw_messages": [1]}}"#,
        ] {
            assert_eq!(split_page(value.as_bytes()), None, "{value}");
        }
        assert_eq!(split_page(b"{\"raw_messages\": [\"\xff\"]}"), None);
    }
}
