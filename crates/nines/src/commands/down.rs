//! `nines down`: stops a stack, and with `--wipe` removes its data.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use cli::{StackFolder, terminal};
use devstack::Identity;
use devstack::stack::{StackDir, StackState};
use nix::sys::signal::Signal;

/// How long a stack may drain and stop: 20 s for the gateway, 20 s for the services, 15 s for the rest.
const STOP_BOUND: Duration = Duration::from_secs(60);
/// How long killed processes may take to end.
const KILL_BOUND: Duration = Duration::from_secs(5);
/// How often processes are polled.
const POLL: Duration = Duration::from_millis(50);

#[derive(Debug, Args)]
pub(super) struct Down {
    #[command(flatten)]
    folder: StackFolder,
    /// Remove the stack's data, logs and secrets as well.
    #[arg(long)]
    wipe: bool,
}

impl Down {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let shown = self.folder.dir.display().to_string();
        let Some(dir) = StackDir::find(&self.folder.dir)? else {
            terminal::line(format!("nothing runs in {shown}: there is no such folder"))?;
            return Ok(ExitCode::SUCCESS);
        };
        match dir.state()? {
            Some(state) => {
                stop(&state).await?;
                dir.clear_state()?;
                terminal::line(format!("stopped the stack in {shown}"))?;
            }
            None => terminal::line(format!("nothing runs in {shown}"))?,
        }
        if self.wipe {
            let lock = dir.lock()?;
            let left = dir.wipe(lock)?;
            terminal::line(format!("removed the data of {shown}"))?;
            if !left.is_empty() {
                terminal::note(&format!("kept, because no stack created it: {}", left.join(", ")));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn stop(state: &StackState) -> anyhow::Result<()> {
    if state.supervisor.is_alive() {
        // Only the supervisor, not its process group: a foreground stack shares that with the shell's pipeline.
        state.supervisor.signal(Signal::SIGTERM)?;
        if !all_ended(&[state.supervisor], STOP_BOUND).await {
            terminal::note("the stack does not stop and is killed");
            state.supervisor.signal(Signal::SIGKILL)?;
        }
    }
    // Normally the processes end with their supervisor, even when it crashes; this is for systems where they can't.
    let services: Vec<Identity> = state.services.iter().map(|service| service.identity).collect();
    let rest: Vec<Identity> = services.into_iter().chain([state.supervisor]).filter(Identity::is_alive).collect();
    for identity in &rest {
        identity.signal(Signal::SIGKILL).with_context(|| format!("can't kill process {}", identity.pid))?;
    }
    if !all_ended(&rest, KILL_BOUND).await {
        bail!("some processes of the stack do not end; `nines ps` lists them");
    }
    Ok(())
}

async fn all_ended(identities: &[Identity], bound: Duration) -> bool {
    let ended = async {
        while identities.iter().any(Identity::is_alive) {
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::time::timeout(bound, ended).await.is_ok()
}
