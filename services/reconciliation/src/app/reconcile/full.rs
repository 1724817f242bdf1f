//! A run that compares everything.

use envelope::Error;
use futures::FutureExt as _;
use mongo::Lease;
use tokio_util::sync::CancellationToken;

use super::complete::complete;
use super::dependencies::{Dependencies, deadline};
use super::events::compare_settled_events;
use super::lease::while_held;
use super::report;
use crate::app::compare::{
    compare_accounts, compare_counters, compare_movements, compare_payments, compare_statements,
};
use crate::domain::{Check, Comparison, Run, SliceLength};

/// Compares everything, heals, and keeps the run whether it succeeds or fails.
pub(super) async fn run_full(
    dependencies: &Dependencies,
    run: Run,
    lease: &mut Lease,
    stop: &CancellationToken,
) -> Result<(), Error> {
    let started = run.start(primitives::now());
    dependencies.runs.save(&started, deadline()).await?;
    tracing::info!(run = %started.id, kind = started.kind.name(), "comparing all books");
    let compared = async {
        let comparisons = compare_everything(dependencies).await?;
        complete(dependencies, started.clone(), comparisons).await
    };
    match while_held(lease, stop, compared.boxed()).await {
        Ok(()) => {
            report::last_completed(started.kind, primitives::now());
            Ok(())
        }
        Err(error) => {
            let failed = started.fail(error.to_string(), primitives::now());
            dependencies.runs.save(&failed, deadline()).await?;
            Err(error)
        }
    }
}

/// Each check has a cut of its own, and each slice of events has, so that the server need not keep one for as long as
/// all of them take.
async fn compare_everything(dependencies: &Dependencies) -> Result<Vec<Comparison>, Error> {
    let Dependencies { upstreams, statements, .. } = dependencies;
    let mut comparisons = Vec::new();
    comparisons.extend(compare_payments(upstreams, dependencies.cut().await?, &[]).await?);
    comparisons.push(compare_movements(upstreams, dependencies.cut().await?, &[], None).await?);
    comparisons.push(compare_counters(upstreams, dependencies.cut().await?, &[]).await?);
    comparisons.push(compare_accounts(upstreams, dependencies.cut().await?, &[]).await?);
    comparisons.push(compare_all_events(dependencies).await?);
    comparisons.push(compare_statements(statements, dependencies.cut().await?).await?);
    Ok(comparisons)
}

/// Compares the events that outboxes keep, slice by slice.
async fn compare_all_events(dependencies: &Dependencies) -> Result<Comparison, Error> {
    let mut cut = dependencies.cut().await?;
    let settled = dependencies.settled(cut);
    let mut from = settled - dependencies.config.events_kept();
    let mut all = Comparison::new(Check::Events, cut.time());
    let mut length = SliceLength::default();
    while from < settled {
        let slice = length.slice(from, settled);
        match compare_settled_events(dependencies, cut, slice).await {
            Ok(compared) => {
                length = length.after(compared.result.compared);
                all.add(compared);
                from = slice.to;
            }
            Err(error) => {
                let Some(shorter) = length.after_failure() else { return Err(error) };
                let slice = length.length();
                tracing::warn!(?error, ?slice, "the events of a slice could not be compared; a shorter one is tried");
                length = shorter;
            }
        }
        cut = dependencies.cut().await?;
    }
    Ok(all)
}
