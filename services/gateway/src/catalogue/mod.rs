//! A cache of catalogue responses: fresh copies are served without calling inventory; concurrent misses share one call;
//! stale copies are served when inventory is unavailable or slow, or the gateway is overloaded.

mod answer;
mod flights;
mod key;
mod snapshot;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use envelope::Error;
use moka::sync::Cache;
use service::{Deadline, Tasks};

use crate::config::CacheConfig;
pub(crate) use answer::{Answer, How};
use flights::{Flights, Outcome};
pub(crate) use key::{list_key, product_key};
pub(crate) use snapshot::Snapshot;

/// The cache, shared by all workers.
#[derive(Debug)]
pub(crate) struct Catalogue {
    copies: Cache<Arc<str>, Arc<Snapshot>>,
    flights: Flights,
    /// The number of changes made through this gateway. A copy requested before the last change is stale.
    changes: AtomicU64,
    fresh: Duration,
    wait: Duration,
}

/// What a reader accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Any copy.
    Any,
    /// A response from inventory, by `Cache-Control: no-cache`.
    Newest,
    /// A response from inventory, since administrators must see changes made through any gateway.
    Bypass,
}

impl Catalogue {
    pub(crate) fn new(config: &CacheConfig, tasks: &Tasks) -> Self {
        let weight = |key: &Arc<str>, copy: &Arc<Snapshot>| u32::try_from(key.len() + copy.size()).unwrap_or(u32::MAX);
        let copies = Cache::builder()
            .name("catalogue")
            .max_capacity(config.max_bytes())
            .weigher(weight)
            .time_to_live(config.stale())
            .build();
        Self {
            copies,
            flights: Flights::new(tasks),
            changes: AtomicU64::new(0),
            fresh: config.fresh(),
            wait: config.wait(),
        }
    }

    /// The copy for a key, if it is fresh.
    pub(crate) fn fresh(&self, key: &str) -> Option<Answer> {
        let copy = self.copies.get(key).filter(|copy| self.is_fresh(copy))?;
        Some(Answer::new(copy, How::Hit))
    }

    /// The copy for a key, even if it is stale; for use under overload.
    pub(crate) fn kept(&self, key: &str) -> Option<Answer> {
        let copy = self.copies.get(key)?;
        let how = if self.is_fresh(&copy) { How::Hit } else { How::Overloaded };
        Some(Answer::new(copy, how))
    }

    /// Marks all copies as stale. Call it after a change of the catalogue, or an attempt whose outcome is unknown.
    pub(crate) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    /// Reads the catalogue: a fresh copy, or the response to `ask`, or a stale copy if that fails or is slow.
    pub(crate) async fn read(
        self: &Arc<Self>,
        key: String,
        wish: Wish,
        deadline: Deadline,
        ask: impl Future<Output = Result<Snapshot, Error>> + Send + 'static,
    ) -> Result<Answer, Error> {
        match wish {
            Wish::Any => {}
            Wish::Newest => return Ok(Answer::new(self.ask_now(key.into(), ask).await?, How::Requested)),
            Wish::Bypass => return Ok(Answer::new(self.ask_now(key.into(), ask).await?, How::Bypassed)),
        }
        let kept = self.copies.get(key.as_str());
        if let Some(copy) = kept.clone().filter(|copy| self.is_fresh(copy)) {
            return Ok(Answer::new(copy, How::Hit));
        }
        let flight = self.flights.join(key.into(), self.changes(), |key| {
            let catalogue = Arc::clone(self);
            async move { catalogue.ask_now(key, ask).await }
        });
        let Some(kept) = kept else {
            return Ok(Answer::new(deadline.bound(flight.landed()).await??, How::Missed));
        };
        match tokio::time::timeout(self.wait, flight.landed()).await {
            Ok(Ok(copy)) => Ok(Answer::new(copy, How::Refreshed)),
            Ok(Err(error)) if error.is_server_fault() => {
                tracing::debug!(error = &error as &dyn std::error::Error, "serving a stale copy");
                Ok(Answer::new(kept, How::Unavailable))
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Ok(Answer::new(kept, How::Slow)),
        }
    }

    /// Calls inventory and stores its response.
    async fn ask_now(&self, key: Arc<str>, ask: impl Future<Output = Result<Snapshot, Error>>) -> Outcome {
        let changes = self.changes();
        let answered = ask.await.map(|copy| Arc::new(copy.after(changes)));
        match &answered {
            Ok(copy) => self.copies.insert(key, Arc::clone(copy)),
            // The resource no longer exists.
            Err(error) if !error.is_server_fault() => self.copies.invalidate(&key),
            Err(_) => {}
        }
        answered
    }

    fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    fn is_fresh(&self, copy: &Snapshot) -> bool {
        copy.age() < self.fresh && copy.is_of(self.changes())
    }
}
