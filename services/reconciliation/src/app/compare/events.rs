//! What was written to be published against what was applied.

use envelope::Error;
use jiff::Timestamp;
use mongo::Cut;

use super::Comparison;
use super::sorted::{Sorted, lowest};
use crate::domain::checks::{self, Effect, KeptEvent};
use crate::domain::{Check, Publisher};
use crate::grpc::Books;
use crate::store::Statements;

/// The most events of one millisecond.
const MAX_AT_ONCE: usize = 100_000;

impl Comparison {
    /// The events of a span of time that the services keep against the lines of statements. The span must have ended
    /// long enough ago for all of them to have been applied.
    pub(crate) async fn of_events(
        books: &Books,
        statements: &Statements,
        cut: Cut,
        span: (Timestamp, Timestamp),
    ) -> Result<Self, Error> {
        let mut comparison = Self::new(Check::Events, cut.time());
        let mut kept = Publisher::ALL.map(|publisher| Sorted::new(books.events(publisher, cut, span)));
        let mut effects = Sorted::new(statements.effects(cut, span));
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
            let applied: Vec<Effect> = applied.into_iter().map(|timed| timed.effect).collect();
            comparison.count(events.len().max(applied.len()));
            comparison.found(checks::events_and_effects(&events, &applied));
        }
    }
}
