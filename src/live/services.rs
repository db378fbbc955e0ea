//! Tasks beside the pipeline: they fetch package lists and announce what was decided. What they find comes back as inputs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tracing::Level;

use super::announcer::{Announcer, Patience};
use super::ask::Request;
use super::commands::Reloaded;
use super::shell::{Input, reply_to};
use super::socket::Asked;
use super::tell::changes;
use super::view::View;
use super::witness::Inquiry;
use super::witness::hub::Hub;
use crate::input::lists;
use crate::kafka::config::{ConfigError, Connection};
use crate::kafka::producer::Producer;
use crate::koji::client::SetupError;
use crate::lists::watch::watch;
use crate::lists::{FetchSettings, Fetcher};
use crate::pipeline::{self, Outputs, Pipeline};
use crate::sink::Sink as _;
use crate::sink::carrier::{Carrier, Limits};
use crate::sink::setup::{SetupError as SinkError, setup};
use crate::state::live::Notice;
use crate::submit::Ask;

/// Logs each change of how the pipeline stands, in one line each.
pub fn tell(mut view: watch::Receiver<Arc<View>>) {
    tokio::spawn(async move {
        let mut before: Option<Arc<View>> = None;
        loop {
            let now = Arc::clone(&view.borrow_and_update());
            for line in changes(before.as_deref(), &now) {
                // The level of an event is fixed where it stands.
                match line.level {
                    Level::ERROR => tracing::error!("{}", line.text),
                    Level::WARN => tracing::warn!("{}", line.text),
                    _ => tracing::info!("{}", line.text),
                }
            }
            before = Some(now);
            if view.changed().await.is_err() {
                return;
            }
        }
    });
}

/// Passes on what operators ask. A pipeline file is read anew by `read`.
pub fn operators(
    mut asked: mpsc::Receiver<Asked>,
    inputs: mpsc::Sender<Input>,
    read: impl Fn() -> Reloaded + Send + 'static,
) {
    tokio::spawn(async move {
        while let Some((ask, answer)) = asked.recv().await {
            let reply = reply_to(answer);
            let input = if ask.request == Request::Reload {
                Input::Reload(ask.who, read(), reply)
            } else {
                Input::Ask(ask, reply)
            };
            if inputs.send(input).await.is_err() {
                return;
            }
        }
    });
}

/// What runs here.
#[derive(Debug)]
pub struct Site {
    /// The pipeline file.
    pub pipeline: Pipeline,
    /// Identity of the state.
    pub state: String,
    /// The folder that names of files start from.
    pub folder: PathBuf,
}

/// Why a task cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The certificates that are trusted cannot be read.
    #[error("package lists: {0}")]
    Tls(#[from] crate::koji::tls::TlsError),
    /// The hub that is asked for evidence cannot be.
    #[error("evidence: {0}")]
    Koji(#[from] SetupError),
    /// The sink cannot be used.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The settings or the files with secrets are wrong.
    #[error("announcing: {0}")]
    Kafka(#[from] ConfigError),
}

/// Fetches the package list now and again, where the pipeline takes one.
///
/// # Errors
/// Where the certificates that are trusted cannot be read.
pub fn packages(site: &Site, inputs: &mpsc::Sender<Input>) -> Result<(), ServiceError> {
    let wanted = site.pipeline.packages.clone();
    if wanted.lists.is_empty() {
        return Ok(());
    }
    let fetcher = Fetcher::new(&FetchSettings::new(&wanted, &site.folder))?;
    let every = Duration::from_secs(wanted.refresh.0.unsigned_abs());
    let fallback = wanted.fallback.as_ref().map(|file| site.folder.join(file));
    let (sender, mut results) = mpsc::channel(1);
    tokio::spawn(watch(fetcher, wanted, every, sender, std::future::pending()));
    let inputs = inputs.clone();
    tokio::spawn(async move {
        while let Some(result) = results.recv().await {
            let failed = result.is_err();
            let told = Input::Packages(result.map_err(|failure| failure.to_string()));
            if inputs.send(told).await.is_err() {
                return;
            }
            let Some(file) = fallback.as_ref().filter(|_| failed) else { continue };
            match lists::packages(file) {
                Ok(list) => drop(inputs.send(Input::Fallback(Arc::new(list))).await),
                Err(error) => tracing::error!("the package list that stands in cannot be read: {error}"),
            }
        }
    });
    Ok(())
}

/// Asks Koji what the pipeline wants to know, where it names a hub.
///
/// # Errors
/// Where the address is none.
pub fn koji(
    site: &Site,
    inquiries: mpsc::Receiver<Inquiry>,
    inputs: &mpsc::Sender<Input>,
) -> Result<(), ServiceError> {
    if let Some(hub) = &site.pipeline.evidence_hub {
        tokio::spawn(Hub::new(hub)?.serve(inquiries, inputs.clone()));
    }
    Ok(())
}

/// Carries out what the submitter asks, one thing after another, where the pipeline has a sink.
///
/// # Errors
/// Where an address, a login or a file of the sink is of no use.
pub fn sink(
    site: &Site,
    mut submissions: mpsc::Receiver<Ask>,
    inputs: &mpsc::Sender<Input>,
) -> Result<(), ServiceError> {
    let Site { pipeline, folder, .. } = site;
    if pipeline.sink == pipeline::Sink::DryRun {
        return Ok(());
    }
    let mut sink = Carrier::new(setup(&pipeline.sink, folder, None)?, Limits::default());
    let inputs = inputs.clone();
    tokio::spawn(async move {
        while let Some(ask) = submissions.recv().await {
            let answer = sink.perform(ask).await;
            if inputs.send(Input::Sink(answer)).await.is_err() {
                return;
            }
        }
    });
    Ok(())
}

/// Announces what was decided, where the pipeline names topics for it.
///
/// # Errors
/// Where the settings or the files with secrets are wrong.
pub fn announce(
    site: &Site,
    notices: mpsc::Receiver<Vec<(u64, Notice)>>,
    inputs: &mpsc::Sender<Input>,
) -> Result<(), ServiceError> {
    let outputs = site.pipeline.outputs.clone();
    if outputs == Outputs::default() {
        return Ok(());
    }
    let producer = Producer::new(&Connection::of_source(&site.pipeline.kafka))?;
    let (announcer, mut troubles) =
        Announcer::new(producer, outputs, site.state.clone(), Patience::default());
    let (sender, mut confirmed) = mpsc::channel(1);
    tokio::spawn(announcer.run(notices, sender));
    tokio::spawn(async move {
        while troubles.changed().await.is_ok() {
            for (topic, text) in &*troubles.borrow_and_update() {
                tracing::error!(topic, "{text}");
            }
        }
    });
    let inputs = inputs.clone();
    tokio::spawn(async move {
        while let Some(last) = confirmed.recv().await {
            if inputs.send(Input::Announced(last)).await.is_err() {
                return;
            }
        }
    });
    Ok(())
}
