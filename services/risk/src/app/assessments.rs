//! Shows the assessments of orders.

use primitives::OrderId;
use service::Deadline;

use super::App;
use crate::domain::Assessment;
use crate::error::RiskError;

impl App {
    /// The stored assessments of these orders; orders without one are left out.
    pub(crate) async fn assessments(
        &self,
        orders: &[OrderId],
        deadline: Deadline,
    ) -> Result<Vec<Assessment>, RiskError> {
        Ok(self.store.assessments(orders, deadline).await?)
    }
}
