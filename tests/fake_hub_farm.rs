//! What becomes of builds on the virtual farm, and what the bus is told of it.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its files has failed")]

use proptest::prelude::*;
use tidegate::decode::decode;
use tidegate::event::{Body, Position, Record};
use tidegate::hub::{Message, World, WorldFile};
use tidegate::koji::xmlrpc::{Answer, Call, Fault, Struct, Value};
use tidegate::settings::Settings;

const SMALL: &str = include_str!("fixtures/hub/small.toml");
/// Longer than anything of the small world takes.
const LONG: i64 = 6 * 3_600;

fn world() -> World {
    World::new(&WorldFile::parse(SMALL).unwrap()).unwrap()
}

fn value(world: &mut World, call: &Call) -> Value {
    match world.call_as("rebuilder", call) {
        Answer::Value(value) => value,
        Answer::Fault(fault) => panic!("{}: {fault}", call.method),
    }
}

fn build(world: &mut World, fragment: &str, options: Struct) -> i64 {
    let source = format!("git+https://src.example/rpms/{fragment}");
    value(world, &Call::new("build").arg(source).arg("eln").arg(options)).as_int().unwrap()
}

fn pass(world: &mut World, seconds: i64) {
    world.advance(world.now().plus_seconds(seconds));
}

fn result(world: &mut World, task: i64) -> Result<Value, Fault> {
    world.call_as("rebuilder", &Call::new("getTaskResult").arg(task)).into_result()
}

fn member(world: &mut World, call: &Call, name: &str) -> Value {
    value(world, call).as_struct().unwrap().get(name).unwrap().clone()
}

fn count(world: &mut World, options: Struct) -> i64 {
    let shape = Struct::new().with("countOnly", true);
    value(world, &Call::new("listTasks").arg(options).arg(shape)).as_int().unwrap()
}

/// Topic, name or tag, and new state of messages.
fn told(messages: &[Message]) -> Vec<String> {
    let shown = |message: &Message| {
        let part = |name: &str| message.get(name).map(|part| part.to_string().replace('"', ""));
        let parts = [
            Some(message.topic.trim_start_matches("buildsys.").to_owned()),
            part("name"),
            part("tag"),
            part("new"),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    };
    messages.iter().map(shown).collect()
}

#[test]
fn a_build_is_made_tagged_and_goes_into_a_new_repo() {
    let mut world = world();
    let metadata = Struct::new().with("marker", "m-1");
    let task = build(&mut world, "zlib#1.3-2", Struct::new().with("custom_user_metadata", metadata.clone()));
    pass(&mut world, LONG);
    assert_eq!(result(&mut world, task), Ok(Value::Nil));
    let built = value(&mut world, &Call::new("getBuild").arg("zlib-1.3-2.eln145"));
    let built = built.as_struct().unwrap();
    assert_eq!((built.get("state"), built.get("task_id")), (Some(&Value::from(1)), Some(&Value::from(task))));
    let extra = built.get("extra").and_then(Value::as_struct).unwrap();
    assert_eq!(extra.get("custom_user_metadata"), Some(&Value::from(metadata)));
    let tagged = value(&mut world, &Call::new("listTagged").arg("eln"));
    assert_eq!(tagged.as_array().unwrap().len(), 1);
    assert_eq!(
        told(&world.take_messages()),
        [
            "build.state.change zlib 0",
            "build.state.change zlib 1",
            "tag zlib eln",
            "repo.init eln-build",
            "repo.done eln-build",
        ]
    );
    let children = value(&mut world, &Call::new("getTaskChildren").arg(task));
    let methods: Vec<&str> = children
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|child| child.as_struct()?.get("method")?.as_str())
        .collect();
    assert_eq!(methods, ["buildSRPMFromSCM", "buildArch", "buildArch", "tagBuild"]);
}

