//! What became of tasks.

use tidegate::koji::command::BuildKind;
use tidegate::koji::xmlrpc::Call;
use tidegate::sink::Sink;
use tidegate::sink::koji::{BuildStyle, KojiSink};
use tidegate::submit::ask::{Answer, Ask, Cause, Failure, Progress};
use tidegate::submit::row::TaskId;

use super::{LONG, asked, log_in, ordered, sink, sink_with, start, world};
use crate::order;

async fn progress(sink: &mut KojiSink, tasks: &[TaskId]) -> Vec<Option<Progress>> {
    let Answer::Followed(followed) = sink.perform(Ask::Follow(tasks.to_vec())).await else {
        panic!("nothing was followed")
    };
    let of: Vec<TaskId> = followed.iter().map(|(task, _)| *task).collect();
    assert_eq!(of, tasks);
    followed.into_iter().map(|(_, progress)| progress).collect()
}

#[tokio::test]
async fn each_task_ends_as_it_is_told() {
    let hub = start(world()).await;
    let mut sink = sink(&hub);
    let (session, callnum) = log_in(&mut sink, &[]).await;
    let mut tasks = Vec::new();
    let orders = [
        ("zlib#1.3-2", "eln"),
        ("no-build#1", "eln"),
        ("no-srpm#1", "eln"),
        ("bash#1", "nope"),
        ("kernel#6-1", "eln"),
    ];
    for (number, (source, target)) in (0..).zip(orders) {
        let source = format!("git+https://src.example/rpms/{source}");
        tasks.push(ordered(&mut sink, (session, callnum + number), order(number, &source, target)).await);
    }
    tasks.push(TaskId(999_999));
    let begun = progress(&mut sink, &tasks).await;
    assert!(begun.iter().take(5).all(|found| *found == Some(Progress::Waiting)), "{begun:?}");
    assert_eq!(begun[5], None, "the hub does not know it");

    hub.advance_seconds(10);
    assert_eq!(progress(&mut sink, &tasks[..1]).await, [Some(Progress::Building)]);
    let kernel = i64::try_from(tasks[4].0).unwrap();
    asked(&hub, &Call::new("cancelTask").arg(kernel));
    hub.advance_seconds(LONG);
    let ended = progress(&mut sink, &tasks).await;
    assert_eq!(ended[0], Some(Progress::Built { nvr: Some("zlib-1.3-2.eln145".into()) }));
    assert_eq!(ended[4], Some(Progress::Canceled));
    let failures: Vec<&Failure> = ended
        .iter()
        .filter_map(|found| if let Some(Progress::Failed(failure)) = found { Some(failure) } else { None })
        .collect();
    assert_eq!(failures.len(), 3, "{ended:?}");
    for (failure, stage, text) in [
        (failures[0], "buildArch ", "error building package (arch "),
        (failures[1], "srpm", "error building srpm"),
        (failures[2], "build", "unknown build target: nope"),
    ] {
        assert!(failure.stage.starts_with(stage), "{failure:?}");
        assert!(failure.text.starts_with(text), "{failure:?}");
        assert_eq!(failure.cause, Cause::Package, "{failure:?}");
    }
    hub.stop().await;
}

#[tokio::test]
async fn a_scratch_build_has_no_name() {
    let hub = start(world()).await;
    let style = BuildStyle { kind: BuildKind::Scratch, ..BuildStyle::default() };
    let mut sink = sink_with(&hub, style, "rebuilderpw");
    let access = log_in(&mut sink, &[]).await;
    let task = ordered(&mut sink, access, order(1, crate::SOURCE, "eln")).await;
    hub.advance_seconds(LONG);
    assert_eq!(progress(&mut sink, &[task]).await, [Some(Progress::Built { nvr: None })]);
    hub.stop().await;
}
