//! From the sink of a pipeline file to one that carries orders out.

use std::path::Path;

use tidegate::pipeline::{KojiLogin, Sink as Stated};
use tidegate::sink::Sink;
use tidegate::sink::setup::{AnySink, Beside, setup};
use tidegate::submit::ask::{Answer, Ask, Finding, Inquiry, Receipt, Trouble};
use tidegate::submit::row::RowId;

use crate::server::{Server, ok};
use crate::{SOURCE, koji, order, receipts};

fn inquiry() -> Ask {
    let inquiry = Inquiry {
        row: RowId(1),
        build_id: 1,
        tags: vec!["f42".into()],
        target: None,
        package: "zlib".into(),
    };
    Ask::Check(vec![inquiry])
}

#[tokio::test]
async fn a_webhook_named_by_its_files_is_called_and_asks_the_hub_beside_it() {
    let hub = koji::start(koji::world()).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key"), "hush").unwrap();
    let server = Server::start([ok("")]).await;
    // The name of this machine is as good as its address.
    let url = server.url("/hook").replace("127.0.0.1", "localhost");
    let stated = Stated::Webhook { url, secret_file: Some("key".to_owned()) };
    let beside = Beside { hub: hub.url(), target: "eln".into() };
    let mut sink = setup(&stated, folder.path(), Some(&beside)).unwrap();
    assert_eq!(receipts(&mut sink, vec![order(1, SOURCE, "")]).await, [Receipt::Taken]);
    assert!(server.requests()[0].header("Tidegate-Signature").is_some());
    let Answer::Checked(findings) = sink.perform(inquiry()).await else { panic!("nothing was checked") };
    assert_eq!(findings, [(RowId(1), Finding::Ready { source: SOURCE.into() })]);
    assert!(matches!(sink.perform(Ask::Sample).await, Answer::Sampled(_)));
    hub.stop().await;
}

#[tokio::test]
async fn a_dry_run_takes_everything_and_without_a_hub_finds_everything_ready() {
    let mut sink = setup(&Stated::DryRun, Path::new("."), None).unwrap();
    assert_eq!(receipts(&mut sink, vec![order(1, SOURCE, "")]).await, [Receipt::Taken]);
    let Answer::Checked(findings) = sink.perform(inquiry()).await else { panic!("nothing was checked") };
    assert_eq!(findings, [(RowId(1), Finding::Ready { source: "".into() })]);
    assert!(matches!(sink.perform(Ask::Sample).await, Answer::Failed(Trouble::Unreachable(_))));
}

#[test]
fn each_kind_is_set_up_or_says_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let set_up = |stated: &Stated| match setup(stated, folder.path(), None) {
        Ok(AnySink::DryRun(_)) => "dry_run".to_owned(),
        Ok(AnySink::Koji(_)) => "koji".to_owned(),
        Ok(AnySink::Ebs(_)) => "ebs".to_owned(),
        Ok(AnySink::Kafka(_)) => "kafka".to_owned(),
        Ok(AnySink::Webhook(_)) => "webhook".to_owned(),
        Err(error) => error.to_string(),
    };
    let ebs = |url: &str| Stated::Ebs { url: url.to_owned(), token_file: Some("token".to_owned()) };
    assert_eq!(set_up(&ebs("http://127.0.0.1:8080/trigger")), "ebs");
    assert_eq!(
        set_up(&ebs("http://ebs.example/trigger")),
        "[sink] url: the address `http://ebs.example/trigger` is not encrypted: begin it with https://, http:// is \
         for this machine only"
    );
    let kafka = Stated::Kafka { brokers: vec!["127.0.0.1:9".to_owned()], topic: "t".to_owned(), login: None };
    assert_eq!(set_up(&kafka), "kafka");
    let hub = |login| Stated::Koji {
        settle: None,
        hub: "http://127.0.0.1:9/kojihub".to_owned(),
        target: "eln".to_owned(),
        login,
    };
    let certificate = set_up(&hub(KojiLogin::Certificate("nowhere.pem".to_owned())));
    let place = folder.path().join("nowhere.pem");
    assert!(certificate.contains(&format!("`{}` cannot be read", place.display())), "{certificate}");
    let keytab = set_up(&hub(KojiLogin::Keytab("nowhere.keytab".to_owned())));
    if cfg!(feature = "gssapi") {
        assert_eq!(keytab, "koji");
    } else {
        assert!(keytab.contains("`--features gssapi`"), "{keytab}");
    }
}
