//! The gRPC form of an error: a status with `google.rpc` details.

use std::collections::HashMap;
use std::error::Error as StdError;

use tonic::{Code, ConnectError, Status, TimeoutExpired};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::{Detail, Error, Reason};

/// The `domain` of our `google.rpc.ErrorInfo`.
const DOMAIN: &str = "fournines";
/// The metadata entry of `ErrorInfo` with the details that `google.rpc` has no message for, as a JSON list.
const FACTS: &str = "facts";

impl Error {
    /// The status that carries this error to another process. It drops the cause: log that first.
    pub fn into_status(self) -> Status {
        let (violations, facts): (Vec<_>, Vec<_>) =
            self.details.into_iter().partition(|detail| matches!(detail, Detail::Field { .. }));
        let mut metadata = HashMap::new();
        if let (false, Ok(json)) = (facts.is_empty(), serde_json::to_string(&facts)) {
            metadata.insert(FACTS.to_owned(), json);
        }
        let mut details = ErrorDetails::with_error_info(self.reason.name(), DOMAIN, metadata);
        for violation in violations {
            if let Detail::Field { field, description } = violation {
                details.add_bad_request_violation(field, description);
            }
        }
        if let Some(after) = self.retry_after {
            details.set_retry_info(Some(after));
        }
        Status::with_error_details(self.reason.grpc_code(), self.message.into_owned(), details)
    }

    /// The error of a status. The text of a status that our services did not create is dropped, since it may expose
    /// internal details.
    pub fn from_status(status: Status) -> Self {
        match ours(&status) {
            Some(error) => error,
            None => foreign(status),
        }
    }
}

/// Whether a call failed without a response from the peer: there was no connection, or it broke. The request may or may
/// not have taken effect. A timeout does not count: no time is left to ask another replica.
pub fn is_unanswered(status: &Status) -> bool {
    // A status received over the wire has no source.
    let mut cause = status.source();
    let unanswered = cause.is_some();
    while let Some(error) = cause {
        if error.is::<TimeoutExpired>() {
            return false;
        }
        cause = error.source();
    }
    unanswered
}

/// Whether a call that failed with this error, or because of it, is known not to have reached the peer's code: no
/// connection was made, the request was not written to one, or the peer reported that it did not process the stream
/// (RFC 9113, sections 6.8 and 8.7). Any request can then be retried safely.
pub fn was_never_sent(error: &(dyn StdError + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<ConnectError>()
            || error.downcast_ref().is_some_and(|error: &hyper::Error| error.is_canceled() || error.is_closed())
            || error.downcast_ref().is_some_and(is_refusal)
        {
            return true;
        }
        cause = error.source();
    }
    false
}

/// h2 reports a GOAWAY only for streams after the last one that the peer will process, and for those not yet opened.
fn is_refusal(error: &h2::Error) -> bool {
    error.reason() == Some(h2::Reason::REFUSED_STREAM) || (error.is_go_away() && error.is_remote())
}

fn ours(status: &Status) -> Option<Error> {
    let details = status.get_error_details();
    let info = details.error_info().filter(|info| info.domain == DOMAIN)?;
    let reason = Reason::from_name(&info.reason)?;
    let facts: Vec<Detail> =
        info.metadata.get(FACTS).and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
    let violations = details
        .bad_request()
        .into_iter()
        .flat_map(|bad| &bad.field_violations)
        .map(|violation| Detail::Field { field: violation.field.clone(), description: violation.description.clone() });
    let error = Error::new(reason, status.message().to_owned()).with_details(violations).with_details(facts);
    Some(match details.retry_info().and_then(|info| info.retry_delay) {
        Some(after) => error.with_retry_after(after),
        None => error,
    })
}

