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
    attempts: Arc<Mutex<Attempts>>,
}

/// The earlier attempts of the same call.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    /// The endpoints that were asked; as many as there are attempts.
    pub(crate) asked: Vec<u64>,
    /// Whether one of them was overloaded.
    pub(crate) met_overload: bool,
}

impl Hint {
    pub(crate) fn new(key: Option<Arc<str>>, client: Option<IpAddr>) -> Self {
        Self { key, client, attempts: Arc::default() }
    }

    pub(crate) fn attempts(&self) -> MutexGuard<'_, Attempts> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
