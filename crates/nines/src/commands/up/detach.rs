//! `nines up --detach`: starts a process that runs the stack, and waits until it is ready.

use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use devstack::Identity;
use devstack::stack::{StackDir, StackState};
use nix::sys::signal::Signal;
use tokio::process::{Child, Command};

use super::up::{self, Up};
use crate::signals::Signals;

/// How long a start may take: fetching the parts the first time is most of it.
const START_BOUND: Duration = Duration::from_secs(900);
/// How long a start that was interrupted may take to stop what it had started.
const STOP_BOUND: Duration = Duration::from_secs(60);
/// How often the supervisor is looked at.
const POLL: Duration = Duration::from_millis(100);

pub(super) async fn run(up: &Up) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let dir = StackDir::create(&up.place.dir)?;
    // Asked here too, so that the answer is an error message rather than a line in a log.
    drop(dir.lock()?);
    let log = dir.logs().join("nines.log");
    let mut echo = Echo::from_end_of(&log)?;
    let mut child = start(up, &dir, &log)?;
    let supervisor = child.id().and_then(Identity::of).context("the supervisor ended at once")?;

    let ready = tokio::select! {
        ready = wait(&dir, supervisor, &mut child, &mut echo) => ready,
        () = signals.next() => {
            supervisor.signal(Signal::SIGTERM)?;
            let ended = tokio::time::timeout(STOP_BOUND, child.wait()).await;
            ended.context("the start was interrupted, but its supervisor does not end")??;
            bail!("interrupted");
        }
    };
    up::print(&ready?, up.json)?;
    Ok(ExitCode::SUCCESS)
}

fn start(up: &Up, dir: &StackDir, log: &Path) -> anyhow::Result<Child> {
    let output = OpenOptions::new().create(true).append(true).open(log)?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["up", "--supervise", "--dir"]).arg(dir.path());
    command.args(["--order-replicas", &up.order_replicas.to_string(), "--broker", up.broker.name()]);
    for (service, count) in &up.replicas {
        command.arg("--replicas").arg(format!("{service}={count}"));
    }
    if up.no_demo {
        command.arg("--no-demo");
    }
    // A new session is made by the supervisor itself; a group of its own would forbid it that.
    // Its result is for us to print; what it writes on the way goes to the log.
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(output);
    command.spawn().context("can't start the supervisor")
}

async fn wait(dir: &StackDir, supervisor: Identity, child: &mut Child, echo: &mut Echo) -> anyhow::Result<StackState> {
    let ready = async {
        loop {
            let ended = child.try_wait()?;
            let ready = dir.state()?.filter(|state| state.ready && state.supervisor == supervisor);
            echo.forward()?;
            if let Some(state) = ready {
                return Ok(state);
            }
            if let Some(status) = ended {
                bail!("the stack did not start ({})", devstack::process::describe(status));
            }
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::time::timeout(START_BOUND, ready).await.context("the stack did not start in 15 minutes")?
}

/// Passes what the supervisor writes to its log on to the terminal.
struct Echo {
    log: std::fs::File,
}

impl Echo {
    fn from_end_of(log: &Path) -> anyhow::Result<Self> {
        let mut log = OpenOptions::new().create(true).append(true).read(true).open(log)?;
        log.seek(SeekFrom::End(0))?;
        Ok(Self { log })
    }

    fn forward(&mut self) -> anyhow::Result<()> {
        let mut text = Vec::new();
        self.log.read_to_end(&mut text)?;
        std::io::stderr().write_all(&text)?;
        Ok(())
    }
}
