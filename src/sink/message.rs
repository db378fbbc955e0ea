//! An order as other programs read it: JSON, one object for each build.

use serde::Serialize;

use crate::submit::ask::Order;

/// The name of the form below. Its number grows when a member changes its meaning, not when one is added.
pub const SCHEMA: &str = "tidegate.order/1";

/// An order, as it is sent.
#[derive(Debug, Serialize)]
pub(super) struct Message<'a> {
    schema: &'static str,
    /// The same for every attempt at the build: what was taken under this key is not to be done again.
    key: &'a str,
    /// This attempt.
    marker: &'a str,
    /// Downstream name.
    package: &'a str,
    /// The upstream build.
    nvr: &'a str,
    build_id: u64,
    /// The tag it came from.
    tag: &'a str,
    /// URL with a commit; absent where no hub was asked.
    #[serde(skip_serializing_if = "str::is_empty")]
    source: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    target: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<i32>,
}

impl<'a> Message<'a> {
    pub(super) fn of(order: &'a Order) -> Self {
        Self {
            schema: SCHEMA,
            key: key(order),
            marker: &order.marker.0,
            package: &order.package,
            nvr: &order.nvr,
            build_id: order.build_id,
            tag: &order.tag,
            source: &order.source,
            target: &order.target,
            priority: order.priority,
        }
    }

    /// The bytes that are sent.
    pub(super) fn bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }
}

/// What all attempts at a build have in common: the marker without its last part.
pub(super) fn key(order: &Order) -> &str {
    order.marker.0.rsplit_once('/').map_or(&*order.marker.0, |(key, _)| key)
}
