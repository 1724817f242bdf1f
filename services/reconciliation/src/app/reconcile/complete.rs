//! The end of a run that has compared everything: differences are healed, reported and kept.

use envelope::Error;

use super::dependencies::{Dependencies, deadline};
use super::heal::heal;
use super::report;
use crate::domain::{Comparison, Exception, Finding, Run};

/// Heals the differences of a run and keeps it with them.
pub(super) async fn complete(dependencies: &Dependencies, run: Run, comparisons: Vec<Comparison>) -> Result<(), Error> {
    let checks = comparisons.iter().map(|comparison| comparison.result.clone()).collect();
    let mut findings: Vec<Finding> = comparisons.into_iter().flat_map(|one| one.findings).collect();
    let run = run.complete(checks, primitives::now());
    report::completed(&run, &findings);
    if findings.is_empty() {
        if run.kind.is_kept_without_differences() {
            dependencies.runs.save(&run, deadline()).await?;
        }
        return Ok(());
    }
    let histories = dependencies.histories(&findings).await?;
    histories.give_up(&mut findings);
    let healings = heal(&dependencies.upstreams, &findings).await;
    let now = primitives::now();
    let pairs = findings.into_iter().zip(healings);
    let exceptions: Vec<_> = pairs
        .map(|(finding, healing)| {
            let history = histories.get(&finding);
            Exception::new(finding, history, healing, now)
        })
        .collect();
    dependencies.exceptions.keep(run.id, &exceptions, deadline()).await?;
    dependencies.runs.save(&run, deadline()).await?;
    Ok(())
}
