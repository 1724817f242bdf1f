//! The sandbox's HTTP calls.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::behaviour::{Behaviour, CardBehaviour, Mode};
use super::ledger::{Answer, KeyReused, Ledger, NewCharge};

/// The longest body, in bytes.
const MAX_BODY: usize = 16 * 1024;
/// The longest idempotency key, reference and token, in bytes.
const MAX_TEXT: usize = 255;

#[derive(Clone)]
struct Sandbox {
    ledger: Arc<Mutex<Ledger>>,
    behaviour: Arc<Mutex<Behaviour>>,
    /// `Bearer` and the API key.
    authorization: Arc<SecretString>,
}

impl Sandbox {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn behaviour(&self) -> MutexGuard<'_, Behaviour> {
        self.behaviour.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All calls; each requires the API key.
pub(super) fn router(api_key: &SecretString) -> Router {
    let sandbox = Sandbox {
        ledger: Arc::default(),
        behaviour: Arc::default(),
        authorization: Arc::new(format!("Bearer {}", api_key.expose_secret()).into()),
    };
    let provider = Router::new()
        .route("/v1/charges", post(charge))
        .route("/v1/charges/{reference}", get(find))
        .route("/v1/charges/{reference}/void", post(void))
        .route("/v1/charges/{reference}/refund", post(refund))
        .layer(from_fn_with_state(sandbox.clone(), misbehave));
    let control =
        Router::new().route("/v1/sandbox/behaviour", put(behave)).route("/v1/sandbox/charges/{reference}", get(tally));
    provider
        .merge(control)
        .layer(from_fn_with_state(sandbox.clone(), authorize))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(sandbox)
}

async fn authorize(State(sandbox): State<Sandbox>, request: Request, next: Next) -> Response {
    let given = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    if given == Some(sandbox.authorization.expose_secret()) {
        next.run(request).await
    } else {
        failure(StatusCode::UNAUTHORIZED, "the API key is missing or wrong")
    }
}

async fn misbehave(State(sandbox): State<Sandbox>, request: Request, next: Next) -> Response {
    let behaviour = *sandbox.behaviour();
    match behaviour.mode {
        Mode::Normal => next.run(request).await,
        Mode::Slow => {
            let response = next.run(request).await;
            tokio::time::sleep(behaviour.delay()).await;
            response
        }
        Mode::Fail => broken(),
        Mode::Drop => {
            next.run(request).await;
            dropped()
        }
        Mode::UnknownLookups if request.method() == Method::GET => unknown(),
        Mode::UnknownLookups => next.run(request).await,
    }
}

async fn charge(State(sandbox): State<Sandbox>, headers: HeaderMap, Json(new): Json<NewCharge>) -> Response {
    let key = headers.get("idempotency-key").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let texts = [key, &new.token, &new.reference];
    if new.amount <= 0 || new.currency.len() != 3 || texts.iter().any(|text| !(1..=MAX_TEXT).contains(&text.len())) {
        return failure(StatusCode::BAD_REQUEST, "a field or the Idempotency-Key is not valid");
    }
    let behaviour = CardBehaviour::of_token(&new.token);
    if behaviour == CardBehaviour::Fail {
        return broken();
    }
    let recorded = sandbox.ledger().charge(key, &new, behaviour != CardBehaviour::Decline);
    let answer = match recorded {
        Ok(answer) => answer,
        Err(KeyReused) => {
            return failure(StatusCode::CONFLICT, "the key was used for another request");
        }
    };
    if answer.duplicate {
        return Json(answer).into_response();
    }
    match behaviour {
        CardBehaviour::Slow(delay) => tokio::time::sleep(delay).await,
        CardBehaviour::FailAfter => return broken(),
        CardBehaviour::Drop => return dropped(),
        CardBehaviour::Twice => {
            let second = sandbox.ledger().charge(key, &new, true);
            return second.map_or_else(|KeyReused| broken(), |answer| Json(answer).into_response());
        }
        CardBehaviour::Capture | CardBehaviour::Decline | CardBehaviour::Fail => {}
    }
    Json(answer).into_response()
}

async fn find(State(sandbox): State<Sandbox>, Path(reference): Path<String>) -> Response {
    let found = sandbox.ledger().find(&reference);
    found_or_unknown(found)
}

async fn void(State(sandbox): State<Sandbox>, Path(reference): Path<String>) -> Response {
    if reference.len() > MAX_TEXT {
        return failure(StatusCode::BAD_REQUEST, "the reference is too long");
    }
    let answer = sandbox.ledger().void(&reference);
    Json(answer).into_response()
}

async fn refund(State(sandbox): State<Sandbox>, Path(reference): Path<String>) -> Response {
    let refunded = sandbox.ledger().refund(&reference);
    found_or_unknown(refunded)
}

async fn behave(State(sandbox): State<Sandbox>, Json(behaviour): Json<Behaviour>) -> Json<Behaviour> {
    tracing::info!(?behaviour, "changed the behaviour");
    *sandbox.behaviour() = behaviour;
    Json(behaviour)
}

async fn tally(State(sandbox): State<Sandbox>, Path(reference): Path<String>) -> Response {
    let tally = sandbox.ledger().tally(&reference);
    tally.map_or_else(unknown, |tally| Json(tally).into_response())
}

fn found_or_unknown(answer: Option<Answer>) -> Response {
    answer.map_or_else(unknown, |answer| Json(answer).into_response())
}

fn unknown() -> Response {
    failure(StatusCode::NOT_FOUND, "no such charge")
}

fn broken() -> Response {
    failure(StatusCode::INTERNAL_SERVER_ERROR, "the sandbox is set to fail")
}

/// A body that fails before its first byte makes the server close the connection.
fn dropped() -> Response {
    let lost = futures::stream::once(async { Err::<String, _>(io::Error::other("the sandbox drops this answer")) });
    Response::new(Body::from_stream(lost))
}

fn failure(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "error": message }))).into_response()
}
