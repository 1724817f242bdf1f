//! The wire form of a [`RequestContext`]: gRPC metadata, read from incoming calls and written to outgoing ones.

use std::str::FromStr;
use std::time::Duration;

use envelope::Error;
use tonic::metadata::{MetadataMap, MetadataValue};

use crate::{Caller, Deadline, RequestContext, Role, telemetry};

const REQUEST_ID: &str = "x-request-id";
const CALLER_ID: &str = "x-caller-id";
const CALLER_ROLE: &str = "x-caller-role";
const CALLER_SESSION: &str = "x-caller-session";
const CLIENT_ADDRESS: &str = "x-client-address";
/// Present when an earlier attempt of the same request may have been sent.
const EARLIER_ATTEMPT: &str = "x-earlier-attempt";

/// The budget of a call without `grpc-timeout`.
const DEFAULT_BUDGET: Duration = Duration::from_secs(5);
/// The longest budget that a caller can set.
const LONGEST_BUDGET: Duration = Duration::from_secs(60);

impl RequestContext {
    /// The context of an incoming call. Without `grpc-timeout` the budget is 5 s; it is at most 60 s.
    pub fn from_request<T>(request: &tonic::Request<T>) -> Self {
        let metadata = request.metadata();
        let budget = text(metadata, "grpc-timeout").and_then(parse_grpc_timeout).unwrap_or(DEFAULT_BUDGET);
        Self {
            request_id: text(metadata, REQUEST_ID).map_or_else(|| uuid::Uuid::now_v7().to_string(), ToOwned::to_owned),
            deadline: Deadline::after(budget.min(LONGEST_BUDGET)),
            caller: caller(metadata),
            client_address: parsed(metadata, CLIENT_ADDRESS),
            has_earlier_attempt: metadata.contains_key(EARLIER_ATTEMPT),
        }
    }

    /// A request to another service under this context, with the remaining time, the caller and the trace.
    ///
    /// # Errors
    /// `DEADLINE_EXCEEDED` if the deadline has passed.
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
        if self.has_earlier_attempt {
            put(metadata, EARLIER_ATTEMPT, "1");
        }
        if let Some(traceparent) = telemetry::traceparent(&tracing::Span::current()) {
            put(metadata, telemetry::TRACEPARENT, &traceparent);
        }
        Ok(request)
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

/// Omits values that are not visible ASCII; ours have been validated before.
fn put(metadata: &mut MetadataMap, key: &'static str, value: &str) {
    if let Ok(value) = MetadataValue::try_from(value) {
        metadata.insert(key, value);
    }
}

/// Parses `grpc-timeout`, after the gRPC specification: up to eight digits and a unit.
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
    use envelope::Reason;
    use primitives::{SessionId, UserId};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_context_survives_a_hop() {
        let sent = RequestContext {
            request_id: "r-1".into(),
            deadline: Deadline::after(Duration::from_secs(2)),
            caller: Some(Caller { user_id: UserId::new(), role: Role::Admin, session_id: SessionId::new() }),
            client_address: Some([192, 0, 2, 1].into()),
            has_earlier_attempt: true,
        };
        let received = RequestContext::from_request(&sent.request(()).unwrap());
        assert_eq!(received.request_id, "r-1");
        assert_eq!(received.caller, sent.caller);
        assert_eq!(received.client_address, sent.client_address);
        assert!(received.has_earlier_attempt);
        assert_eq!(received.deadline, sent.deadline);
        assert!(received.require_admin().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn expired_work_is_not_sent() {
        let context = RequestContext::internal(Duration::ZERO);
        assert_eq!(context.request(()).unwrap_err().reason(), Reason::DeadlineExceeded);
    }

    #[test]
    fn timeouts_parse_as_specified() {
        assert_eq!(parse_grpc_timeout("1500m"), Some(Duration::from_millis(1500)));
        assert_eq!(parse_grpc_timeout("2S"), Some(Duration::from_secs(2)));
        for bad in ["", "S", "5", "5s", "123456789m", "-1S", "1µ"] {
            assert_eq!(parse_grpc_timeout(bad), None, "{bad}");
        }
    }
}
