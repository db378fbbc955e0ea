//! The sinks, each against a server on the loopback that does what a real one may do.

#![expect(clippy::unwrap_used, reason = "a test whose loopback fails has failed")]

mod carrying;
mod ebs;
mod kafka;
mod koji;
mod server;
mod setup;
mod webhook;

use std::sync::Arc;

use tidegate::sink::Sink;
use tidegate::submit::ask::{Answer, Ask, Order, Receipt};
use tidegate::submit::row::{Marker, MarkerBase, RowId};

const SOURCE: &str = "git+https://src.example/rpms/zlib#1.3-2";

fn marker(row: u64) -> Marker {
    MarkerBase::new("s1", "eln", row).attempt(1)
}

fn order(row: u64, source: &str, target: &str) -> Order {
    Order {
        row: RowId(row),
        marker: marker(row),
        source: source.into(),
        target: target.into(),
        package: "zlib".into(),
        nvr: "zlib-1.3-2.fc42".into(),
        build_id: 1,
        tag: Arc::from("f42"),
        priority: None,
    }
}

/// What became of orders that a sink without sessions was given.
async fn receipts(sink: &mut impl Sink, orders: Vec<Order>) -> Vec<Receipt> {
    let rows: Vec<RowId> = orders.iter().map(|order| order.row).collect();
    let ask = Ask::Submit { session: None, callnum: 0, orders };
    let Answer::Submitted(receipts) = sink.perform(ask).await else { panic!("no receipts") };
    let (of, receipts): (Vec<RowId>, Vec<Receipt>) = receipts.into_iter().unzip();
    assert_eq!(of, rows, "one receipt for each order");
    receipts
}
