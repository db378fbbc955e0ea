//! TLS and SCRAM, as the pipeline file states them.

use tidegate::kafka::config::{ConfigError, Connection};
use tidegate::kafka::handover::TroubleKind;
use tidegate::kafka::producer::{NewRecord, Producer};
use tidegate::kafka::source::{self, SourceSettings};

use crate::broker::{Broker, Secure, wait};
use crate::follower::Follower;

/// The listener that wants TLS and a login, with another password file where one is given.
fn secure(broker: &Broker, password_file: Option<&str>) -> Option<Connection> {
    let secure = Secure::of_script("TLS and SCRAM")?;
    let password_file = password_file.map_or(secure.password_file, str::to_owned);
    Some(Connection {
        brokers: vec![secure.address],
        login: Some((secure.username, password_file)),
        ca_file: Some(secure.ca_file),
        ..broker.connection()
    })
}

fn settings(connection: Connection, topic: &str, broker: &Broker) -> SourceSettings {
    SourceSettings { connection, ..broker.settings(&[topic]) }
}

#[test]
fn a_login_over_tls_reads_and_writes() {
    let Some(broker) = Broker::real("TLS and SCRAM") else { return };
    let Some(connection) = secure(&broker, None) else { return };
    let topic = broker.topic(1);
    if !cfg!(feature = "kafka-tls") {
        let refused = source::start(settings(connection, &topic, &broker)).unwrap_err();
        assert!(matches!(refused, ConfigError::NoTls { .. }), "{refused}");
        println!("skipped: TLS and SCRAM: this build has no kafka-tls");
        return;
    }
    let producer = Producer::new(&connection).unwrap();
    let record = NewRecord { topic: topic.clone(), value: b"secret".to_vec(), ..NewRecord::default() };
    wait(producer.send(&record)).unwrap();
    let mut follower = Follower::start(settings(connection, &topic, &broker));
    follower.until_caught_up();
    assert_eq!(follower.values(&topic, 0), ["secret"]);
    assert!(follower.stop());
}

#[test]
fn a_wrong_password_is_told() {
    if !cfg!(feature = "kafka-tls") {
        return;
    }
    let Some(broker) = Broker::real("a refused login is told") else { return };
    let wrong = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(wrong.path(), "not-the-password\n").unwrap();
    let Some(connection) = secure(&broker, Some(&wrong.path().display().to_string())) else { return };
    let topic = broker.topic(1);
    let mut follower = Follower::start(settings(connection, &topic, &broker));
    follower.until("the trouble", |f| f.troubles.contains_key(&TroubleKind::Login));
    let text = &follower.troubles[&TroubleKind::Login];
    assert!(text.contains("refuse the login") && text.contains("password file"), "{text}");
    assert!(!text.contains("not-the-password"), "{text}");
    follower.stop();
}
