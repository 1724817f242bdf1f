//! Rate limits of clients, and the headers that report them.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use resilience::rate::{Decision, Keyed, KeyedConfig, Share, rate_limit_header, rate_limit_policy_header};

use crate::config::RatesConfig;
use crate::endpoint::Rate;
use crate::limits::client::Client;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The limits by kind of endpoint.
#[derive(Debug)]
pub(crate) struct Rates {
    sessions: Limit,
    orders: Limit,
    browse: Limit,
    other: Limit,
}

#[derive(Debug)]
struct Limit {
    name: &'static str,
    buckets: Keyed<Client>,
    /// The same for every response.
    policy: HeaderValue,
}

/// The decision of a limit about a request.
#[derive(Debug)]
pub(crate) struct Taken {
    name: &'static str,
    policy: HeaderValue,
    decision: Decision,
}

impl Rates {
    pub(crate) fn new(config: &RatesConfig, share: &Share) -> Self {
        Self {
            sessions: Limit::new("sessions", &config.sessions, share),
            orders: Limit::new("orders", &config.orders, share),
            browse: Limit::new("browse", &config.browse, share),
            other: Limit::new("default", &config.other, share),
        }
    }

    /// Counts a request, unless it exceeds the limit.
    pub(crate) fn take(&self, rate: Rate, client: &Client) -> Taken {
        let limit = match rate {
            Rate::Sessions => &self.sessions,
            Rate::Orders => &self.orders,
            Rate::Browse => &self.browse,
            Rate::Other => &self.other,
        };
        Taken { name: limit.name, policy: limit.policy.clone(), decision: limit.buckets.take(client) }
    }
}

impl Limit {
    fn new(name: &'static str, config: &KeyedConfig, share: &Share) -> Self {
        let policy = rate_limit_policy_header([(name, &config.rate())]);
        Self {
            name,
            buckets: Keyed::new(name, config, share),
            // Infallible: consists of visible ASCII.
            policy: HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("")),
        }
    }
}

impl Taken {
    /// `RATE_LIMITED`, if the request exceeded the limit.
    pub(crate) fn refusal(&self) -> Option<envelope::Error> {
        self.decision.refusal()
    }

    /// Adds the headers that report the limit.
    pub(crate) fn tell(self, headers: &mut HeaderMap) {
        let state = rate_limit_header([(self.name, &self.decision)]);
        if let Ok(state) = HeaderValue::try_from(state) {
            headers.insert(RATE_LIMIT, state);
            headers.insert(RATE_LIMIT_POLICY, self.policy);
        }
    }
}
