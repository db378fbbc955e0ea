//! Known builds from Koji, read by the real program.

use std::path::Path;
use std::process::{Command, Output};

use tidegate::hub::{FakeHub, Settings as HubSettings};
use tidegate::state::State;
use tidegate::time::Second;

use crate::hub_wire::{call, login};
use crate::stage::{nvrs, settings, world};
use tidegate::koji::xmlrpc::{Call, Value};

/// Two hours after the world begins.
const LATER: &str = "2025-02-04T08:00:00Z";

fn tidegate(arguments: &[&str]) -> Output {
    // The hub answers from other threads meanwhile.
    tokio::task::block_in_place(|| {
        Command::new(env!("CARGO_BIN_EXE_tidegate")).args(arguments).output().unwrap()
    })
}

/// A pipeline file with a `[source]` section that says so, beside a state; gives both paths.
fn site(folder: &Path, hub: &FakeHub, begin: &str) -> (String, String) {
    let file = folder.join("site.toml");
    let text = format!(
        "[source]\nbrokers = [\"127.0.0.1:1\"]\ntopics = [\"bus\"]\nbegin = {begin:?}\n[trigger]\nfollow = \"f42\"\n\
         family = [\"f41@2025-02-04T07:00:00Z\", \"f42\"]\n[evidence]\nask_koji = true\nhub = {:?}\n[sink]\nkind = \"dry_run\"\n",
        hub.url()
    );
    std::fs::write(&file, text).unwrap();
    (file.to_str().unwrap().to_owned(), folder.join("a.db").to_str().unwrap().to_owned())
}

async fn tag(hub: &FakeHub, tag: &str, names: &[String]) {
    let session = login(hub.address(), "ada", "adapw").await;
    let names: Vec<Value> = names.iter().map(|nvr| Value::from(nvr.as_str())).collect();
    let made = Call::new("massTag").arg(tag).arg(names);
    call(hub.address(), &made, Some((&session, 0))).await.unwrap().into_result().unwrap();
}

/// Builds that are known in a tag, by their numbers, with the times that stand for their tagging.
fn known(state: &str, tag: &str) -> Vec<(u64, Second)> {
    let state = State::open(Path::new(state), true).unwrap();
    let engine = state.load(settings(), []).unwrap().engine;
    let tags = &engine.knowledge().tags;
    let name = tags.family().iter().find(|member| engine.name(member.tag) == tag).unwrap().tag;
    engine.knowledge().seen.in_tag(name).into_iter().map(|(build, at)| (build.id, at)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_the_family_is_known_if_it_was_tagged_before_the_pipeline_begins() {
    let hub = FakeHub::start(HubSettings { world: world(20), ..HubSettings::default() }).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (file, state) = site(folder.path(), &hub, LATER);
    let cold = tidegate(&["run", &file, "--state", &state]);
    assert_eq!(cold.status.code(), Some(5));
    let told = String::from_utf8_lossy(&cold.stderr).into_owned();
    assert!(told.contains("--from-koji"), "{told}");
    // Before the leaving of f41 (07:00), after it, and after the beginning (08:00).
    hub.advance_seconds(1_800);
    tag(&hub, "f42", &nvrs("new", 0..3)).await;
    hub.advance_seconds(3_600);
    tag(&hub, "f41", &nvrs("new", 3..5)).await;
    hub.advance_seconds(3_600);
    tag(&hub, "f42", &nvrs("new", 5..9)).await;
    tag(&hub, "f41", &nvrs("new", 5..6)).await;
    let done = tidegate(&["known", "import", &file, "--state", &state, "--from-koji"]);
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{told}");
    assert!(told.contains("f41: 22 known builds; 1 were tagged after 2025-02-04T08:00:00Z"), "{told}");
    assert!(told.contains("f42: 3 known builds; 4 were tagged after"), "{told}");
    let (f41, f42) = (known(&state, "f41"), known(&state, "f42"));
    let left_at = Second::parse("2025-02-04T07:00:00Z").unwrap();
    assert_eq!((f41.len(), f42.len()), (22, 3));
    assert_eq!(f41.iter().filter(|(_, at)| *at > left_at).count(), 2, "{f41:?}");
    assert!(f42.iter().all(|(_, at)| *at == Second::parse("2025-02-04T05:00:00Z").unwrap()), "{f42:?}");
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_beginning_is_not_known_the_trigger_tag_is_left_out() {
    let hub = FakeHub::start(HubSettings { world: world(3), ..HubSettings::default() }).await.unwrap();
    tag(&hub, "f42", &nvrs("new", 0..1)).await;
    let folder = tempfile::tempdir().unwrap();
    let (file, state) = site(folder.path(), &hub, "earliest");
    let done = tidegate(&["known", "import", &file, "--state", &state, "--from-koji"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!((known(&state, "f41").len(), known(&state, "f42").len()), (3, 0));
    hub.stop().await;
}

/// Half of an import would pass for all of it.
#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_fails_leaves_nothing() {
    let hub = FakeHub::start(HubSettings { world: world(3), ..HubSettings::default() }).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (file, state) = site(folder.path(), &hub, LATER);
    let import = |tags: &[&str]| {
        let mut all = vec!["known", "import", &file, "--state", &state, "--from-koji"];
        all.extend(tags.iter().flat_map(|tag| ["--tag", tag]));
        tidegate(&all)
    };
    let failed = import(&["f41", "no-such-tag"]);
    assert_eq!(failed.status.code(), Some(1));
    let told = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(told.contains("nothing was imported") && told.contains("no-such-tag"), "{told}");
    assert_eq!(known(&state, "f41"), []);
    assert!(import(&["f41"]).status.success());
    assert_eq!((known(&state, "f41").len(), known(&state, "f42").len()), (3, 0));
    hub.stop().await;
}
