//! The context of one request, shared by the layers: caller, target, deadline and id.

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use actix_web::http::header::{self, HeaderMap, HeaderValue};
use envelope::Reason;
use service::{Caller, Deadline, RequestContext};

use crate::endpoint::{Endpoint, Resource, Verb};
use crate::limits::Taken;

/// The pattern of the files of the documentation.
pub(crate) const DOCS_PATTERN: &str = "/docs/{file:.*}";

/// The target of a request, resolved from its path and method.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    /// An endpoint of the table.
    Endpoint(&'static Endpoint),
    /// A known path without this method.
    OtherMethod(&'static Resource),
    /// A page or file of the documentation.
    Docs,
    /// An unknown path.
    Nothing,
}

impl Target {
    /// The route pattern for logs and metrics, from a bounded set.
    pub(crate) fn route(self) -> &'static str {
        match self {
            Self::Endpoint(endpoint) => endpoint.path,
            Self::OtherMethod(resource) => resource.pattern,
            Self::Docs => DOCS_PATTERN,
            Self::Nothing => "unknown",
        }
    }

    /// The endpoint, if the target is one.
    pub(crate) fn endpoint(self) -> Option<&'static Endpoint> {
        match self {
            Self::Endpoint(endpoint) => Some(endpoint),
            Self::OtherMethod(_) | Self::Docs | Self::Nothing => None,
        }
    }

    /// `Allow` for a path that does not support the requested method.
    pub(crate) fn allow(self) -> Option<HeaderValue> {
        let methods = match self {
            Self::OtherMethod(resource) => resource.methods(),
            Self::Docs => Verb::Get.methods().to_vec(),
            Self::Endpoint(_) | Self::Nothing => return None,
        };
        HeaderValue::from_str(&methods.join(", ")).ok()
    }
}

/// The context of a request. Created by the outermost layer.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) request_id: String,
    pub(crate) target: Target,
    pub(crate) deadline: Deadline,
    pub(crate) client_address: Option<IpAddr>,
    /// Whether failures are rendered as RFC 9457 problem details.
    pub(crate) wants_problem: bool,
    /// The authorized caller of an endpoint that requires one; passed on to the services.
    caller: Cell<Option<Caller>>,
    /// The caller whose token was sent to an endpoint that does not require one.
    recognised: Cell<Option<Caller>>,
    /// The decision of the client's rate limit.
    taken: RefCell<Option<Taken>>,
    /// The reason of the failure.
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

    /// The exchange that the outermost layer attached, or an empty one without that layer, as in tests of a single
    /// layer.
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

    /// The known caller, whether or not the endpoint requires one.
    pub(crate) fn client(&self) -> Option<Caller> {
        self.caller.get().or(self.recognised.get())
    }

    pub(crate) fn set_taken(&self, taken: Taken) {
        self.taken.replace(Some(taken));
    }

    /// Takes the decision of the client's rate limit.
    pub(crate) fn take_taken(&self) -> Option<Taken> {
        self.taken.take()
    }

    pub(crate) fn set_failure(&self, reason: Reason) {
        self.failure.set(Some(reason));
    }

    /// The reason of the failure; none if the request succeeded, or failed outside of the envelope layer.
    pub(crate) fn failure(&self) -> Option<Reason> {
        self.failure.get()
    }

    /// Excludes the request from latency, since it does not measure the services: a copy was served, or the client was
    /// slow.
    pub(crate) fn leave_out_of_latency(&self) {
        self.in_latency.set(false);
    }

    pub(crate) fn is_in_latency(&self) -> bool {
        self.in_latency.get()
    }

    /// The context passed on to the services.
    pub(crate) fn context(&self) -> RequestContext {
        RequestContext {
            request_id: self.request_id.clone(),
            deadline: self.deadline,
            caller: self.caller.get(),
            client_address: self.client_address,
            has_earlier_attempt: false,
        }
    }

    /// The context of a call that is shared between callers: without a caller.
    pub(crate) fn shared_context(&self) -> RequestContext {
        RequestContext { caller: None, client_address: None, ..self.context() }
    }
}

/// The client's address behind `trusted_hops` of our proxies, each of which appends the address of its peer.
pub(crate) fn client_address(peer: Option<IpAddr>, headers: &HeaderMap, trusted_hops: usize) -> Option<IpAddr> {
    let Some(from_the_right) = trusted_hops.checked_sub(1) else { return peer };
    let entries = headers.get_all(header::X_FORWARDED_FOR).filter_map(|value| value.to_str().ok());
    let mut addresses: Vec<&str> = entries.flat_map(|value| value.split(',')).map(str::trim).collect();
    addresses.reverse();
    addresses.get(from_the_right).and_then(|address| address.parse().ok()).or(peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_entries_written_by_our_proxies_are_trusted() {
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
