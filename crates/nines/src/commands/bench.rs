//! `nines bench`: measures, until it is done or told to stop.

use std::process::ExitCode;

use nines::bench::Bench;

use crate::output;
use crate::signals::Signals;

/// Runs a benchmark; a signal ends it together with everything that it started.
pub(super) async fn run(bench: Bench) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let progress = output::progress();
    tokio::select! {
        measured = bench.run(&progress) => measured.map(|()| ExitCode::SUCCESS),
        () = signals.next() => {
            output::complain("stopped; the results so far stay");
            Ok(ExitCode::FAILURE)
        }
    }
}
