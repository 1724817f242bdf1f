//! The registry of error codes: the name, HTTP status, number and gRPC code of each reason, in one table.

use http::StatusCode;
use tonic::Code;

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident, $name:literal, $http:ident, $number:literal, $grpc:ident;)+) => {
        /// Why a request failed. Names are stable, so clients can depend on them.
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

            /// The HTTP status of the response.
            pub fn http_status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$http,)+ }
            }

            /// The `code` of the envelope: HTTP status × 100 + n.
            pub fn code(self) -> u32 {
                u32::from(self.http_status().as_u16()) * 100 + match self { $(Self::$variant => $number,)+ }
            }

            /// The gRPC code of the status.
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
    /// A field has an invalid value; the details name it.
    ValidationFailed, "VALIDATION_FAILED", BAD_REQUEST, 1, InvalidArgument;
    /// The body is not JSON, or not UTF-8.
    MalformedBody, "MALFORMED_BODY", BAD_REQUEST, 2, InvalidArgument;
    /// The request requires an `Idempotency-Key` and has none.
    IdempotencyKeyMissing, "IDEMPOTENCY_KEY_MISSING", BAD_REQUEST, 3, InvalidArgument;
    /// The page token was not issued for this list, or has expired.
    InvalidPageToken, "INVALID_PAGE_TOKEN", BAD_REQUEST, 4, InvalidArgument;
    /// The access token is missing or not valid.
    Unauthenticated, "UNAUTHENTICATED", UNAUTHORIZED, 1, Unauthenticated;
    /// The access token has expired; refresh it.
    TokenExpired, "TOKEN_EXPIRED", UNAUTHORIZED, 2, Unauthenticated;
    /// The email or the password is wrong, or the account does not exist.
    BadCredentials, "BAD_CREDENTIALS", UNAUTHORIZED, 3, Unauthenticated;
    /// The account's balance does not cover the payment.
    InsufficientFunds, "INSUFFICIENT_FUNDS", PAYMENT_REQUIRED, 1, FailedPrecondition;
    /// The payment provider declined the payment.
    PaymentDeclined, "PAYMENT_DECLINED", PAYMENT_REQUIRED, 2, FailedPrecondition;
    /// The caller lacks the permission for this request.
    Forbidden, "FORBIDDEN", FORBIDDEN, 1, PermissionDenied;
    /// The order was refused because of its risk.
    RiskRejected, "RISK_REJECTED", FORBIDDEN, 2, PermissionDenied;
    /// The path or the resource does not exist.
    NotFound, "NOT_FOUND", NOT_FOUND, 1, NotFound;
    /// No product has this SKU.
    SkuNotFound, "SKU_NOT_FOUND", NOT_FOUND, 2, NotFound;
    /// No order of the caller has this id.
    OrderNotFound, "ORDER_NOT_FOUND", NOT_FOUND, 3, NotFound;
    /// The path does not allow this method.
    MethodNotAllowed, "METHOD_NOT_ALLOWED", METHOD_NOT_ALLOWED, 1, Unimplemented;
    /// `Accept` allows none of the forms of the response.
    NotAcceptable, "NOT_ACCEPTABLE", NOT_ACCEPTABLE, 1, InvalidArgument;
    /// A request with the same key is in progress; retry after `Retry-After`.
    IdempotencyInFlight, "IDEMPOTENCY_IN_FLIGHT", CONFLICT, 1, Aborted;
    /// There is less stock than requested; the details say how much.
    InsufficientStock, "INSUFFICIENT_STOCK", CONFLICT, 2, FailedPrecondition;
    /// The state of the resource does not allow this request.
    InvalidState, "INVALID_STATE", CONFLICT, 3, FailedPrecondition;
    /// A resource with this name exists already.
    AlreadyExists, "ALREADY_EXISTS", CONFLICT, 4, AlreadyExists;
    /// The resource has changed since the version in `If-Match`.
    VersionMismatch, "VERSION_MISMATCH", PRECONDITION_FAILED, 1, FailedPrecondition;
    /// The body exceeds the size limit.
    BodyTooLarge, "BODY_TOO_LARGE", PAYLOAD_TOO_LARGE, 1, ResourceExhausted;
    /// The request does not accept this content type.
    UnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE", UNSUPPORTED_MEDIA_TYPE, 1, InvalidArgument;
    /// The key was used before with another body.
    IdempotencyKeyReused, "IDEMPOTENCY_KEY_REUSED", UNPROCESSABLE_ENTITY, 1, InvalidArgument;
    /// The request requires `If-Match` and has none.
    VersionRequired, "VERSION_REQUIRED", PRECONDITION_REQUIRED, 1, InvalidArgument;
    /// Too many requests; retry after `Retry-After`.
    RateLimited, "RATE_LIMITED", TOO_MANY_REQUESTS, 1, ResourceExhausted;
    /// An internal error.
    Internal, "INTERNAL", INTERNAL_SERVER_ERROR, 1, Internal;
    /// A dependency is temporarily unavailable; retry after `Retry-After`.
    Unavailable, "UNAVAILABLE", SERVICE_UNAVAILABLE, 1, Unavailable;
    /// The service is overloaded; retry after `Retry-After`.
    Overloaded, "OVERLOADED", SERVICE_UNAVAILABLE, 2, ResourceExhausted;
    /// The request exceeded its deadline.
    DeadlineExceeded, "DEADLINE_EXCEEDED", GATEWAY_TIMEOUT, 1, DeadlineExceeded;
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Operators look up errors on this page.
    #[test]
    fn the_page_of_errors_lists_every_reason_with_its_code() {
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
