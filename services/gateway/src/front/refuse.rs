//! Refusals that are given at once. They are needed most when there is least time for them, so their texts are ready.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::body::BoxBody;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use bytes::Bytes;
use envelope::{Error, Failure, Problem, Reason};

use super::headers;
use crate::app::Gateway;
use crate::json_frame::JsonFrame;
use crate::reply::{JSON, PROBLEM};
use crate::{middleware, refusal};

/// What is said for one reason, as the envelope and as problem details.
struct Texts {
    envelope: JsonFrame,
    problem: JsonFrame,
}

static OVERLOADED: LazyLock<Result<Texts, Error>> =
    LazyLock::new(|| Texts::new(Reason::Overloaded, "too much is asked for at the moment"));
static RATE_LIMITED: LazyLock<Result<Texts, Error>> =
    LazyLock::new(|| Texts::new(Reason::RateLimited, "too many requests; slow down"));

impl Texts {
    fn new(reason: Reason, message: &'static str) -> Result<Self, Error> {
        let error = Error::new(reason, message);
        Ok(Self {
            envelope: JsonFrame::new(&Failure::new(&error, ""))?,
            problem: JsonFrame::new(&Problem::new(&error, ""))?,
        })
    }
}

/// The whole answer to a request that goes no further: `OVERLOADED` or `RATE_LIMITED`.
pub(super) fn answer(error: &Error, gateway: &Gateway, request: &HeaderMap, request_id: &str) -> HttpResponse {
    let texts = if error.reason() == Reason::Overloaded { &*OVERLOADED } else { &*RATE_LIMITED };
    let wants_problem = middleware::wants_problem(request);
    let body = match texts {
        Ok(texts) if wants_problem => texts.problem.with(request_id),
        Ok(texts) => texts.envelope.with(request_id),
        // They are texts and numbers only, which always serialize.
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
