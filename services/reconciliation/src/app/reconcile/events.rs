//! The check of events, and which lost events are published again.

use std::collections::HashSet;

use envelope::Error;
use mongo::Cut;
use primitives::EventId;

use super::dependencies::{Dependencies, deadline};
use crate::app::compare::compare_events;
use crate::domain::{Comparison, Finding, TimeRange, withhold_remedies};

/// The most events that are looked up at once.
const MAX_LOOKED_UP: usize = 1_000;

/// Compares the events of a settled time range with their effects. Only lost events that publishing again would help
/// keep their remedy.
pub(super) async fn compare_settled_events(
    dependencies: &Dependencies,
    cut: Cut,
    range: TimeRange,
) -> Result<Comparison, Error> {
    let Dependencies { db, upstreams, statements, group, .. } = dependencies;
    let mut comparison = compare_events(upstreams, statements, cut, range).await?;
    let backlog = dependencies.backlog();
    let lost: Vec<EventId> = comparison.findings.iter().filter_map(Finding::lost_event).collect();
    let mut recorded = HashSet::new();
    for chunk in lost.chunks(MAX_LOOKED_UP) {
        recorded.extend(messaging::recorded(db, group, chunk, deadline()).await?);
    }
    withhold_remedies(&mut comparison.findings, &recorded, backlog);
    Ok(comparison)
}
