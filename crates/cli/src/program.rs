//! How every command-line tool runs: logs to stderr, an error as one line, and an exit code.

use std::io::{self, ErrorKind};
use std::process::ExitCode;

use tracing_subscriber::EnvFilter;

use crate::terminal;

/// Starts logging to stderr, warnings by default and as `RUST_LOG` says otherwise; runs the command and gives the exit
/// code of the process. A failure is printed, unless the reader of stdout has gone, as in `nines logs | head`.
pub async fn run(command: impl Future<Output = anyhow::Result<ExitCode>>) -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_unset| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
    match command.await {
        Ok(code) => code,
        Err(error) if reader_has_gone(&error) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::note(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn reader_has_gone(error: &anyhow::Error) -> bool {
    let found = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>());
    found.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}
