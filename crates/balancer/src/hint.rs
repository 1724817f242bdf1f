//! What travels with a request to the place where a replica is chosen for it.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How a replica is to be chosen. An extension of the request; without one, as the strategy says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hint {
    /// What belongs together: the same replica for the same key.
    pub(crate) key: Option<Arc<str>>,
    /// Where the client connects from.
    pub(crate) client: Option<IpAddr>,
    /// The endpoints that attempts of the same call have asked, or ask now; as many as there are attempts.
    asked: Arc<Mutex<Vec<u64>>>,
}

impl Hint {
    pub(crate) fn new(key: Option<Arc<str>>, client: Option<IpAddr>) -> Self {
        Self { key, client, asked: Arc::default() }
    }

    pub(crate) fn asked(&self) -> MutexGuard<'_, Vec<u64>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
