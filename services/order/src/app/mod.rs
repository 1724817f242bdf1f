//! The use cases, one a file.

mod cancel_order;
mod commit_lanes;
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
use crate::domain::LaneLimits;
use crate::grpc::{Catalogue, Payments, RiskService};
use crate::store::Store;

pub(crate) use cancel_order::Cancellation;
use commit_lanes::CommitLanes;
pub(crate) use pay_order::PaymentRequest;
pub(crate) use place_order::NewOrder;

/// How long work that has outlived its request, or never had one, may take.
const BACKGROUND_BUDGET: Duration = Duration::from_secs(10);

/// What every use case works with. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App {
    store: Store,
    lanes: CommitLanes,
    catalogue: Catalogue,
    payments: Payments,
    risk: RiskService,
    config: OrdersConfig,
    tokens: PageTokens,
    tasks: Tasks,
}

impl App {
    #[allow(clippy::too_many_arguments)] // one for each part that the use cases share
    pub(crate) fn new(
        store: Store,
        config: OrdersConfig,
        lane_limits: LaneLimits,
        catalogue: Catalogue,
        payments: Payments,
        risk: RiskService,
        tokens: PageTokens,
        tasks: Tasks,
    ) -> Self {
        let lanes = CommitLanes::new(store.clone(), tasks.clone(), lane_limits);
        Self { store, lanes, catalogue, payments, risk, config, tokens, tasks }
    }

    /// The commit lanes.
    pub(crate) fn lanes(&self) -> &CommitLanes {
        &self.lanes
    }
}
