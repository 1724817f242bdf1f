//! What travels with a request through every hop: its id, its deadline, its caller, the client's address and the trace.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use envelope::{Error, Reason};
use tonic::metadata::{MetadataMap, MetadataValue};

use crate::{Caller, Deadline, Role, telemetry};

const REQUEST_ID: &str = "x-request-id";
const CALLER_ID: &str = "x-caller-id";
const CALLER_ROLE: &str = "x-caller-role";
const CALLER_SESSION: &str = "x-caller-session";
const CLIENT_ADDRESS: &str = "x-client-address";

/// The budget of a call that states none.
const DEFAULT_BUDGET: Duration = Duration::from_secs(5);
/// The longest budget that is taken from a caller.
const LONGEST_BUDGET: Duration = Duration::from_secs(60);

/// What travels with a request.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// The id that the client gave or the gateway made; 1 to 128 visible ASCII.
    pub request_id: String,
    /// When nobody waits for the answer any more.
    pub deadline: Deadline,
    /// Who is calling, when anybody has been authenticated.
    pub caller: Option<Caller>,
    /// Where the client connects from, as the gateway sees it.
    pub client_address: Option<IpAddr>,
}

impl RequestContext {
    /// A context for work that no request asked for.
    pub fn internal(budget: Duration) -> Self {
        Self {
            request_id: uuid::Uuid::now_v7().to_string(),
            deadline: Deadline::after(budget),
            caller: None,
            client_address: None,
        }
    }

    /// The context of an incoming call. Without `grpc-timeout` the budget is 5 s; it is never over 60 s.
    pub fn from_request<T>(request: &tonic::Request<T>) -> Self {
        let metadata = request.metadata();
        let budget = text(metadata, "grpc-timeout").and_then(parse_grpc_timeout).unwrap_or(DEFAULT_BUDGET);
        Self {
            request_id: text(metadata, REQUEST_ID).map_or_else(|| uuid::Uuid::now_v7().to_string(), ToOwned::to_owned),
            deadline: Deadline::after(budget.min(LONGEST_BUDGET)),
            caller: caller(metadata),
            client_address: parsed(metadata, CLIENT_ADDRESS),
        }
    }

    /// The same with another deadline.
    #[must_use]
    pub fn until(&self, deadline: Deadline) -> Self {
        Self { deadline, ..self.clone() }
    }

    /// A call to another service under this context: it gets what is left of the deadline, the identity and the
    /// trace.
    pub fn request<T>(&self, message: T) -> Result<tonic::Request<T>, Error> {
        let mut request = tonic::Request::new(message);
        request.set_timeout(self.deadline.remaining()?);
        let metadata = request.metadata_mut();
        put(metadata, REQUEST_ID, &self.request_id);
        if let Some(caller) = &self.caller {
            put(metadata, CALLER_ID, &caller.user_id.to_string());
            put(metadata, CALLER_ROLE, caller.role.name());
            put(metadata, CALLER_SESSION, &caller.session_id.to_string());
        }
        if let Some(address) = self.client_address {
            put(metadata, CLIENT_ADDRESS, &address.to_string());
        }
        if let Some(traceparent) = telemetry::traceparent(&tracing::Span::current()) {
            put(metadata, telemetry::TRACEPARENT, &traceparent);
        }
        Ok(request)
    }

    /// The caller, or `UNAUTHENTICATED`.
    pub fn require_caller(&self) -> Result<Caller, Error> {
        self.caller.ok_or_else(|| Error::new(Reason::Unauthenticated, "this call needs an access token"))
    }

    /// The caller when it is an admin, or `UNAUTHENTICATED` or `FORBIDDEN`.
    pub fn require_admin(&self) -> Result<Caller, Error> {
        let caller = self.require_caller()?;
        if caller.is_admin() {
            Ok(caller)
        } else {
            Err(Error::new(Reason::Forbidden, "this call is for administrators"))
        }
    }
}

fn caller(metadata: &MetadataMap) -> Option<Caller> {
    Some(Caller {
        user_id: parsed(metadata, CALLER_ID)?,
        role: Role::from_name(text(metadata, CALLER_ROLE)?)?,
        session_id: parsed(metadata, CALLER_SESSION)?,
    })
}

fn text<'a>(metadata: &'a MetadataMap, key: &str) -> Option<&'a str> {
    metadata.get(key).and_then(|value| value.to_str().ok())
}

fn parsed<T: FromStr>(metadata: &MetadataMap, key: &str) -> Option<T> {
    text(metadata, key).and_then(|text| text.parse().ok())
}

/// Values that are not visible ASCII are left out; those that we pass on have been checked before.
fn put(metadata: &mut MetadataMap, key: &'static str, value: &str) {
    if let Ok(value) = MetadataValue::try_from(value) {
        metadata.insert(key, value);
    }
}

/// What `grpc-timeout` says, in the form of the gRPC specification: up to eight digits and a unit.
pub fn parse_grpc_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(amount * 3600)),
        "M" => Some(Duration::from_secs(amount * 60)),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use primitives::{SessionId, UserId};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_context_survives_a_hop() {
        let sent = RequestContext {
            request_id: "r-1".into(),
            deadline: Deadline::after(Duration::from_secs(2)),
            caller: Some(Caller { user_id: UserId::new(), role: Role::Admin, session_id: SessionId::new() }),
            client_address: Some([192, 0, 2, 1].into()),
        };
        let received = RequestContext::from_request(&sent.request(()).unwrap());
        assert_eq!(received.request_id, "r-1");
        assert_eq!(received.caller, sent.caller);
        assert_eq!(received.client_address, sent.client_address);
        assert_eq!(received.deadline, sent.deadline);
        assert!(received.require_admin().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn expired_work_is_not_sent_on() {
        let context = RequestContext::internal(Duration::ZERO);
        assert_eq!(context.request(()).unwrap_err().reason(), Reason::DeadlineExceeded);
    }

    #[test]
    fn timeouts_of_the_specification_parse_and_others_do_not() {
        assert_eq!(parse_grpc_timeout("1500m"), Some(Duration::from_millis(1500)));
        assert_eq!(parse_grpc_timeout("2S"), Some(Duration::from_secs(2)));
        for bad in ["", "S", "5", "5s", "123456789m", "-1S", "1µ"] {
            assert_eq!(parse_grpc_timeout(bad), None, "{bad}");
        }
    }
}
