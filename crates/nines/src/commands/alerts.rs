//! `nines alerts`: hands on alerts until it is told to stop.

use std::process::ExitCode;

use nines::alerts::Alerts;

use crate::signals::Signals;

/// Runs the command; a signal ends a relay in good order.
pub(super) async fn run(alerts: Alerts) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen()?;
    tokio::select! {
        ended = alerts.run() => ended,
        () = signals.next() => Ok(ExitCode::SUCCESS),
    }
}
