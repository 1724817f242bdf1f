//! `nines up --detach`: starts a process that runs the stack, and waits until it is ready.

use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use cli::Signals;
use devstack::Identity;
use devstack::stack::{StackDir, StackState};
use nix::sys::signal::Signal;
use tokio::process::{Child, Command};

use super::options::UpOptions;
use super::story;

/// How long a start may take, including the downloads of the first one.
const START_BOUND: Duration = Duration::from_secs(900);
/// How long an interrupted start may take to stop what it had started.
const STOP_BOUND: Duration = Duration::from_secs(60);
/// How often the supervisor is polled.
const POLL: Duration = Duration::from_millis(100);

/// Starts the supervisor, and prints the state of the stack once it is ready.
pub(super) async fn run(options: &UpOptions) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let dir = StackDir::create(&options.folder.dir)?;
    // Checked here too, so that a running stack is an error message rather than a line in a log.
    drop(dir.lock()?);
    let log = dir.logs().join("nines.log");
    let mut echo = Echo::from_end_of(&log)?;
    let mut child = start(options, &dir, &log)?;
    let supervisor = child.id().and_then(Identity::of).context("the supervisor ended at once")?;

    let ready = tokio::select! {
        ready = wait(&dir, supervisor, &mut child, &mut echo) => ready,
        () = signals.next() => {
            supervisor.signal(Signal::SIGTERM)?;
            let ended = tokio::time::timeout(STOP_BOUND, child.wait()).await;
            ended.context("the start was interrupted, but the supervisor does not end")??;
            bail!("interrupted");
        }
    };
    story::print(&ready?, options.json)?;
    Ok(ExitCode::SUCCESS)
}

fn start(options: &UpOptions, dir: &StackDir, log: &Path) -> anyhow::Result<Child> {
    let output = OpenOptions::new().create(true).append(true).open(log)?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["up", "--supervise", "--dir"]).arg(dir.path());
    command.args(["--order-replicas", &options.order_replicas.to_string(), "--broker", options.broker.name()]);
    for (service, count) in &options.replicas {
        command.arg("--replicas").arg(format!("{service}={count}"));
    }
    if options.no_demo {
        command.arg("--no-demo");
    }
    // The supervisor starts a session itself, which it could not as the leader of a process group.
    // This process prints the result; what the supervisor writes goes to the log.
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

/// Copies the supervisor's log to the terminal.
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
