//! `nines alerts`: forwards alerts until a signal.

use std::process::ExitCode;

use cli::Signals;
use nines::alerts::Alerts;

/// Runs the command; a signal ends a relay with success.
pub(super) async fn run(alerts: Alerts) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen()?;
    tokio::select! {
        ended = alerts.run() => ended,
        () = signals.next() => Ok(ExitCode::SUCCESS),
    }
}
