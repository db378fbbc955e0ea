//! Errors of librdkafka as troubles that a person can do something about, each told once and once when it is over.
//!
//! Pure: what is wrong now is compared with what was told.

use std::collections::BTreeMap;

use rdkafka::error::RDKafkaErrorCode as Code;

use super::handover::{FromKafka, Trouble, TroubleKind};

/// What an error of librdkafka says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A trouble of this kind.
    Trouble(TroubleKind),
    /// A broker did not answer: a trouble only where nothing answers for a while.
    Silence,
    /// The broker does not have the position that was asked for.
    Range,
    /// Part of the ordinary course of things.
    Nothing,
}

/// What an error code means.
pub(super) fn meaning(code: Code) -> Meaning {
    // Codes are many and grow with librdkafka; what is not listed is told as it is.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the codes belong to librdkafka; any other is told as it is"
    )]
    match code {
        Code::AllBrokersDown
        | Code::BrokerTransportFailure
        | Code::Resolve
        | Code::OperationTimedOut
        | Code::TimedOutQueue
        | Code::NetworkException
        | Code::RequestTimedOut
        | Code::BrokerNotAvailable
        | Code::LeaderNotAvailable
        | Code::NotLeaderForPartition
        | Code::CoordinatorLoadInProgress
        | Code::CoordinatorNotAvailable
        | Code::NotCoordinator
        | Code::WaitingForCoordinator
        | Code::WaitCache
        | Code::OffsetNotAvailable
        | Code::UnknownLeaderEpoch
        | Code::FencedLeaderEpoch => Meaning::Silence,
        Code::Authentication
        | Code::SaslAuthenticationFailed
        | Code::SSL
        | Code::UnsupportedSASLMechanism
        | Code::IllegalSASLState => Meaning::Trouble(TroubleKind::Login),
        Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed => Meaning::Trouble(TroubleKind::Permission),
        Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition => {
            Meaning::Trouble(TroubleKind::NoTopic)
        }
        Code::PollExceeded => Meaning::Trouble(TroubleKind::Expelled),
        Code::AutoOffsetReset | Code::OffsetOutOfRange => Meaning::Range,
        Code::PartitionEOF
        | Code::RebalanceInProgress
        | Code::IllegalGeneration
        | Code::UnknownMemberId
        | Code::AssignmentLost
        | Code::NoOffset => Meaning::Nothing,
        _ => Meaning::Trouble(TroubleKind::Other),
    }
}

/// The text of a trouble: what happened, to what, and what to do.
pub(super) fn text(kind: TroubleKind, brokers: &str, reason: &str) -> String {
    let advice = match kind {
        TroubleKind::Unreachable => {
            "Reading goes on by itself once they do: check the network and the brokers"
        }
        TroubleKind::Login => {
            "Nothing is read. Check `username` and its password file, or the certificates, and start again: secrets are \
             read at the start"
        }
        TroubleKind::Permission => {
            "Nothing is read. Give the user READ and DESCRIBE on the topics and READ on the group"
        }
        TroubleKind::Unassigned => {
            "The brokers answer; another member may be slow to let go. If this stays, look at the group's members"
        }
        TroubleKind::NoTopic => "Reading begins once it exists: check `topics` in [source]",
        TroubleKind::Stalled => {
            "Reading was begun anew there. If this stays, a producer may have left a transaction open, or the broker's log says why"
        }
        TroubleKind::Commit => {
            "Reading goes on, and nothing is lost: positions stand in the state. Until this works again, a copy of the \
             state cannot be told from the state itself"
        }
        TroubleKind::Expelled => {
            "The group is joined again by itself. The machine was overloaded, or the process stopped"
        }
        TroubleKind::Other => {
            "Reading goes on if the client can; look this up in the documentation of librdkafka"
        }
    };
    let what = match kind {
        TroubleKind::Unreachable => {
            format!("the Kafka brokers ({brokers}) do not answer, or not all of them")
        }
        TroubleKind::Login => format!("the Kafka brokers ({brokers}) refuse the login or the certificate"),
        TroubleKind::Permission => format!("the Kafka brokers ({brokers}) do not allow to read"),
        TroubleKind::Unassigned => "the Kafka group has given no partitions".to_owned(),
        TroubleKind::NoTopic => "a Kafka topic does not exist".to_owned(),
        TroubleKind::Stalled => "Kafka has records that do not come".to_owned(),
        TroubleKind::Commit => "the position cannot be noted in Kafka".to_owned(),
        TroubleKind::Expelled => {
            "the Kafka group has given the partitions away, since polling stood still".to_owned()
        }
        TroubleKind::Other => format!("the Kafka client ({brokers}) complains"),
    };
    format!("{what}: {reason}. {advice}")
}

