//! Places an order: prices, risk, then the commit lanes.

use futures::FutureExt as _;
use idempotency::{Answer, fingerprint};
use primitives::{IdempotencyKey, OrderId};
use service::{RequestContext, telemetry};

use super::App;
use crate::domain::{Line, Lines, Order, ReviewRequest, RiskSource};
use crate::error::OrderError;
use crate::store::{PlacedBy, Placement, Work};

/// What a customer wants.
#[derive(Debug)]
pub(crate) struct NewOrder {
    pub(crate) lines: Lines,
    pub(crate) key: IdempotencyKey,
}

impl App {
    pub(crate) async fn place_order(
        &self,
        context: &RequestContext,
        new: NewOrder,
    ) -> Result<Answer<Order>, OrderError> {
        let caller = context.require_caller()?;
        let placed_by = PlacedBy {
            user_id: caller.user_id,
            key: new.key,
            fingerprint: fingerprint(&new.lines)?,
            request_id: context.request_id.clone(),
        };
        match self.place(context, new.lines, placed_by.clone()).await {
            // A key that has placed an order is given that, whatever has become of stock and rules since.
            Err(refusal) if refusal.is_refusal() => {
                let earlier = self.store.placed_earlier(&placed_by, context.deadline).await?;
                earlier.ok_or(refusal)
            }
            placed => placed,
        }
    }

    async fn place(
        &self,
        context: &RequestContext,
        lines: Lines,
        placed_by: PlacedBy,
    ) -> Result<Answer<Order>, OrderError> {
        self.lanes.turn_away(&lines, context.deadline)?;
        let lines = self.priced(context, lines).boxed().await?;
        let (id, user, total) = (OrderId::new(), placed_by.user_id, Order::total_of(&lines)?);
        let review = ReviewRequest { attempt: placed_by.attempt()?, from: context.client_address };
        // Boxed, as a call through the policy is too large for the stack of whoever calls this.
        let risk = self.judge_risk(context, id, user, total, review).boxed().await?;
        let now = primitives::now();
        let expires_at = now + self.config.payment_window();
        let order = Order::place(id, user, lines, risk, now, expires_at)?;
        let review = (risk.source == RiskSource::LocalRules).then_some(review);
        let traceparent = telemetry::traceparent(&tracing::Span::current());
        let work = Work::Place(Placement { order, placed_by, review, traceparent });
        self.lanes.commit(work, context.deadline).await
    }

    async fn priced(&self, context: &RequestContext, lines: Lines) -> Result<Vec<Line>, OrderError> {
        let skus: Vec<_> = lines.keys().cloned().collect();
        let prices = self.catalogue.prices(context, &skus).await?;
        let unknown: Vec<_> = skus.into_iter().filter(|sku| !prices.contains_key(sku)).collect();
        if !unknown.is_empty() {
            return Err(OrderError::UnknownSkus(unknown));
        }
        let priced = lines.into_iter().filter_map(|(sku, quantity)| {
            let price = prices.get(&sku)?;
            Some(Line::new(sku, quantity, *price))
        });
        Ok(priced.collect::<Result<_, _>>()?)
    }
}
