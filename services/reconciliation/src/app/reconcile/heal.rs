//! Applies the remedies of differences.

use std::collections::{BTreeMap, BTreeSet};

use envelope::Error;
use primitives::{EventId, OrderId};

use crate::domain::{Finding, Healing, Publisher, Remedy, RemedyPlan};
use crate::upstreams::Upstreams;

/// The most entries that one call publishes again.
const MAX_PUBLISHED: usize = 1_000;

/// Applies the remedies of findings; returns the healing of each finding, in the same order. `None` is a finding
/// without a remedy, or one whose remedy was not tried.
pub(super) async fn heal(upstreams: &Upstreams, findings: &[Finding]) -> Vec<Option<Healing>> {
    let plan = RemedyPlan::new(findings.iter().filter_map(|finding| finding.remedy));
    let published = publish_again(upstreams, plan.entries).await;
    let refunded = refund(upstreams, plan.refunds).await;
    let healing = |finding: &Finding| {
        let remedy = finding.remedy?;
        let outcome = match remedy {
            Remedy::PublishAgain(publisher, _) => published.get(&publisher),
            Remedy::Refund(order) => refunded.get(&order),
        };
        let healing = Healing::new(remedy, outcome?.clone(), primitives::now());
        let labels = [("action", remedy.name()), ("done", if healing.done { "true" } else { "false" })];
        metrics::counter!("reconciliation_healed_total", &labels).increment(1);
        Some(healing)
    };
    findings.iter().map(healing).collect()
}

/// The outcome by publisher.
async fn publish_again(
    upstreams: &Upstreams,
    entries: BTreeMap<Publisher, BTreeSet<EventId>>,
) -> BTreeMap<Publisher, Result<(), String>> {
    let mut outcomes = BTreeMap::new();
    for (publisher, entries) in entries {
        let entries: Vec<_> = entries.into_iter().collect();
        let mut outcome = Ok(());
        for chunk in entries.chunks(MAX_PUBLISHED) {
            match upstreams.publish_again(publisher, chunk).await {
                Ok(kept) => tracing::warn!(?publisher, entries = kept, "lost events are published again"),
                Err(error) => outcome = Err(log_failure(&error, "events could not be published again")),
            }
        }
        outcomes.insert(publisher, outcome);
    }
    outcomes
}

/// The outcome by order. An order that was not reached has none.
async fn refund(upstreams: &Upstreams, orders: BTreeSet<OrderId>) -> BTreeMap<OrderId, Result<(), String>> {
    let mut outcomes = BTreeMap::new();
    for order in orders {
        let outcome = upstreams.payment.refund(order).await;
        let continues = outcome.as_ref().err().is_none_or(|error| !error.is_server_fault());
        if outcome.is_ok() {
            tracing::warn!(%order, "a payment of an order that has ended was refunded");
        }
        outcomes.insert(order, outcome.map_err(|error| log_failure(&error, "a payment could not be refunded")));
        // A payment service that fails is not called once for each order.
        if !continues {
            break;
        }
    }
    outcomes
}

/// Logs the cause; returns the part of it that may be shown.
fn log_failure(error: &Error, what: &'static str) -> String {
    tracing::warn!(?error, what);
    error.to_string()
}