#[test]
fn what_fails_fails_where_it_is_said_to() {
    let mut world = world();
    let options = Struct::new;
    let srpm = build(&mut world, "no-srpm#1", options());
    let compile = build(&mut world, "no-build#1", options());
    let target = Call::new("build").arg("git+https://src.example/rpms/zlib#1").arg("nope");
    let target = value(&mut world, &target).as_int().unwrap();
    pass(&mut world, LONG);
    for (task, code, text) in [
        (srpm, 1005, "error building srpm"),
        (compile, 1005, "error building package (arch "),
        (target, 1000, "unknown build target: nope"),
    ] {
        let fault = result(&mut world, task).unwrap_err();
        assert!(fault.code == code && fault.text.starts_with(text), "{fault}");
    }
    // Nothing is told of a build that has no SRPM.
    assert_eq!(
        told(&world.take_messages()),
        ["build.state.change no-build 0", "build.state.change no-build 3"]
    );
    assert_eq!(count(&mut world, Struct::new().with("state", vec![0, 1, 4])), 0, "nothing is left over");
}

#[test]
fn a_second_build_of_one_source_makes_a_task_that_fails() {
    let mut world = world();
    let first = build(&mut world, "zlib#1.3-2", Struct::new());
    let second = build(&mut world, "zlib#1.3-2", Struct::new());
    pass(&mut world, LONG);
    assert_eq!(result(&mut world, first), Ok(Value::Nil));
    let text = result(&mut world, second).unwrap_err().text;
    assert!(text.starts_with(&format!("Build already in progress (task {first})")), "{text}");
    let third = build(&mut world, "zlib#1.3-2", Struct::new());
    pass(&mut world, LONG);
    let text = result(&mut world, third).unwrap_err().text;
    assert!(text.starts_with("Build already exists (id=3, state=COMPLETE): {'name': 'zlib'"), "{text}");
    // Another commit is another build.
    let other = build(&mut world, "zlib#4f2a", Struct::new());
    pass(&mut world, LONG);
    assert_eq!(result(&mut world, other), Ok(Value::Nil));
}

#[test]
fn a_canceled_build_can_be_built_again_under_its_number() {
    let mut world = world();
    let task = build(&mut world, "kernel#6.13-1", Struct::new());
    pass(&mut world, 600);
    let kernel = || Call::new("getBuild").arg("kernel-6.13-1.eln145");
    let id = member(&mut world, &kernel(), "id");
    value(&mut world, &Call::new("cancelTask").arg(task));
    assert_eq!(member(&mut world, &kernel(), "state"), Value::from(4));
    assert_eq!(count(&mut world, Struct::new().with("state", vec![0, 1, 4])), 0);
    build(&mut world, "kernel#6.13-1", Struct::new());
    pass(&mut world, LONG);
    assert_eq!(member(&mut world, &kernel(), "state"), Value::from(1));
    assert_eq!(member(&mut world, &kernel(), "id"), id);
}

#[test]
fn scratch_builds_and_drafts() {
    let mut world = world();
    let scratch = build(&mut world, "zlib#1.3-2", Struct::new().with("scratch", true));
    pass(&mut world, LONG);
    assert_eq!(result(&mut world, scratch), Ok(Value::Nil));
    assert_eq!(value(&mut world, &Call::new("getBuild").arg("zlib-1.3-2.eln145")), Value::Nil);
    assert_eq!(
        told(&world.take_messages()),
        ["task.state.change FREE", "task.state.change OPEN", "task.state.change CLOSED"]
    );
    let draft = build(&mut world, "zlib#1.3-2", Struct::new().with("draft", true));
    pass(&mut world, LONG);
    assert_eq!(result(&mut world, draft), Ok(Value::Nil));
    value(&mut world, &Call::new("promoteBuild").arg("zlib-1.3-2.eln145,draft_3"));
    assert_eq!(
        member(&mut world, &Call::new("getBuild").arg("zlib-1.3-2.eln145"), "draft"),
        Value::from(false)
    );
}

