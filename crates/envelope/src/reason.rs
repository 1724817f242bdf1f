//! The registry of error codes: each reason's name, HTTP status, number and gRPC code, in one table.

use http::StatusCode;
use tonic::Code;

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident, $name:literal, $http:ident, $number:literal, $grpc:ident;)+) => {
        /// Why a request failed. The name is stable: clients decide by it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Reason {
            $($(#[$doc])* $variant,)+
        }

        impl Reason {
            /// Every reason, in the order of the public contract.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The stable name, the same in JSON and in `google.rpc.ErrorInfo`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The HTTP status that the answer has.
            pub fn http_status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$http,)+ }
            }

            /// The `code` of the envelope: HTTP status × 100 + n.
            pub fn code(self) -> u32 {
                u32::from(self.http_status().as_u16()) * 100 + match self { $(Self::$variant => $number,)+ }
            }

            /// The gRPC code that the status has.
            pub fn grpc_code(self) -> Code {
                match self { $(Self::$variant => Code::$grpc,)+ }
            }

            /// The reason of that name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

reasons! {
    /// A field has a value that is not allowed; the details name it.
    ValidationFailed, "VALIDATION_FAILED", BAD_REQUEST, 1, InvalidArgument;
    /// The body is not JSON, or not UTF-8.
    MalformedBody, "MALFORMED_BODY", BAD_REQUEST, 2, InvalidArgument;
    /// The call needs an `Idempotency-Key` and has none.
    IdempotencyKeyMissing, "IDEMPOTENCY_KEY_MISSING", BAD_REQUEST, 3, InvalidArgument;
    /// The page token was not made by us for this list, or is too old.
    InvalidPageToken, "INVALID_PAGE_TOKEN", BAD_REQUEST, 4, InvalidArgument;
    /// There is no token, or it is not one of ours.
    Unauthenticated, "UNAUTHENTICATED", UNAUTHORIZED, 1, Unauthenticated;
    /// The access token was good once; refresh it.
    TokenExpired, "TOKEN_EXPIRED", UNAUTHORIZED, 2, Unauthenticated;
    /// Email and password do not fit each other, or the account does not exist.
    BadCredentials, "BAD_CREDENTIALS", UNAUTHORIZED, 3, Unauthenticated;
    /// The account's balance does not cover the payment.
    InsufficientFunds, "INSUFFICIENT_FUNDS", PAYMENT_REQUIRED, 1, FailedPrecondition;
    /// The payment provider said no.
    PaymentDeclined, "PAYMENT_DECLINED", PAYMENT_REQUIRED, 2, FailedPrecondition;
    /// The caller is known and may not do this.
    Forbidden, "FORBIDDEN", FORBIDDEN, 1, PermissionDenied;
    /// The order was refused for its risk.
    RiskRejected, "RISK_REJECTED", FORBIDDEN, 2, PermissionDenied;
    /// There is nothing at this path, or no such thing.
    NotFound, "NOT_FOUND", NOT_FOUND, 1, NotFound;
    /// No product has this SKU.
    SkuNotFound, "SKU_NOT_FOUND", NOT_FOUND, 2, NotFound;
    /// No order of the caller has this id.
    OrderNotFound, "ORDER_NOT_FOUND", NOT_FOUND, 3, NotFound;
    /// The path exists, but not with this method.
    MethodNotAllowed, "METHOD_NOT_ALLOWED", METHOD_NOT_ALLOWED, 1, Unimplemented;
    /// The answer has no form that `Accept` allows.
    NotAcceptable, "NOT_ACCEPTABLE", NOT_ACCEPTABLE, 1, InvalidArgument;
    /// The same key and body are being worked on right now; try again after `Retry-After`.
    IdempotencyInFlight, "IDEMPOTENCY_IN_FLIGHT", CONFLICT, 1, Aborted;
    /// There is less stock than asked for; the details say how much.
    InsufficientStock, "INSUFFICIENT_STOCK", CONFLICT, 2, FailedPrecondition;
    /// The thing is in a state that does not allow this.
    InvalidState, "INVALID_STATE", CONFLICT, 3, FailedPrecondition;
    /// Something with this name is there already.
    AlreadyExists, "ALREADY_EXISTS", CONFLICT, 4, AlreadyExists;
    /// The thing has changed since the version in `If-Match`.
    VersionMismatch, "VERSION_MISMATCH", PRECONDITION_FAILED, 1, FailedPrecondition;
    /// The body is larger than the limit.
    BodyTooLarge, "BODY_TOO_LARGE", PAYLOAD_TOO_LARGE, 1, ResourceExhausted;
    /// The body is not of a content type that the call takes.
    UnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE", UNSUPPORTED_MEDIA_TYPE, 1, InvalidArgument;
    /// The key was used before with another body.
    IdempotencyKeyReused, "IDEMPOTENCY_KEY_REUSED", UNPROCESSABLE_ENTITY, 1, InvalidArgument;
    /// The call needs `If-Match` and has none.
    VersionRequired, "VERSION_REQUIRED", PRECONDITION_REQUIRED, 1, InvalidArgument;
    /// Too many requests; try again after `Retry-After`.
    RateLimited, "RATE_LIMITED", TOO_MANY_REQUESTS, 1, ResourceExhausted;
    /// A fault of ours.
    Internal, "INTERNAL", INTERNAL_SERVER_ERROR, 1, Internal;
    /// Something that is needed is away for the moment.
    Unavailable, "UNAVAILABLE", SERVICE_UNAVAILABLE, 1, Unavailable;
    /// More is asked for than can be done; try again after `Retry-After`.
    Overloaded, "OVERLOADED", SERVICE_UNAVAILABLE, 2, ResourceExhausted;
    /// The time for the request ran out.
    DeadlineExceeded, "DEADLINE_EXCEEDED", GATEWAY_TIMEOUT, 1, DeadlineExceeded;
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Whoever is on call looks errors up there.
    #[test]
    fn the_page_of_errors_has_every_reason_with_its_code() {
        let page = include_str!("../../../docs/errors.md");
        for reason in Reason::ALL {
            let row = format!("| {} | `{}` |", reason.code(), reason.name());
            assert!(page.contains(&row), "docs/errors.md lacks {row}");
        }
    }

    #[test]
    fn names_and_codes_are_unique_and_agree_with_the_contract() {
        let names: HashSet<_> = Reason::ALL.iter().map(|reason| reason.name()).collect();
        let codes: HashSet<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        assert_eq!(names.len(), Reason::ALL.len());
        assert_eq!(codes.len(), Reason::ALL.len());
        assert_eq!(Reason::InsufficientStock.code(), 40902);
        for &reason in Reason::ALL {
            assert_eq!(Reason::from_name(reason.name()), Some(reason));
            assert_eq!(reason.code() / 100, u32::from(reason.http_status().as_u16()));
        }
    }
}
