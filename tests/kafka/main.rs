//! The Kafka source and producer against brokers: the embedded imitation, and a real Kafka where there is one
//! (`scripts/kafka.sh test`).
//!
//! A story is told once and runs on both. What only a real Kafka can show says so where there is none. Nothing waits for
//! time to pass: each wait is for something that must come, and fails after a minute.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    reason = "a test that cannot go on has failed; what is not shown is said"
)]

mod broker;
mod follower;

mod announcing;
mod damage;
mod live;
mod members;
mod outage;
mod producing;
mod proofs;
mod reading;
mod tls;
mod transactions;

/// Makes two tests of each story: on the imitation and on a real Kafka.
macro_rules! on_both {
    ($($story:ident: $guarantee:literal),* $(,)?) => {
        mod on_mock {
            $(#[test]
            fn $story() {
                super::$story(&crate::broker::Broker::mock());
            })*
        }
        mod on_kafka {
            $(#[test]
            fn $story() {
                if let Some(broker) = crate::broker::Broker::real($guarantee) {
                    super::$story(&broker);
                }
            })*
        }
    };
}

/// Makes a test of each story that only a real Kafka can tell.
macro_rules! on_kafka_only {
    ($($story:ident: $guarantee:literal),* $(,)?) => {
        mod on_kafka_only {
            $(#[test]
            fn $story() {
                if let Some(broker) = crate::broker::Broker::real($guarantee) {
                    super::$story(&broker);
                }
            })*
        }
    };
}

/// Makes a test of each story that stops a real Kafka, and so takes all other stories with it: it runs while no other does.
macro_rules! on_kafka_alone {
    ($($story:ident: $guarantee:literal),* $(,)?) => {
        mod on_kafka_alone {
            $(#[test]
            fn $story() {
                if let Some((broker, _alone)) = crate::broker::Broker::alone($guarantee) {
                    super::$story(&broker);
                }
            })*
        }
    };
}

/// The same, and a test of each on the imitation, which each has for itself.
macro_rules! on_both_alone {
    ($($story:ident: $guarantee:literal),* $(,)?) => {
        mod on_mock {
            $(#[test]
            fn $story() {
                super::$story(&crate::broker::Broker::mock());
            })*
        }
        crate::on_kafka_alone! { $($story: $guarantee),* }
    };
}

pub(crate) use {on_both, on_both_alone, on_kafka_alone, on_kafka_only};
