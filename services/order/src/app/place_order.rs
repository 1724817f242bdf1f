//! Places an order: prices, risk, then one commit for order and stock.

use ids::IdempotencyKey;
use mongo::idempotency::{Answer, fingerprint};
use service::RequestContext;

use super::App;
use crate::domain::{Line, Lines, Order};
use crate::error::OrderError;
use crate::store::PlacedBy;

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
        let lines = self.priced(context, new.lines).await?;
        let risk = self.rules.assess(Order::total_of(&lines)?).ok_or(OrderError::RiskRejected)?;
        let now = ids::now();
        let expires_at = now + self.config.payment_window();
        let order = Order::place(caller.user_id, lines, risk, now, expires_at)?;
        self.store.place(order, placed_by, context.deadline).await
    }

    async fn priced(&self, context: &RequestContext, lines: Lines) -> Result<Vec<Line>, OrderError> {
        let skus: Vec<_> = lines.keys().cloned().collect();
        let prices = self.prices.of(context, &skus).await?;
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
