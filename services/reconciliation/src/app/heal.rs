//! Doing what can safely be done about differences without asking anybody.

use std::collections::{BTreeMap, BTreeSet};

use envelope::Error;
use primitives::{EventId, OrderId};

use crate::domain::checks::Finding;
use crate::domain::{Healing, Publisher, Remedy};
use crate::grpc::Books;

/// The most entries that one call has published again.
const MAX_PUBLISHED: usize = 1_000;
/// The most orders of a run that are refunded; the next run goes on.
const MAX_REFUNDS: usize = 1_000;

/// Applies the remedies of findings; gives what has become of each finding that has one, in the same order.
pub(super) async fn heal(books: &Books, findings: &[Finding]) -> Vec<Option<Healing>> {
    let mut entries = BTreeMap::<Publisher, BTreeSet<EventId>>::new();
    let mut orders = BTreeSet::new();
    for remedy in findings.iter().filter_map(|finding| finding.remedy) {
        match remedy {
            Remedy::PublishAgain(publisher, entry) => {
                entries.entry(publisher).or_default().insert(entry);
            }
            Remedy::Refund(order) => {
                orders.insert(order);
            }
        }
    }
    let published = publish_again(books, entries).await;
    let refunded = refund(books, orders).await;
    let healing = |finding: &Finding| {
        let remedy = finding.remedy?;
        let outcome = match remedy {
            Remedy::PublishAgain(publisher, _) => published.get(&publisher),
            Remedy::Refund(order) => refunded.get(&order),
        };
        let failure = outcome?.as_ref().err().cloned();
        let done = failure.is_none();
        let labels = [("action", remedy.name()), ("done", if done { "true" } else { "false" })];
        metrics::counter!("reconciliation_healed_total", &labels).increment(1);
        Some(Healing { action: remedy.name().to_owned(), at: primitives::now(), done, failure })
    };
    findings.iter().map(healing).collect()
}

/// What has become of it, by publisher.
async fn publish_again(
    books: &Books,
    entries: BTreeMap<Publisher, BTreeSet<EventId>>,
) -> BTreeMap<Publisher, Result<(), String>> {
    let mut outcomes = BTreeMap::new();
    for (publisher, entries) in entries {
        let entries: Vec<_> = entries.into_iter().collect();
        let mut outcome = Ok(());
        for chunk in entries.chunks(MAX_PUBLISHED) {
            match books.publish_again(publisher, chunk).await {
                Ok(kept) => tracing::warn!(?publisher, entries = kept, "lost events are published again"),
                Err(error) => outcome = Err(told(&error, "events could not be published again")),
            }
        }
        outcomes.insert(publisher, outcome);
    }
    outcomes
}

/// What has become of it, by order.
async fn refund(books: &Books, orders: BTreeSet<OrderId>) -> BTreeMap<OrderId, Result<(), String>> {
    let mut outcomes = BTreeMap::new();
    for order in orders.into_iter().take(MAX_REFUNDS) {
        let outcome = books.refund(order).await;
        let goes_on = outcome.as_ref().err().is_none_or(|error| !error.is_server_fault());
        if outcome.is_ok() {
            tracing::warn!(%order, "a payment of an order that has ended was given back");
        }
        outcomes.insert(order, outcome.map_err(|error| told(&error, "a payment could not be given back")));
        // Who is away now is not asked a thousand times.
        if !goes_on {
            break;
        }
    }
    outcomes
}

/// Logs why it failed, and gives what people may know of it.
fn told(error: &Error, what: &'static str) -> String {
    tracing::warn!(?error, what);
    error.to_string()
}
