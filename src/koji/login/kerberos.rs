//! Login by Kerberos: a ticket for the hub, taken in a process of its own.
//!
//! The library of Kerberos is told by the environment alone which key table to use and where to keep tickets, and it may
//! wait for minutes until it gives a network up. So Tidegate starts itself anew for each login (`ticket.rs` is what runs
//! there): that process has its own environment, keeps its tickets in its own memory, and is killed when it takes too
//! long. Each login takes a new ticket, so that none has to be renewed.

use std::ffi::OsString;
use std::io::{self, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use super::ticket::{Reply, Ticket};
use super::trouble::{TicketError, TicketProblem};

/// The longest reply that is read; a ticket with all groups of its user is under 100 KiB.
const REPLY_BYTES: u64 = 256 << 10;

/// Who logs in by Kerberos, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kerberos {
    /// The file with the keys (key table). `None`: what the environment says, which is the key table of
    /// `KRB5_CLIENT_KTNAME`, or else the ticket that somebody took with `kinit`.
    pub keytab: Option<PathBuf>,
    /// As whom; `None`: as whom the first key of the key table, or the ticket, belongs to.
    pub principal: Option<String>,
    /// In the name of this user, if the hub allows it.
    pub proxy_user: Option<String>,
    /// The program that is started to take the ticket: Tidegate itself.
    pub program: PathBuf,
    /// How long it may take.
    pub limit: Duration,
}

impl Default for Kerberos {
    /// As the environment says; 60 s.
    fn default() -> Self {
        Self {
            keytab: None,
            principal: None,
            proxy_user: None,
            // The program that runs, also where an update has put another in its place.
            program: PathBuf::from("/proc/self/exe"),
            limit: Duration::from_secs(60),
        }
    }
}

impl Kerberos {
    /// Takes a ticket for the web server of `host`.
    pub(super) async fn ticket(&self, host: &str) -> Result<Ticket, TicketError> {
        if let Some(keytab) = &self.keytab {
            let opened = tokio::fs::File::open(keytab).await;
            opened.map_err(|error| self.failed(TicketProblem::Keytab, error.to_string()))?;
        }
        let helper = |error: &dyn std::fmt::Display| self.failed(TicketProblem::Helper, error.to_string());
        let (running, output) = Running::start(&mut self.command(host)).map_err(|error| helper(&error))?;
        let reading = tokio::task::spawn_blocking(move || read(output));
        let Ok(read) = tokio::time::timeout(self.limit, reading).await else {
            return Err(
                self.failed(TicketProblem::TimedOut, format!("{} s have passed", self.limit.as_secs()))
            );
        };
        drop(running);
        let reply = read.map_err(|error| helper(&error))?.map_err(|error| helper(&error))?;
        match reply {
            Reply::Ticket(ticket) => Ok(ticket),
            Reply::Refused { problem, detail } => Err(self.failed(problem, detail)),
        }
    }

    fn command(&self, host: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("kerberos-ticket").arg(format!("--host={host}"));
        if let Some(principal) = &self.principal {
            command.arg(format!("--principal={principal}"));
        }
        if let Some(keytab) = &self.keytab {
            let mut name = OsString::from("FILE:");
            name.push(keytab);
            command.env("KRB5_CLIENT_KTNAME", name).env("KRB5CCNAME", "MEMORY:tidegate");
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command
    }

    fn failed(&self, problem: TicketProblem, detail: String) -> TicketError {
        TicketError { problem, keytab: self.keytab.clone(), detail }
    }
}

/// A process that ends with this, whether or not somebody still waits for it.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> io::Result<(Self, ChildStdout)> {
        let mut child = command.spawn()?;
        let output = child.stdout.take();
        let running = Self(child);
        output.map(|output| (running, output)).ok_or_else(|| io::Error::other("it has no output"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended already cannot be killed, and is only waited for.
        self.0.kill().unwrap_or_default();
        self.0.wait().map(|_| ()).unwrap_or_default();
    }
}

fn read(output: ChildStdout) -> io::Result<Reply> {
    let mut bytes = Vec::new();
    output.take(REPLY_BYTES).read_to_end(&mut bytes)?;
    if bytes.is_empty() {
        return Err(io::Error::other("it ended without a reply"));
    }
    serde_json::from_slice(&bytes)
        .map_err(|error| io::Error::other(format!("its reply cannot be read: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// What comes of it if the process is this shell script.
    async fn outcome(script: &str, kerberos: Kerberos) -> Result<Ticket, TicketError> {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
        Kerberos { program, ..kerberos }.ticket("koji.example").await
    }

    fn problem(outcome: Result<Ticket, TicketError>) -> TicketProblem {
        outcome.err().unwrap().problem
    }

    #[tokio::test]
    async fn the_key_table_is_told_to_the_process_alone() {
        let script = r#"printf '{"refused":{"problem":"other","detail":"%s|%s|%s"}}' \
            "$*" "$KRB5_CLIENT_KTNAME" "$KRB5CCNAME""#;
        let keytab = tempfile::NamedTempFile::new().unwrap();
        let kerberos = Kerberos {
            keytab: Some(keytab.path().to_owned()),
            principal: Some("eln@EXAMPLE.ORG".to_owned()),
            ..Kerberos::default()
        };
        let told = outcome(script, kerberos).await.err().unwrap().detail;
        let wanted = format!(
            "kerberos-ticket --host=koji.example --principal=eln@EXAMPLE.ORG|FILE:{}|MEMORY:tidegate",
            keytab.path().display()
        );
        assert_eq!(told, wanted);
        assert_ne!(std::env::var("KRB5CCNAME").as_deref(), Ok("MEMORY:tidegate"));
    }

    #[tokio::test]
    async fn a_key_table_that_is_not_there_is_named() {
        let kerberos = Kerberos { keytab: Some(PathBuf::from("/nonexistent/key")), ..Kerberos::default() };
        let error = kerberos.ticket("koji.example").await.err().unwrap();
        assert_eq!(error.problem, TicketProblem::Keytab);
        assert!(error.to_string().contains("/nonexistent/key"), "{error}");
    }

    #[tokio::test]
    async fn a_process_that_hangs_is_given_up_and_killed() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("alive");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        // Holds the pipe open for writing as long as it lives, and says nothing.
        let script = format!("exec sleep 1000 3>'{}'", pipe.display());
        let reader = tokio::task::spawn_blocking(move || std::fs::read(pipe).unwrap());
        let kerberos = Kerberos { limit: Duration::from_millis(300), ..Kerberos::default() };
        assert_eq!(problem(outcome(&script, kerberos).await), TicketProblem::TimedOut);
        // The pipe has an end only because nobody holds it any more.
        assert!(reader.await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_process_that_fails_gives_no_ticket() {
        for script in ["exit 1", "echo no", "echo '{\"ticket\":{}}'", "head -c 300000 /dev/zero"] {
            assert_eq!(
                problem(outcome(script, Kerberos::default()).await),
                TicketProblem::Helper,
                "{script}"
            );
        }
        let program = PathBuf::from("/nonexistent/tidegate");
        let none = Kerberos { program, ..Kerberos::default() }.ticket("koji.example").await;
        assert_eq!(problem(none), TicketProblem::Helper);
    }
}
