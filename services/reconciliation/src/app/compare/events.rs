//! The events in outboxes against their effects.

use envelope::Error;
use mongo::Cut;

use super::sorted::{Sorted, lowest};
use crate::domain::checks::{AppliedEffect, KeptEvent};
use crate::domain::{Check, Comparison, Publisher, TimeRange, checks};
use crate::store::Statements;
use crate::upstreams::Upstreams;

/// The most events of one millisecond.
const MAX_AT_ONCE: usize = 100_000;

/// Compares the events of a time range, which must have ended long enough ago for all of them to have been applied.
pub(in crate::app) async fn compare_events(
    upstreams: &Upstreams,
    statements: &Statements,
    cut: Cut,
    range: TimeRange,
) -> Result<Comparison, Error> {
    let mut comparison = Comparison::new(Check::Events, cut.time());
    let mut kept = Publisher::ALL.map(|publisher| Sorted::new(upstreams.events(publisher, cut, range)));
    let mut effects = Sorted::new(statements.effects(cut, range));
    loop {
        let mut next = vec![effects.peek().await?];
        for publisher in &mut kept {
            next.push(publisher.peek().await?);
        }
        let Some(at) = lowest(next) else { return Ok(comparison) };
        let mut events: Vec<KeptEvent> = Vec::new();
        for publisher in &mut kept {
            let more = publisher.all_of(&at, MAX_AT_ONCE).await?;
            events.extend(more.into_iter().map(|timed| timed.event));
        }
        let applied = effects.all_of(&at, MAX_AT_ONCE).await?;
        let applied: Vec<AppliedEffect> = applied.into_iter().map(|timed| timed.effect).collect();
        comparison.count(events.len().max(applied.len()));
        comparison.found(checks::events_and_effects(&events, &applied));
    }
}
