//! `nines up`: starts a stack and keeps it running.

mod demo;
mod detach;
mod options;
mod stack;
mod story;

use std::process::ExitCode;

use anyhow::Context as _;
use cli::{Signals, terminal};
use devstack::stack::StackDir;

use stack::Stack;

pub(super) use options::{UpOptions, broker_kind};

/// Runs the command, in the foreground unless the options say otherwise.
pub(super) async fn run(options: UpOptions) -> anyhow::Result<ExitCode> {
    if options.detach {
        return detach::run(&options).await;
    }
    if options.supervise {
        nix::unistd::setsid().context("can't leave the terminal")?;
    }
    let mut signals = Signals::listen()?;
    let dir = StackDir::create(&options.folder.dir)?;
    let lock = dir.lock()?;
    let result = foreground(&options, &dir, &mut signals).await;
    // In any case nothing runs any more: dropping kills what was not stopped.
    dir.clear_state()?;
    drop(lock);
    result
}

async fn foreground(options: &UpOptions, dir: &StackDir, signals: &mut Signals) -> anyhow::Result<ExitCode> {
    let progress = cli::progress();
    dir.write_state(&stack::starting()?)?;
    let (stack, state) = tokio::select! {
        started = Stack::start(dir, options, &progress) => started?,
        () = signals.next() => {
            terminal::note("stopped while starting");
            return Ok(ExitCode::SUCCESS);
        }
    };
    story::print(&state, options.json)?;
    if !options.supervise {
        terminal::note("\nCtrl-C stops everything; the data is kept.");
    }
    let all_running = stack.watch(signals).await;
    let stopped = tokio::select! {
        result = progress.step("stopping", stack.stop()) => result,
        // A second signal stops everything at once: dropping kills.
        () = signals.next() => Ok(()),
    };
    stopped?;
    Ok(if all_running { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
