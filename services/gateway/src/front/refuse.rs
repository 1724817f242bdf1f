//! Refusals of the outermost layer. They are needed most under overload, so their bodies are rendered in advance.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::body::BoxBody;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use bytes::Bytes;
use envelope::{Error, Failure, Problem, Reason};

use super::headers;
use crate::json_frame::JsonFrame;
use crate::reply::{JSON, PROBLEM};
use crate::state::Gateway;
use crate::{middleware, refusal};

/// The bodies for one reason, as the envelope and as problem details.
struct Bodies {
    envelope: JsonFrame,
    problem: JsonFrame,
}

static OVERLOADED: LazyLock<Result<Bodies, Error>> =
    LazyLock::new(|| Bodies::new(Reason::Overloaded, "the service is overloaded; retry later"));
static RATE_LIMITED: LazyLock<Result<Bodies, Error>> =
    LazyLock::new(|| Bodies::new(Reason::RateLimited, "too many requests; retry later"));

impl Bodies {
    fn new(reason: Reason, message: &'static str) -> Result<Self, Error> {
        let error = Error::new(reason, message);
        Ok(Self {
            envelope: JsonFrame::new(&Failure::new(&error, ""))?,
            problem: JsonFrame::new(&Problem::new(&error, ""))?,
        })
    }
}

/// The complete response to a rejected request: `OVERLOADED` or `RATE_LIMITED`.
pub(super) fn answer(error: &Error, gateway: &Gateway, request: &HeaderMap, request_id: &str) -> HttpResponse {
    let bodies = if error.reason() == Reason::Overloaded { &*OVERLOADED } else { &*RATE_LIMITED };
    let wants_problem = middleware::wants_problem(request);
    let body = match bodies {
        Ok(bodies) if wants_problem => bodies.problem.with(request_id),
        Ok(bodies) => bodies.envelope.with(request_id),
        // Infallible: they consist of strings and numbers only.
        Err(_) => Bytes::new(),
    };
    let mut response = HttpResponse::with_body(refusal::status(error.reason()), BoxBody::new(body));
    let answer = response.headers_mut();
    answer.insert(header::CONTENT_TYPE, if wants_problem { PROBLEM } else { JSON });
    if let Some(seconds) = error.retry_after_seconds() {
        answer.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    headers::complete(answer, gateway, request, request_id);
    response
}
