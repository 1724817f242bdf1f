//! What the layers know about the request in hand: who asks for what, until when, under which id.

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use actix_web::http::header::{self, HeaderMap};
use envelope::Reason;
use service::{Caller, Deadline, RequestContext};

use crate::endpoint::Endpoint;
use crate::limits::Taken;

/// What a path and a method lead to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    /// A call of the table.
    Endpoint(&'static Endpoint),
    /// A path with another method; the label is its pattern.
    OtherMethod(&'static str),
    /// A page or file of the documentation.
    Docs,
    /// Nothing.
    Nothing,
}

impl Target {
    /// The route pattern, for logs and metrics: one of a bounded set.
    pub(crate) fn route(self) -> &'static str {
        match self {
            Self::Endpoint(endpoint) => endpoint.path,
            Self::OtherMethod(path) => path,
            Self::Docs => crate::routes::DOCS,
            Self::Nothing => "unknown",
        }
    }

    /// The call, when it is one of the table.
    pub(crate) fn endpoint(self) -> Option<&'static Endpoint> {
        match self {
            Self::Endpoint(endpoint) => Some(endpoint),
            Self::OtherMethod(_) | Self::Docs | Self::Nothing => None,
        }
    }
}

/// The request in hand. Made by the outermost layer.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) request_id: String,
    pub(crate) target: Target,
    pub(crate) deadline: Deadline,
    pub(crate) client_address: Option<IpAddr>,
    /// Whether failures are told as RFC 9457 problem details.
    pub(crate) wants_problem: bool,
    /// Who may make this call: set where the call needs somebody, and handed on.
    caller: Cell<Option<Caller>>,
    /// Whose token came with a call that anybody may make.
    recognised: Cell<Option<Caller>>,
    /// What the client's rate limit said.
    taken: RefCell<Option<Taken>>,
    /// Why the request failed.
    failure: Cell<Option<Reason>>,
    in_latency: Cell<bool>,
}

impl Exchange {
    pub(crate) fn new(
        request_id: String,
        target: Target,
        budget: Duration,
        client_address: Option<IpAddr>,
        wants_problem: bool,
    ) -> Self {
        Self {
            request_id,
            target,
            deadline: Deadline::after(budget),
            client_address,
            wants_problem,
            caller: Cell::new(None),
            recognised: Cell::new(None),
            taken: RefCell::new(None),
            failure: Cell::new(None),
            in_latency: Cell::new(true),
        }
    }

    /// The exchange that the outermost layer attached. Without that layer, as in a test of one layer, it is an empty
    /// one.
    pub(crate) fn of(message: &impl actix_web::HttpMessage) -> Rc<Self> {
        let attached = message.extensions().get::<Rc<Self>>().cloned();
        attached.unwrap_or_else(|| Rc::new(Self::new(String::new(), Target::Nothing, Duration::ZERO, None, false)))
    }

    pub(crate) fn attach(self: &Rc<Self>, request: &actix_web::dev::ServiceRequest) {
        use actix_web::HttpMessage as _;
        request.extensions_mut().insert(Rc::clone(self));
    }

    pub(crate) fn set_caller(&self, caller: Caller) {
        self.caller.set(Some(caller));
    }

    pub(crate) fn recognise(&self, caller: Caller) {
        self.recognised.set(Some(caller));
    }

    /// Whoever is known to ask, whether or not the call needs somebody.
    pub(crate) fn client(&self) -> Option<Caller> {
        self.caller.get().or(self.recognised.get())
    }

    pub(crate) fn set_taken(&self, taken: Taken) {
        self.taken.replace(Some(taken));
    }

    /// What the client's rate limit said, once.
    pub(crate) fn take_taken(&self) -> Option<Taken> {
        self.taken.take()
    }

    pub(crate) fn set_failure(&self, reason: Reason) {
        self.failure.set(Some(reason));
    }

    /// Why the request failed; nothing for one that has not, or that failed outside of the layer that tells.
    pub(crate) fn failure(&self) -> Option<Reason> {
        self.failure.get()
    }

    /// To be called when the time that the request takes tells nothing about the services: a copy was given, or the
    /// client took long itself.
    pub(crate) fn leave_out_of_latency(&self) {
        self.in_latency.set(false);
    }

    pub(crate) fn is_in_latency(&self) -> bool {
        self.in_latency.get()
    }

    /// What travels on to the services.
    pub(crate) fn context(&self) -> RequestContext {
        RequestContext {
            request_id: self.request_id.clone(),
            deadline: self.deadline,
            caller: self.caller.get(),
            client_address: self.client_address,
        }
    }

    /// The same for what is asked for the sake of others too: nobody's.
    pub(crate) fn shared_context(&self) -> RequestContext {
        RequestContext { caller: None, client_address: None, ..self.context() }
    }
}

/// The client as seen through so many proxies of ours: each appends the address it was called from.
pub(crate) fn client_address(peer: Option<IpAddr>, headers: &HeaderMap, trusted_hops: usize) -> Option<IpAddr> {
    let Some(from_the_right) = trusted_hops.checked_sub(1) else { return peer };
    let entries = headers.get_all(header::X_FORWARDED_FOR).filter_map(|value| value.to_str().ok());
    let mut addresses: Vec<&str> = entries.flat_map(|value| value.split(',')).map(str::trim).collect();
    addresses.reverse();
    addresses.get(from_the_right).and_then(|address| address.parse().ok()).or(peer)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn only_entries_written_by_our_proxies_are_believed() {
        let peer = Some([10, 0, 0, 1].into());
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_static;
        headers.append(header::X_FORWARDED_FOR, value("6.6.6.6, 192.0.2.7"));
        headers.append(header::X_FORWARDED_FOR, value("10.0.0.2"));
        assert_eq!(client_address(peer, &headers, 0), peer);
        assert_eq!(client_address(peer, &headers, 1), Some([10, 0, 0, 2].into()));
        assert_eq!(client_address(peer, &headers, 2), Some([192, 0, 2, 7].into()));
        assert_eq!(client_address(peer, &headers, 9), peer);
        assert_eq!(client_address(peer, &HeaderMap::new(), 1), peer);
    }
}
