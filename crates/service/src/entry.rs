//! The entry point of every process: command line, configuration, telemetry, runtime, exit code.

use std::future::Future;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};

use crate::config::{self, ServiceConfig};
use crate::telemetry;

/// The command of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Subcommand)]
pub enum Command {
    /// Serve until SIGTERM.
    #[default]
    Serve,
    /// Bring the database schema up to date, then exit.
    Migrate,
    /// Check the configuration, then exit.
    CheckConfig,
}

#[derive(Debug, Parser)]
#[command(version)]
struct CommandLine {
    /// The TOML file with the configuration; FOURNINES__SECTION__KEY variables override it.
    #[arg(long)]
    config: PathBuf,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Runs a process named `name` from its command line to its exit code.
pub fn run_main<C: ServiceConfig, F>(name: &'static str, run: impl FnOnce(C, Command) -> F) -> ExitCode
where
    F: Future<Output = anyhow::Result<()>>,
{
    let command_line = CommandLine::parse();
    match start(name, command_line, run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Telemetry may not have started, so errors always go to stderr too.
            #[allow(clippy::print_stderr)]
            {
                eprintln!("{name}: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}

fn start<C: ServiceConfig, F>(
    name: &'static str,
    command_line: CommandLine,
    run: impl FnOnce(C, Command) -> F,
) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>>,
{
    let path = &command_line.config;
    let config: C = config::load(path).with_context(|| format!("{}", path.display()))?;
    let command = command_line.command.unwrap_or_default();
    if command == Command::CheckConfig {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let traces = telemetry::init(name, config.log(), config.telemetry())?;
        let ran = run(config, command).await;
        if let Err(error) = &ran {
            tracing::error!(error = format!("{error:#}"), "failed");
        }
        traces.flush().await;
        ran
    })
}
