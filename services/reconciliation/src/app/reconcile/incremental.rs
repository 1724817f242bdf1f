//! A run that compares what the events of a recent, settled time were about.

use std::time::Duration;

use envelope::Error;
use mongo::Cut;

use super::complete::complete;
use super::dependencies::{Dependencies, deadline};
use super::events::compare_settled_events;
use crate::app::compare::{compare_accounts, compare_counters, compare_movements, compare_payments};
use crate::domain::{
    Check, Comparison, IncrementalProgress, NextAttempt, Run, RunKind, TimeRange, Touched, awaits_events,
    healable_events,
};

/// How far apart the ids of an order's event and of its movement can be, which are made for the same transaction.
const MADE_APART: Duration = Duration::from_secs(1);

/// Compares the next window, if there is one, and returns when to run again. As long as events of the window have not
/// been applied, it is not known what they were about: they are published again, and the same window is compared later.
pub(super) async fn run_incremental(
    dependencies: &Dependencies,
    progress: &mut IncrementalProgress,
) -> Result<NextAttempt, Error> {
    let run = Run::new(RunKind::Incremental, primitives::now());
    let cut = dependencies.cut().await?;
    let settled = dependencies.settled(cut);
    let Some(window) = progress.next_window(settled) else { return Ok(NextAttempt::AfterPeriod) };
    let (window, touched) = touched(dependencies, window).await?;
    let events = compare_settled_events(dependencies, cut, window).await?;
    let waits = awaits_events(&events, &dependencies.histories(&healable_events(&events)).await?);
    let mut comparisons = vec![events];
    if let Some(touched) = touched.filter(|_| !waits) {
        let all_applied = comparisons.iter().all(Comparison::is_equal);
        comparisons.extend(compare_touched(dependencies, cut, window, &touched, all_applied).await?);
    }
    let started_at = run.requested_at;
    complete(dependencies, run.start(started_at), comparisons).await?;
    if waits {
        return Ok(progress.wait(window.to));
    }
    dependencies.runs.set_compared_to(window.to, deadline()).await?;
    Ok(progress.advance(window.to, settled))
}

async fn compare_touched(
    dependencies: &Dependencies,
    cut: Cut,
    window: TimeRange,
    touched: &Touched,
    all_applied: bool,
) -> Result<Vec<Comparison>, Error> {
    let upstreams = &dependencies.upstreams;
    let calls_for = |check| touched.calls_for(check, all_applied);
    let orders: Vec<_> = touched.orders.iter().copied().collect();
    let mut comparisons = Vec::new();
    if calls_for(Check::Payments) {
        comparisons.extend(compare_payments(upstreams, cut, &orders).await?);
    }
    if calls_for(Check::Movements) {
        comparisons.push(compare_movements(upstreams, cut, &orders, Some(window)).await?);
    }
    if calls_for(Check::Counters) {
        let skus: Vec<_> = touched.skus.iter().cloned().collect();
        comparisons.push(compare_counters(upstreams, cut, &skus).await?);
    }
    if calls_for(Check::Accounts) {
        let users: Vec<_> = touched.users.iter().copied().collect();
        comparisons.push(compare_accounts(upstreams, cut, &users).await?);
    }
    Ok(comparisons)
}

/// What the events of a window touched, and the part of the window that was read. `None` when there is too much even
/// for the shortest window; the daily run compares it.
async fn touched(dependencies: &Dependencies, mut window: TimeRange) -> Result<(TimeRange, Option<Touched>), Error> {
    loop {
        let touched = dependencies.statements.touched(window.widened(MADE_APART), deadline()).await?;
        if !touched.is_too_many() {
            return Ok((window, Some(touched)));
        }
        let Ok(shorter) = IncrementalProgress::shorter(window) else {
            let TimeRange { from, to } = window;
            tracing::warn!(%from, %to, "too many changes to be compared by an incremental run");
            return Ok((window, None));
        };
        window = shorter;
    }
}
