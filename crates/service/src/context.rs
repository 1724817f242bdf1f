//! The context of a request: its id, deadline, caller and client address. It is plain data, for use in every layer; its
//! wire form is in [`crate::metadata`].

use std::net::IpAddr;
use std::time::Duration;

use envelope::{Error, Reason};

use crate::{Caller, Deadline};

/// The context of a request, propagated through every hop.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// The id that the client sent or the gateway generated; 1 to 128 visible ASCII characters.
    pub request_id: String,
    /// The deadline of the request.
    pub deadline: Deadline,
    /// The authenticated caller, if any.
    pub caller: Option<Caller>,
    /// The client's address, as the gateway sees it.
    pub client_address: Option<IpAddr>,
    /// Whether the calling service may have sent an earlier attempt of the same request. Its outcome may be open, so a
    /// refusal is final only once that attempt was made impossible.
    pub has_earlier_attempt: bool,
}

impl RequestContext {
    /// A context for work that no request asked for.
    pub fn internal(budget: Duration) -> Self {
        Self {
            request_id: uuid::Uuid::now_v7().to_string(),
            deadline: Deadline::after(budget),
            caller: None,
            client_address: None,
            has_earlier_attempt: false,
        }
    }

    /// The same context with another deadline.
    #[must_use]
    pub fn until(&self, deadline: Deadline) -> Self {
        Self { deadline, ..self.clone() }
    }

    /// The caller, or `UNAUTHENTICATED`.
    pub fn require_caller(&self) -> Result<Caller, Error> {
        self.caller.ok_or_else(|| Error::new(Reason::Unauthenticated, "this call needs an access token"))
    }

    /// The caller if it is an administrator, or `UNAUTHENTICATED` or `FORBIDDEN`.
    pub fn require_admin(&self) -> Result<Caller, Error> {
        let caller = self.require_caller()?;
        if caller.is_admin() {
            Ok(caller)
        } else {
            Err(Error::new(Reason::Forbidden, "this call is for administrators"))
        }
    }
}
