//! `nines drill`: breaks a platform, until the drill is done or told to stop.

use std::process::ExitCode;

use nines::drill::Drill;

use crate::output;
use crate::signals::Signals;

/// Runs a drill; a signal ends it together with everything that it started.
pub(super) async fn run(drill: Drill) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let progress = output::progress();
    tokio::select! {
        drilled = drill.run(&progress) => drilled.map(|()| ExitCode::SUCCESS),
        () = signals.next() => {
            output::complain("stopped; there is no report");
            Ok(ExitCode::FAILURE)
        }
    }
}
