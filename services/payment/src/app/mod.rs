//! The use cases, one a file.

mod balance;
mod charge;
mod deposit;
mod list;
mod refund;
mod resolve;
mod resolver;
mod settle;

use std::sync::Arc;
use std::time::Duration;

use primitives::Currency;
use service::Tasks;

use crate::error::Error;
use crate::store::Store;
use crate::upstreams::CardProvider;

pub(crate) use resolver::Resolver;

/// How often a use case starts over when another request changes the payment first. Each time that other request made
/// progress, so more than two rounds are rare.
const MAX_ROUNDS: usize = 5;

/// The payments of orders. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Payments {
    /// The accounts and payments.
    pub(crate) store: Store,
    /// The card provider.
    pub(crate) provider: Arc<CardProvider>,
    /// Calls to the provider run as tasks, so that a dropped request does not cut them off.
    pub(crate) tasks: Tasks,
    /// The shop's currency.
    pub(crate) currency: Currency,
    /// How long the resolver leaves a new payment or refund by card to the request that made it.
    pub(crate) first_look: Duration,
}

impl Payments {
    /// Runs work that calls the provider to its end, even when nobody waits for the answer any more.
    async fn run_to_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        self.tasks.run_to_end("payment", work).await.unwrap_or_else(|| Err(Error::panicked()))
    }
}

/// Customers' accounts. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Accounts {
    /// The accounts and payments.
    pub(crate) store: Store,
    /// The shop's currency.
    pub(crate) currency: Currency,
}
