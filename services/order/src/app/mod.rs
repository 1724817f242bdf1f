//! The use cases, one a file.

mod cancel_order;
mod expire_orders;
mod follow_up;
mod pay_order;
mod place_order;
mod read_orders;

use std::time::Duration;

use mongo::Db;
use service::Tasks;
use service::page::PageTokens;

use crate::config::OrdersConfig;
use crate::domain::LocalRules;
use crate::grpc::clients::{Payments, Prices};
use crate::store::Store;

pub(crate) use cancel_order::Cancellation;
pub(crate) use pay_order::PaymentRequest;
pub(crate) use place_order::NewOrder;

/// How long work that has outlived its request, or never had one, may take.
const BACKGROUND_BUDGET: Duration = Duration::from_secs(10);

/// What every use case works with. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App {
    store: Store,
    prices: Prices,
    payments: Payments,
    rules: LocalRules,
    config: OrdersConfig,
    tokens: PageTokens,
    tasks: Tasks,
}

impl App {
    pub(crate) fn new(
        db: &Db,
        config: OrdersConfig,
        prices: Prices,
        payments: Payments,
        tokens: PageTokens,
        tasks: Tasks,
    ) -> Self {
        let rules = LocalRules { max_order_amount: config.max_order_amount };
        Self { store: Store::new(db), prices, payments, rules, config, tokens, tasks }
    }
}
