//! The use cases, one a file.

mod cancel_order;
mod expire_orders;
mod follow_up;
mod judge_risk;
mod pay_order;
mod place_order;
mod read_orders;
mod review_orders;

use std::time::Duration;

use service::Tasks;
use service::page::PageTokens;

use crate::config::OrdersConfig;
use crate::lanes::CommitLanes;
use crate::store::Store;
use crate::upstreams::{Catalogue, Payments, RiskService};

/// The time budget of work that has outlived its request, or never had one.
const BACKGROUND_BUDGET: Duration = Duration::from_secs(10);

/// What the use cases work with. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) store: Store,
    pub(crate) lanes: CommitLanes,
    pub(crate) catalogue: Catalogue,
    pub(crate) payments: Payments,
    pub(crate) risk: RiskService,
    pub(crate) config: OrdersConfig,
    pub(crate) tokens: PageTokens,
    pub(crate) tasks: Tasks,
}