#[test]
fn overload_shows_in_what_a_client_can_ask() {
    let mut world = world();
    for number in 0..200 {
        build(&mut world, &format!("p{number}#1"), Struct::new());
    }
    pass(&mut world, 120);
    assert!(count(&mut world, Struct::new().with("state", vec![0])) > 100, "tasks wait");
    let hosts = value(&mut world, &Call::new("listHosts"));
    let of_host = |host: &Value, name: &str| host.as_struct()?.get(name)?.as_double();
    let full = hosts
        .as_array()
        .unwrap()
        .iter()
        .filter(|host| of_host(host, "task_load") >= of_host(host, "capacity"));
    assert!(full.count() >= 4, "{hosts:?}");
    pass(&mut world, 40 * 3_600);
    assert_eq!(count(&mut world, Struct::new().with("state", vec![0, 1, 4])), 0, "all is done in the end");
    assert_eq!(value(&mut world, &Call::new("listTagged").arg("eln")).as_array().unwrap().len(), 200);
}

#[test]
fn every_message_is_read_by_the_decoder() {
    let mut world = world();
    build(&mut world, "zlib#1.3-2", Struct::new());
    build(&mut world, "bash#5.2-9", Struct::new().with("scratch", true));
    pass(&mut world, LONG);
    let add = Call::new("packageListAdd").arg("eln").arg("zlib");
    assert_eq!(world.call_as("admin", &add), Answer::Value(Value::Nil));
    let untag = Call::new("untagBuild").arg("eln").arg("zlib-1.3-2.eln145");
    assert_eq!(world.call_as("admin", &untag), Answer::Value(Value::Nil));
    let (mut tags, mut untags, mut completions, mut lists, mut others) = (0, 0, 0, 0, 0);
    for message in world.take_messages() {
        let line = message.line();
        let position = Position { partition: 0, offset: 1 };
        let record =
            Record { position, kafka_millis: None, headers: &[], value: line.as_bytes(), cut: false };
        let decoded = decode(&Settings::defaults("eln").route, &record).unwrap();
        assert_eq!(decoded.id.to_string(), message.id, "{line}");
        match decoded.body {
            Body::Tag(tagging) => {
                assert_eq!((&*tagging.tag, &*tagging.name), ("eln", "zlib"));
                tags += 1;
            }
            Body::Untag(_) => untags += 1,
            Body::BuildState(_) => completions += 1,
            Body::PackageList(_) => lists += 1,
            Body::Unused => others += 1,
            Body::OtherTopic => panic!("{line}"),
        }
    }
    assert_eq!((tags, untags, completions, lists), (1, 1, 2, 1));
    assert!(others >= 5, "repos and the scratch build: {others}");
}

#[test]
fn phantoms_are_told_and_lost_messages_are_not() {
    let mut world = world();
    world.publish_phantom("eln", "zlib-1.3-2.fc42");
    assert_eq!(told(&world.take_messages()), ["tag zlib eln"]);
    assert_eq!(value(&mut world, &Call::new("listTagged").arg("eln")), Value::Array(Vec::new()));
    world.lose_messages(1);
    for nvr in ["zlib-1.3-2.fc42", "bash-5.2-9.fc42"] {
        let tag = Call::new("tagBuildBypass").arg("eln").arg(nvr);
        assert_eq!(world.call_as("admin", &tag), Answer::Value(Value::Nil));
    }
    assert_eq!(told(&world.take_messages()), ["tag bash eln"]);
}

/// Lines of all that happens when these builds are asked for and time passes in these steps.
fn lines(builds: &[(u8, bool)], steps: &[i64]) -> Vec<String> {
    let mut world = world();
    for (number, scratch) in builds {
        build(&mut world, &format!("p{number}#1"), Struct::new().with("scratch", *scratch));
    }
    for step in steps {
        pass(&mut world, *step);
    }
    world.take_messages().iter().map(Message::line).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// One jump in time and many small steps give the same, to the byte.
    #[test]
    fn how_time_is_cut_changes_nothing(
        builds in prop::collection::vec((any::<u8>(), any::<bool>()), 1..12),
        steps in prop::collection::vec(0_i64..4_000, 1..20),
    ) {
        let jump = [steps.iter().sum::<i64>()];
        prop_assert_eq!(lines(&builds, &steps), lines(&builds, &jump));
    }
}
