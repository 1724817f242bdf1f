//! `nines with-stack -- COMMAND`: runs a command beside a replica set and a broker of its own.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use cli::Signals;
use devstack::scratch::Scratch;
use devstack::testing::STACK_VARIABLE;
use devstack::{Backing, BackingOptions, BrokerKind, files};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

use super::up;

/// How long the command may take to end after a signal.
const GRACE: Duration = Duration::from_secs(30);

#[derive(Debug, Args)]
pub(super) struct WithStack {
    /// The broker; tests that start a stack of their own use the same kind.
    #[arg(long, default_value_t, value_parser = up::broker_kind(), value_name = "KIND")]
    broker: BrokerKind,
    /// The command and its arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    command: Vec<OsString>,
}

impl WithStack {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let mut signals = Signals::listen()?;
        let progress = cli::progress();
        let scratch = Scratch::create()?;
        let options = BackingOptions::for_test_run(scratch.path(), self.broker);
        let backing = tokio::select! {
            backing = Backing::start(options, &progress) => backing?,
            () = signals.next() => return Ok(ExitCode::FAILURE),
        };
        let file = scratch.path().join("connection.json");
        files::write_atomically(&file, &serde_json::to_vec(&backing.connection())?, 0o600)?;

        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]).env(STACK_VARIABLE, &file).kill_on_drop(true);
        let ran = match command.spawn() {
            Ok(mut child) => wait(&mut child, &mut signals).await,
            Err(error) => Err(error).with_context(|| format!("can't run {}", self.command[0].display())),
        };
        let stopped = backing.stop().await;
        let code = code(ran?);
        stopped?;
        Ok(code)
    }
}

/// Waits for the command. Ctrl-C reaches it through the terminal; a SIGTERM to this process is forwarded.
async fn wait(child: &mut Child, signals: &mut Signals) -> anyhow::Result<ExitStatus> {
    tokio::select! {
        status = child.wait() => return Ok(status?),
        () = signals.next() => {}
    }
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
        // It still has an id, so it was not reaped, and no other process can have its pid.
        kill(Pid::from_raw(pid), Signal::SIGTERM).context("can't stop the command")?;
    }
    match tokio::time::timeout(GRACE, child.wait()).await {
        Ok(status) => Ok(status?),
        Err(_elapsed) => {
            child.kill().await.context("can't kill the command")?;
            Ok(child.wait().await?)
        }
    }
}

/// The command's exit code; 128 plus the signal's number when a signal killed it, as in shells.
fn code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
}
