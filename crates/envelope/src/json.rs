//! The JSON forms of a response: success, failure, and failure as problem details (RFC 9457).

use serde::Serialize;

use crate::{Detail, Error};

/// `{"code": 200, "message": "success", "data": …, "requestId": "…"}`
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Success<'a, T> {
    code: u16,
    message: &'static str,
    data: T,
    request_id: &'a str,
}

impl<'a, T: Serialize> Success<'a, T> {
    /// The response to a request that succeeded; its code is the HTTP status.
    pub fn new(status: http::StatusCode, data: T, request_id: &'a str) -> Self {
        Self { code: status.as_u16(), message: "success", data, request_id }
    }
}

/// `{"code": 40902, "reason": "INSUFFICIENT_STOCK", "message": "…", "details": [ … ], "requestId": "…"}`
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure<'a> {
    code: u32,
    reason: &'static str,
    message: &'a str,
    details: &'a [Detail],
    request_id: &'a str,
}

impl<'a> Failure<'a> {
    /// The response to a request that failed.
    pub fn new(error: &'a Error, request_id: &'a str) -> Self {
        Self {
            code: error.reason.code(),
            reason: error.reason.name(),
            message: &error.message,
            details: &error.details,
            request_id,
        }
    }
}

/// A failure as `application/problem+json` (RFC 9457).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem<'a> {
    /// The RFC's value for problem types without a page of their own.
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: u32,
    reason: &'static str,
    details: &'a [Detail],
    request_id: &'a str,
}

impl<'a> Problem<'a> {
    /// The response to a request that failed, for a client that accepts problem details.
    pub fn new(error: &'a Error, request_id: &'a str) -> Self {
        let status = error.reason.http_status();
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: &error.message,
            code: error.reason.code(),
            reason: error.reason.name(),
            details: &error.details,
            request_id,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Reason;

    #[test]
    fn the_three_forms_are_those_of_the_contract() {
        let success = Success::new(http::StatusCode::CREATED, json!({"a": 1}), "r-1");
        assert_eq!(
            serde_json::to_value(success).unwrap(),
            json!({"code": 201, "message": "success", "data": {"a": 1}, "requestId": "r-1"})
        );
        let error = Error::new(Reason::InsufficientStock, "not enough").with_detail(Detail::Stock {
            sku: "a".into(),
            requested: 2,
            available: 1,
        });
        assert_eq!(
            serde_json::to_value(Failure::new(&error, "r-2")).unwrap(),
            json!({"code": 40902, "reason": "INSUFFICIENT_STOCK", "message": "not enough",
                   "details": [{"sku": "a", "requested": 2, "available": 1}], "requestId": "r-2"})
        );
        let problem = serde_json::to_value(Problem::new(&error, "r-3")).unwrap();
        assert_eq!(problem["status"], 409);
        assert_eq!(problem["title"], "Conflict");
        assert_eq!(problem["reason"], "INSUFFICIENT_STOCK");
    }
}
