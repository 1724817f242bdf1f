//! Reads orders for their owners and for administrators.

use primitives::OrderId;
use service::{RequestContext, page};

use super::App;
use crate::domain::{Order, Payment, Refusal, Status};
use crate::error::OrderError;
use crate::store::OrderFilter;

impl App {
    /// An order to be shown. An order that the caller may not see is reported as not found.
    pub(crate) async fn show_order(&self, context: &RequestContext, id: OrderId) -> Result<Order, OrderError> {
        visible(self.store.show(id, context.deadline).await?, context)
    }

    /// The same, to be changed: read from a majority.
    pub(super) async fn order(&self, context: &RequestContext, id: OrderId) -> Result<Order, OrderError> {
        visible(self.store.find(id, context.deadline).await?, context)
    }

    /// Lists the caller's orders, or all orders for an administrator, newest first, with the token of the next page.
    pub(crate) async fn list_orders(
        &self,
        context: &RequestContext,
        status: Option<Status>,
        page_size: u32,
        page_token: &str,
    ) -> Result<(Vec<Order>, String), OrderError> {
        let caller = context.require_caller()?;
        let user_id = (!caller.is_admin()).then_some(caller.user_id);
        let list = format!("orders {user_id:?} {status:?}");
        let size = page::size(page_size)?;
        let before: Option<OrderId> = self.tokens.open(&list, page_token)?;
        let filter = OrderFilter { user_id, status };
        let orders = self.store.list(filter, before, size + 1, context.deadline).await?;
        Ok(self.tokens.paginate(&list, orders, size, |order| order.id)?)
    }

    /// Lists the payments of an order that the caller may see.
    pub(crate) async fn list_payments(
        &self,
        context: &RequestContext,
        id: OrderId,
    ) -> Result<Vec<Payment>, OrderError> {
        let order = self.show_order(context, id).await?;
        Ok(self.payments.list(context, order.id).await?)
    }
}

fn visible(order: Option<Order>, context: &RequestContext) -> Result<Order, OrderError> {
    let caller = context.require_caller()?;
    order.filter(|order| caller.may_see(order.user_id)).ok_or(Refusal::NotFound.into())
}
