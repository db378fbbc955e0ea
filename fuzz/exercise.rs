//! What decoding promises for any bytes at all; the fuzz target and the replay of its corpus both run this.

use tidegate::decode::{CODE_PAGE, PAGE_MAX_MESSAGES, decode, decode_strictly, split_page};
use tidegate::event::{Body, Decoded, Position, Record, Tagging, Unreadable};
use tidegate::settings::Route;
use tidegate::text::{bounded_bytes, escaped, is_unsafe};

type Headers = Vec<(String, Vec<u8>)>;

/// Longest explanation, in characters.
const EXPLANATION_MAX_CHARS: usize = 600;

/// Decodes the bytes as a record of every kind, and panics where a promise is broken.
pub(crate) fn exercise(data: &[u8]) {
    let routes = ["org.fedoraproject.prod.buildsys.", "org.centos.prod.buildsys."].map(route);
    for route in &routes {
        for headers in &headers(data) {
            for cut in [false, true] {
                decode_both_ways(route, data, headers, cut);
            }
        }
    }
    for message in split_page(data).unwrap_or_default().iter().take(PAGE_MAX_MESSAGES) {
        decode_both_ways(&routes[0], message, &[], false);
    }
    print_safely(data);
}

fn route(prefix: &str) -> Route {
    Route { topic_prefix: prefix.to_owned(), instances: vec!["primary".to_owned()] }
}

/// No headers, those of each bridge around a bare body, and the bytes themselves as every header.
fn headers(data: &[u8]) -> [Headers; 5] {
    const TOPIC: &str = "org.fedoraproject.prod.buildsys.tag";
    const ID: &str = "0d9e5a2b-4c1f-4e6a-8b3d-7f2a1c9e5b4d";
    const SENT_AT: &str = "2025-02-04T06:00:00+00:00";
    let named = |topic: &str, id: &str, sent_at: &str| -> Headers {
        [(topic, TOPIC), (id, ID), (sent_at, SENT_AT)]
            .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
            .to_vec()
    };
    let start = data.get(..data.len().min(64)).unwrap_or_default();
    [
        Vec::new(),
        named("topic", "id", "sent-at"),
        named("rabbitmq.routing.key", "rabbitmq.message.id", "rabbitmq.headers.sent-at"),
        named(
            "CamelHeader.CamelSpringRabbitmqRoutingOverrideKey",
            "CamelHeader.CamelSpringRabbitmqMessageId",
            "CamelHeader.sent-at",
        ),
        ["Topic", "ID", "Sent-At", "x"].map(|name| (name.to_owned(), start.to_vec())).to_vec(),
    ]
}

fn decode_both_ways(route: &Route, value: &[u8], headers: &[(String, Vec<u8>)], cut: bool) {
    let position = Position { partition: 0, offset: 1 };
    let record = Record { position, kafka_millis: None, headers, value, cut };
    let decoded = decode(route, &record);
    assert_eq!(decoded, decode_strictly(route, &record), "both readers say the same");
    match &decoded {
        Ok(decoded) => check_decoded(route, decoded),
        Err(unreadable) => check_unreadable(unreadable),
    }
    assert!(!cut || decoded.is_err(), "a record that was cut is not believed");
}

fn check_decoded(route: &Route, decoded: &Decoded<'_>) {
    assert!(!decoded.topic.is_empty());
    let ours = decoded.topic.starts_with(&route.topic_prefix);
    assert_eq!(ours, decoded.body != Body::OtherTopic);
    match &decoded.body {
        Body::Tag(tagging) | Body::Untag(tagging) => check_tagging(tagging),
        Body::BuildState(state) => check_number(state.build_id),
        Body::PackageList(change) => {
            check_text(&change.tag);
            check_text(&change.package);
        }
        Body::Unused | Body::OtherTopic => {}
    }
}

fn check_tagging(tagging: &Tagging<'_>) {
    check_number(tagging.build_id);
    for text in [&tagging.tag, &tagging.name, &tagging.version, &tagging.release] {
        check_text(text);
    }
    for text in [&tagging.instance, &tagging.owner, &tagging.user].into_iter().flatten() {
        check_text(text);
    }
}

fn check_number(number: u64) {
    assert!((1..1 << 63).contains(&number));
}

fn check_text(text: &str) {
    assert!((1..=1_024).contains(&text.len()));
}

fn check_unreadable(unreadable: &Unreadable) {
    let Unreadable { code, explanation, .. } = unreadable;
    assert!(!code.is_empty() && !explanation.is_empty());
    assert!(explanation.chars().count() <= EXPLANATION_MAX_CHARS, "{explanation}");
    assert!(!explanation.chars().any(is_unsafe), "{explanation}");
    assert!(*code != CODE_PAGE || explanation.contains("raw_messages"));
}

fn print_safely(data: &[u8]) {
    for max in [0, 1, 7, 80] {
        let printed = bounded_bytes(data, max).to_string();
        assert!(printed.chars().count() <= max && !printed.chars().any(is_unsafe), "{printed}");
    }
    if let Ok(text) = std::str::from_utf8(data) {
        assert!(!escaped(text).to_string().chars().any(is_unsafe));
    }
}
