//! Idempotent requests: the scoped key, the fingerprint of the request, and the first answer, which is replayed. Pure;
//! `mongo::idempotency` stores the records.

use std::time::Duration;

use envelope::{Error, Reason};
use primitives::{IdempotencyKey, UserId};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// The SHA-256 of a request, which detects a key that is reused with another request.
pub type Fingerprint = [u8; 32];

/// The fingerprint of a request: the hash of its JSON, with fields in order of declaration.
///
/// # Errors
/// `INTERNAL` if the request can't be serialized.
pub fn fingerprint(request: &impl Serialize) -> Result<Fingerprint, Error> {
    let bytes = serde_json::to_vec(request).map_err(Error::internal)?;
    Ok(Sha256::digest(&bytes).into())
}

/// An idempotency key in its scope (the caller and the call), with the fingerprint of its request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ScopedKey {
    id: String,
    fingerprint: Fingerprint,
}

impl ScopedKey {
    /// The key of a caller for one call with this request.
    ///
    /// # Errors
    /// As [`fingerprint`].
    pub fn new(caller: UserId, call: &str, key: &IdempotencyKey, request: &impl Serialize) -> Result<Self, Error> {
        // Neither a call's name nor a UUID contains a space, so no two scopes share an id.
        let id = format!("{call} {caller} {}", key.as_str());
        Ok(Self { id, fingerprint: fingerprint(request)? })
    }

    /// A key from its stored id and fingerprint; `None` unless the fingerprint has 32 bytes.
    pub fn from_stored(id: String, fingerprint: &[u8]) -> Option<Self> {
        Some(Self { id, fingerprint: fingerprint.try_into().ok()? })
    }

    /// Scope and key as one string: the id of the record.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The fingerprint of its request.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }
}

/// Why a keyed request is not executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// The same request is in flight.
    #[error("the same request is running")]
    InFlight,
    /// The same request has finished since its key was looked up: look its answer up again.
    #[error("the same request has just ended")]
    Finished,
}

/// An answer and, if it is a replay, the id of the first request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<A> {
    /// The answer itself.
    pub value: A,
    /// The id of the request that got this answer first; `None` if it is this one.
    pub replay_of: Option<String>,
}

impl<A> Answer<A> {
    /// An answer that is not a replay.
    pub fn first(value: A) -> Self {
        Self { value, replay_of: None }
    }

    /// Converts the value.
    pub fn map<B>(self, convert: impl FnOnce(A) -> B) -> Answer<B> {
        Answer { value: convert(self.value), replay_of: self.replay_of }
    }
}

/// `IDEMPOTENCY_IN_FLIGHT`, to be retried after a second.
pub fn in_flight() -> Error {
    Error::new(Reason::IdempotencyInFlight, "the same request is still running")
        .with_retry_after(Duration::from_secs(1))
}

/// `IDEMPOTENCY_KEY_REUSED`.
pub fn key_reused() -> Error {
    Error::new(Reason::IdempotencyKeyReused, "the idempotency key was used before with another request")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scope_is_the_caller_and_the_call() {
        let (caller, key) = (UserId::new(), "k".parse().unwrap());
        let scoped = |caller, call| ScopedKey::new(caller, call, &key, &1).unwrap();
        let first = scoped(caller, "deposit");
        assert_eq!(first, scoped(caller, "deposit"));
        assert_ne!(first.id(), scoped(caller, "pay-order").id());
        assert_ne!(first.id(), scoped(UserId::new(), "deposit").id());
        let stored = ScopedKey::from_stored(first.id().to_owned(), first.fingerprint());
        assert_eq!(stored, Some(first.clone()));
        assert_eq!(ScopedKey::from_stored(first.id().to_owned(), &[0; 31]), None);
    }

    #[test]
    fn another_request_has_another_fingerprint() {
        assert_eq!(fingerprint(&("a", 1)).unwrap(), fingerprint(&("a", 1)).unwrap());
        assert_ne!(fingerprint(&("a", 1)).unwrap(), fingerprint(&("a", 2)).unwrap());
    }
}
