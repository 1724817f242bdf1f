//! Places an order: prices, risk, then the commit lanes.

use futures::FutureExt as _;
use idempotency::{Answer, fingerprint};
use primitives::{OrderId, OrderLines};
use service::{RequestContext, telemetry};

use super::App;
use crate::domain::{
    NewOrder, Order, OrderLine, PlacedBy, Placement, Refusal, ReviewRequest, RiskSource, TooExpensive, Work,
};
use crate::error::OrderError;

impl App {
    /// Places an order, or gives the answer again that its key was given before.
    pub(crate) async fn place_order(
        &self,
        context: &RequestContext,
        new: NewOrder,
    ) -> Result<Answer<Order>, OrderError> {
        let caller = context.require_caller()?;
        let placed_by = PlacedBy {
            user_id: caller.user_id,
            fingerprint: fingerprint(&new)?,
            key: new.key,
            request_id: context.request_id.clone(),
        };
        match self.place(context, new.lines, placed_by.clone()).await {
            Err(OrderError::Refused(refusal)) if refusal.is_final() => {
                let earlier = self.conclude(context, &placed_by).await?;
                earlier.ok_or(OrderError::Refused(refusal))
            }
            placed => placed,
        }
    }

    /// Makes the refusal of a new order final. A key that has placed an order is given that answer instead, though
    /// stock or rules have changed since; and an earlier attempt whose outcome is open can place none from now on.
    async fn conclude(
        &self,
        context: &RequestContext,
        placed_by: &PlacedBy,
    ) -> Result<Option<Answer<Order>>, OrderError> {
        if context.has_earlier_attempt {
            self.store.fence(placed_by, context.deadline).await
        } else {
            self.store.placed_earlier(placed_by, context.deadline).await
        }
    }

    async fn place(
        &self,
        context: &RequestContext,
        lines: OrderLines,
        placed_by: PlacedBy,
    ) -> Result<Answer<Order>, OrderError> {
        self.lanes.check_admission(&lines, context.deadline)?;
        let lines = self.priced(context, lines).boxed().await?;
        let (id, user, total) = (OrderId::new(), placed_by.user_id, Order::total_of(&lines)?);
        let review = ReviewRequest { attempt: placed_by.attempt()?, from: context.client_address };
        // Boxed, since a call through the policy is too large for the caller's stack.
        let risk = self.judge_risk(context, id, user, total, review).boxed().await?;
        let now = primitives::now();
        let expires_at = now + self.config.payment_window();
        let order = Order::place(id, user, lines, risk, now, expires_at)?;
        let review = (risk.source == RiskSource::LocalRules).then_some(review);
        let traceparent = telemetry::traceparent(&tracing::Span::current());
        let work = Work::Place(Placement { order, placed_by, review, traceparent });
        self.lanes.commit(work, context.deadline).await
    }

    async fn priced(&self, context: &RequestContext, lines: OrderLines) -> Result<Vec<OrderLine>, OrderError> {
        let skus: Vec<_> = lines.skus().cloned().collect();
        let prices = self.catalogue.prices(context, &skus).await?;
        let unknown: Vec<_> = skus.into_iter().filter(|sku| !prices.contains_key(sku)).collect();
        if !unknown.is_empty() {
            return Err(Refusal::UnknownSkus(unknown).into());
        }
        let priced = lines.iter().filter_map(|(sku, quantity)| {
            let price = prices.get(sku)?;
            Some(OrderLine::new(sku.clone(), quantity, *price))
        });
        Ok(priced.collect::<Result<_, TooExpensive>>()?)
    }
}
