//! `nines down`: stops a stack that runs, and with `--wipe` removes its data.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use devstack::Identity;
use devstack::stack::{StackDir, StackState};
use nix::sys::signal::Signal;

use super::Place;
use crate::output;

/// How long a stack may drain and stop: 20 s for the gateway, 20 s for the services, 15 s for the rest.
const STOP_BOUND: Duration = Duration::from_secs(60);
/// How long what was killed may take to be gone.
const KILL_BOUND: Duration = Duration::from_secs(5);
/// How often it is looked whether a process is gone.
const POLL: Duration = Duration::from_millis(50);

#[derive(Debug, Args)]
pub(super) struct Down {
    #[command(flatten)]
    place: Place,
    /// Remove the stack's data, logs and secrets as well.
    #[arg(long)]
    wipe: bool,
}

impl Down {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let shown = self.place.dir.display().to_string();
        let Some(dir) = StackDir::find(&self.place.dir)? else {
            output::result(&format!("nothing runs in {shown}: there is no such folder"))?;
            return Ok(ExitCode::SUCCESS);
        };
        match dir.state()? {
            Some(state) => {
                stop(&state).await?;
                dir.clear_state()?;
                output::result(&format!("stopped the stack in {shown}"))?;
            }
            None => output::result(&format!("nothing runs in {shown}"))?,
        }
        if self.wipe {
            let lock = dir.lock()?;
            let left = dir.wipe(lock)?;
            output::result(&format!("removed the data of {shown}"))?;
            if !left.is_empty() {
                output::complain(&format!("left alone, because no stack put it there: {}", left.join(", ")));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn stop(state: &StackState) -> anyhow::Result<()> {
    if state.supervisor.is_alive() {
        // The supervisor of a foreground stack shares its group with the shell's pipeline: only it is meant.
        state.supervisor.signal(Signal::SIGTERM)?;
        if !gone(&[state.supervisor], STOP_BOUND).await {
            output::complain("the stack does not stop and is killed");
            state.supervisor.signal(Signal::SIGKILL)?;
        }
    }
    // After a crash of the supervisor its processes normally end with it; this is for systems where they can't.
    let services: Vec<Identity> = state.services.iter().map(|service| service.identity).collect();
    let rest: Vec<Identity> = services.into_iter().chain([state.supervisor]).filter(Identity::is_alive).collect();
    for identity in &rest {
        identity.signal(Signal::SIGKILL).with_context(|| format!("can't kill process {}", identity.pid))?;
    }
    if !gone(&rest, KILL_BOUND).await {
        bail!("some processes of the stack do not end; `nines ps` lists them");
    }
    Ok(())
}

async fn gone(identities: &[Identity], bound: Duration) -> bool {
    let all_gone = async {
        while identities.iter().any(Identity::is_alive) {
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::time::timeout(bound, all_gone).await.is_ok()
}
