//! From a message of librdkafka to a record of ours, within bounds and whatever bytes it holds.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};

use super::handover::KafkaRecord;

/// Longest value that is taken over whole, in bytes.
pub const VALUE_MAX: usize = 4 * 1_024 * 1_024;
/// Most headers of one record.
pub const HEADERS_MAX: usize = 1_000;
/// Longest headers of one record together, in bytes.
const HEADERS_BYTES_MAX: usize = 1_024 * 1_024;

/// Copies a message out of librdkafka's memory.
pub(super) fn record(partition: u32, message: &BorrowedMessage<'_>) -> KafkaRecord {
    let value = message.payload().unwrap_or_default();
    let kept = value.get(..VALUE_MAX).unwrap_or(value);
    let (headers, cut) = headers(message);
    KafkaRecord {
        partition,
        offset: u64::try_from(message.offset()).unwrap_or(0),
        kafka_millis: message.timestamp().to_millis(),
        headers,
        value: kept.to_vec(),
        cut: cut || kept.len() < value.len(),
    }
}

/// The headers, and whether some were left out for their number or length.
fn headers(message: &BorrowedMessage<'_>) -> (Vec<(String, Vec<u8>)>, bool) {
    let Some(headers) = message.headers() else { return (Vec::new(), false) };
    let count = headers.count();
    let mut found = Vec::with_capacity(count.min(HEADERS_MAX));
    let mut bytes = 0;
    for at in 0..count.min(HEADERS_MAX) {
        // The binding panics at a name that is no UTF-8, which anybody who may write to the topic can send. No header of
        // ours has such a name.
        let header = catch_unwind(AssertUnwindSafe(|| headers.try_get(at)));
        let Ok(Some(header)) = header else { continue };
        let value = header.value.unwrap_or_default();
        bytes += header.key.len() + value.len();
        if bytes > HEADERS_BYTES_MAX {
            return (found, true);
        }
        found.push((header.key.to_owned(), value.to_vec()));
    }
    (found, count > HEADERS_MAX)
}
