//! `nines slo`: generates Prometheus rules from the service level objectives in `deploy/slo`, and prints how much of
//! their error budgets is left.

mod generate;
mod prometheus;
mod promised;
mod rules;
mod span;
mod spec;
mod status;
mod windows;
mod yaml;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use generate::Generate;
use status::Status;

/// Service level objectives: their rules for Prometheus, and their error budgets.
#[derive(Debug, Args)]
pub struct Slo {
    #[command(subcommand)]
    action: SloAction,
}

#[derive(Debug, Subcommand)]
enum SloAction {
    /// Generate Prometheus rules and alerts from the objectives.
    ///
    /// With --check nothing is written, and the exit code is 1 when a file differs from what would be written.
    Generate(Generate),
    /// Print how much of each error budget is left, from a running Prometheus with the rules.
    Status(Status),
}

impl Slo {
    /// Runs the command and prints its result.
    ///
    /// # Errors
    /// When an objective is not valid, a file can't be read or written, or Prometheus can't be queried or has no
    /// objectives.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        match self.action {
            SloAction::Generate(generate) => generate.run(),
            SloAction::Status(status) => status.run().await,
        }
    }
}