fn foreign(status: Status) -> Error {
    if is_unanswered(&status) {
        // Regardless of the code that the transport gave it: a broken connection is not an error in the request.
        return Error::unavailable(status);
    }
    match status.code() {
        // tonic's client returns Cancelled when its own timeout expires.
        Code::DeadlineExceeded | Code::Cancelled => Error::deadline_exceeded().with_source(status),
        Code::Unavailable => Error::unavailable(status),
        Code::ResourceExhausted => Error::new(Reason::Overloaded, "the service is overloaded")
            .with_retry_after(std::time::Duration::from_secs(1))
            .with_source(status),
        _ => Error::internal(status),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_error_survives_the_wire() {
        let details = [
            Detail::Field { field: "lines[0].sku".into(), description: "must be known".into() },
            Detail::Stock { sku: "a".into(), requested: 3, available: 1 },
            Detail::UnknownSku { sku: "b".into() },
        ];
        for &reason in Reason::ALL {
            let sent = Error::new(reason, "text")
                .with_details(details.clone())
                .with_retry_after(Duration::from_millis(1500))
                .with_source("secret host name");
            let status = sent.into_status();
            assert!(!format!("{status:?}").contains("secret"));
            let received = Error::from_status(status);
            assert_eq!(received.reason(), reason);
            assert_eq!(received.message(), "text");
            assert_eq!(received.details(), details);
            assert_eq!(received.retry_after_seconds(), Some(2));
        }
    }

    #[test]
    fn the_text_of_a_foreign_status_is_dropped() {
        for code in [Code::Unknown, Code::Unavailable, Code::Cancelled, Code::Internal, Code::ResourceExhausted] {
            let error = Error::from_status(Status::new(code, "mongodb at 10.1.2.3 said no"));
            assert!(!error.message().contains("10.1.2.3"));
            assert!(error.is_server_fault());
        }
    }

    #[test]
    fn a_response_is_distinguished_from_none() {
        let answered = Status::internal("an error of the service");
        assert!(!is_unanswered(&answered));
        assert_eq!(Error::from_status(answered).reason(), Reason::Internal);
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let refused = Status::from_error(Box::new(tonic::ConnectError(Box::new(refused))));
        assert!(is_unanswered(&refused));
        assert_eq!(Error::from_status(refused).reason(), Reason::Unavailable);
        let broken = Status::from_error(Box::new(std::io::Error::from(std::io::ErrorKind::BrokenPipe)));
        assert_eq!(Error::from_status(broken).reason(), Reason::Unavailable);
        let late = Status::from_error(Box::new(TimeoutExpired(())));
        assert!(!is_unanswered(&late));
        assert_eq!(Error::from_status(late).reason(), Reason::DeadlineExceeded);
    }

    /// Makes a call over a connection whose peer behaves as given, and returns its error.
    async fn broken_by(
        end: impl AsyncFnOnce(h2::server::Connection<tokio::io::DuplexStream, hyper::body::Bytes>),
    ) -> Status {
        let (ours, theirs) = tokio::io::duplex(4096);
        let (opened, accepted) = tokio::join!(h2::client::handshake(ours), h2::server::handshake(theirs));
        let ((sender, connection), accepted) = (opened.unwrap(), accepted.unwrap());
        let call = async {
            let mut sender = sender.ready().await?;
            let request = http::Request::get("http://peer/").body(()).unwrap();
            sender.send_request(request, true)?.0.await
        };
        let (call, _, ()) = tokio::join!(call, connection, end(accepted));
        Status::from_error(Box::new(call.unwrap_err()))
    }

    #[tokio::test]
    async fn an_unprocessed_stream_is_distinguished_from_a_broken_one() {
        let refused = broken_by(async |mut peer| {
            let (_, mut answer) = peer.accept().await.unwrap().unwrap();
            answer.send_reset(h2::Reason::REFUSED_STREAM);
            while peer.accept().await.is_some() {}
        });
        let reset = broken_by(async |mut peer| {
            let (_, mut answer) = peer.accept().await.unwrap().unwrap();
            answer.send_reset(h2::Reason::INTERNAL_ERROR);
            while peer.accept().await.is_some() {}
        });
        // The peer accepts the stream and then dies.
        let lost = broken_by(async |mut peer| drop(peer.accept().await.unwrap().unwrap()));
        // A GOAWAY that names no last stream, since the request was not read yet.
        let gone = broken_by(async |mut peer| {
            peer.abrupt_shutdown(h2::Reason::NO_ERROR);
            while peer.accept().await.is_some() {}
        });
        let (refused, reset, lost, gone) = tokio::join!(refused, reset, lost, gone);
        for (status, expected) in [(refused, true), (reset, false), (lost, false), (gone, true)] {
            assert_eq!(was_never_sent(&status), expected, "{status:?}");
            assert!(is_unanswered(&status), "{status:?}");
            assert_eq!(was_never_sent(&Error::from_status(status)), expected);
        }
        assert!(!was_never_sent(&Error::unavailable("unavailable")));
        let refused = ConnectError(Box::new(std::io::Error::from(std::io::ErrorKind::ConnectionRefused)));
        assert!(was_never_sent(&Status::from_error(Box::new(refused))));
    }
}
