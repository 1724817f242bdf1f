//! What the picker needs to know about a call. It travels with the request as an extension.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How to choose a replica; by the strategy alone if a request has none.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hint {
    /// Requests with the same key go to the same replica.
    pub(crate) key: Option<Arc<str>>,
    /// The client's address.
    pub(crate) client: Option<IpAddr>,
    /// The endpoints that attempts of this call have asked, or are asking; at most one for each attempt.
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
