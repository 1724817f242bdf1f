//! The use cases, one a file.

mod balance;
mod charge;
mod deposit;
mod error;
mod list;
mod refund;
mod resolve;
mod resolver;
mod settle;

use std::sync::Arc;
use std::time::Duration;

use primitives::Currency;
use service::Tasks;

use crate::provider::CardProvider;
use crate::store::Store;

pub(crate) use charge::Means;
pub(crate) use error::Error;
pub(crate) use resolver::Resolver;

/// How often a use case starts over when another request changes the payment under it. Each time that other request
/// got a step ahead, so more than two are rare.
const MAX_ROUNDS: usize = 5;

/// The payments of orders. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Payments {
    store: Store,
    provider: Arc<dyn CardProvider>,
    tasks: Tasks,
    currency: Currency,
    first_look: Duration,
}

impl Payments {
    /// `first_look` is how long the resolver leaves a new card payment to the request that made it. Calls to the
    /// provider run as `tasks`, so that a dropped request does not cut them off.
    pub(crate) fn new(
        store: Store,
        provider: Arc<dyn CardProvider>,
        tasks: Tasks,
        currency: Currency,
        first_look: Duration,
    ) -> Self {
        Self { store, provider, tasks, currency, first_look }
    }

    /// Runs work that asks the provider to its end, whether or not anybody still waits for the answer.
    async fn to_the_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        self.tasks.run_to_end("payment", work).await.unwrap_or(Err(Error::Store(mongo::Error::Panicked)))
    }
}

/// Customers' accounts. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Accounts {
    store: Store,
    currency: Currency,
}

impl Accounts {
    /// Accounts in the shop's currency.
    pub(crate) fn new(store: Store, currency: Currency) -> Self {
        Self { store, currency }
    }
}