/// What is wrong now, and what of it was told.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    now: BTreeMap<TroubleKind, String>,
    told: BTreeMap<TroubleKind, String>,
}

impl Troubles {
    /// Something is wrong; the first text of a kind stays until it is over.
    pub(super) fn begin(&mut self, kind: TroubleKind, text: impl FnOnce() -> String) {
        self.now.entry(kind).or_insert_with(text);
    }

    /// It is over.
    pub(super) fn end(&mut self, kind: TroubleKind) {
        self.now.remove(&kind);
    }

    /// Whether something of this kind is wrong.
    pub(super) fn is(&self, kind: TroubleKind) -> bool {
        self.now.contains_key(&kind)
    }

    /// What changed since this was last called; what began and ended in between is not told at all.
    pub(super) fn news(&mut self) -> Vec<FromKafka> {
        let over =
            self.told.keys().filter(|kind| !self.now.contains_key(kind)).map(|kind| FromKafka::Over(*kind));
        let begun = self.now.iter().filter(|(kind, _)| !self.told.contains_key(kind));
        let begun = begun.map(|(kind, text)| FromKafka::Trouble(Trouble { kind: *kind, text: text.clone() }));
        let news = over.chain(begun).collect();
        self.told.clone_from(&self.now);
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trouble_is_told_once_and_once_when_it_is_over() {
        let mut troubles = Troubles::default();
        assert_eq!(troubles.news(), []);
        troubles.begin(TroubleKind::Login, || "first".to_owned());
        troubles.begin(TroubleKind::Login, || "second".to_owned());
        let told = Trouble { kind: TroubleKind::Login, text: "first".to_owned() };
        assert_eq!(troubles.news(), [FromKafka::Trouble(told)]);
        assert_eq!(troubles.news(), []);
        troubles.end(TroubleKind::Login);
        troubles.end(TroubleKind::Commit);
        assert_eq!(troubles.news(), [FromKafka::Over(TroubleKind::Login)]);
        assert_eq!(troubles.news(), []);
    }

    #[test]
    fn what_comes_and_goes_unseen_is_not_told() {
        let mut troubles = Troubles::default();
        troubles.begin(TroubleKind::NoTopic, String::new);
        troubles.end(TroubleKind::NoTopic);
        assert_eq!(troubles.news(), []);
    }

    #[test]
    fn errors_are_sorted_by_what_a_person_can_do() {
        for (code, expected) in [
            (Code::AllBrokersDown, Meaning::Silence),
            (Code::SaslAuthenticationFailed, Meaning::Trouble(TroubleKind::Login)),
            (Code::TopicAuthorizationFailed, Meaning::Trouble(TroubleKind::Permission)),
            (Code::UnknownTopicOrPartition, Meaning::Trouble(TroubleKind::NoTopic)),
            (Code::PollExceeded, Meaning::Trouble(TroubleKind::Expelled)),
            (Code::OffsetOutOfRange, Meaning::Range),
            (Code::RebalanceInProgress, Meaning::Nothing),
            (Code::Fatal, Meaning::Trouble(TroubleKind::Other)),
        ] {
            assert_eq!(meaning(code), expected, "{code:?}");
        }
    }
}
