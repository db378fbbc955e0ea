//! `tidegate tap`: decisions as they are written.

use std::io::{ErrorKind, Write};
use std::time::Duration;

use clap::Args;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Failure;
use super::history::{FromState, Rows};
use super::output::OutputArgs;
use crate::state::read::{Filter, Known, Reader};

/// Rows that are read at once.
const ROWS: u32 = 1_000;
/// How often it is looked whether the writer wrote more: one small read each time.
const EVERY: Duration = Duration::from_millis(250);

/// Show decisions as they are written to a state
#[derive(Debug, Args)]
#[command(
    before_long_help = "Examples:
  tidegate tap --state eln.db --follow
  tidegate tap --state eln.db --follow --outcome held -o jsonl | while read -r decision; do ...; done
  tidegate tap --state eln.db --last 20",
    after_long_help = "It shows the last decisions and, with --follow, each further one once the Tidegate that writes the state has \
                       written it. It stops by itself where its output is closed, and at ctrl-c."
)]
pub(super) struct Tap {
    #[command(flatten)]
    from: FromState,
    /// Begin with so many of the newest decisions that are asked for.
    #[arg(long, value_name = "N", default_value_t = 10)]
    last: u32,
    /// Go on until it is stopped.
    #[arg(long, short)]
    follow: bool,
    #[command(flatten)]
    output: OutputArgs,
}

impl Tap {
    pub(super) fn run(self) -> Result<(), Failure> {
        let reader = Reader::open(&self.from.state)?;
        let mut feed = Feed {
            filter: self.from.filter(),
            rows: Rows::new(self.output.out()),
            reader,
            known: Known::default(),
            id: 0,
        };
        feed.begin(self.last)?;
        if !self.follow {
            return Ok(());
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(feed.follow())
    }
}

/// What was shown, and where it goes on.
struct Feed {
    reader: Reader,
    filter: Filter,
    rows: Rows,
    known: Known,
    /// The number of the last decision that was looked at.
    id: i64,
}

impl Feed {
    /// Shows the newest decisions.
    fn begin(&mut self, last: u32) -> Result<(), Failure> {
        let steps = self.reader.newest_of(last, &self.filter, &mut self.known)?;
        self.id = self.reader.newest()?;
        let mut to = std::io::stdout().lock();
        for step in &steps {
            self.rows.write(&mut to, step)?;
        }
        Ok(to.flush()?)
    }

    /// Shows what was written since.
    fn more(&mut self) -> Result<(), Failure> {
        let mut to = std::io::BufWriter::new(std::io::stdout().lock());
        loop {
            let (steps, reached) = self.reader.after(self.id, ROWS, &self.filter, &mut self.known)?;
            if reached == self.id {
                break;
            }
            self.id = reached;
            for step in &steps {
                self.rows.write(&mut to, step)?;
            }
        }
        Ok(to.flush()?)
    }

    async fn follow(mut self) -> Result<(), Failure> {
        let mut ticks = tokio::time::interval(EVERY);
        let mut stop = std::pin::pin!(tokio::signal::ctrl_c());
        let mut version = None;
        loop {
            tokio::select! {
                stopped = &mut stop => return Ok(stopped?),
                _ = ticks.tick() => {}
            }
            if is_closed() {
                return Err(Failure::Write(ErrorKind::BrokenPipe.into()));
            }
            let now = Some(self.reader.version()?);
            if now != version {
                version = now;
                self.more()?;
            }
        }
    }
}

/// Whether nobody reads the output any more: `head` has seen enough.
fn is_closed() -> bool {
    let stdout = std::io::stdout();
    let mut watched = [PollFd::new(&stdout, PollFlags::empty())];
    let polled = poll(&mut watched, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
    polled.is_ok() && watched.iter().any(|fd| fd.revents().contains(PollFlags::ERR))
}
