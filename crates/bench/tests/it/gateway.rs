//! A stub of the gateway that answers as the test says and records the requests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use service::{OnFailure, Tasks};
use tokio_util::sync::CancellationToken;

/// A request for an order.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) key: String,
    pub(crate) token: String,
    pub(crate) body: Value,
}

/// The answer to an order, given how often its key was seen before.
type Behaviour = dyn Fn(&Asked, usize) -> Reply + Send + Sync;

/// An answer of the stub.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Placed,
    /// Placed, answered after this time.
    PlacedLate(Duration),
    /// The stored answer to a key that was used before.
    Replayed,
    /// A failure with a status and a reason.
    No(u16, &'static str),
    /// A failure with `Retry-After` in seconds.
    NotNow(u16, &'static str, u32),
}

#[derive(Clone)]
struct Stub {
    behaviour: Arc<Behaviour>,
    seen: Arc<Mutex<Seen>>,
    /// The lifetime of an access token, in seconds.
    expires_in: u64,
}

#[derive(Default)]
struct Seen {
    asked: Vec<Asked>,
    emails: BTreeMap<String, String>,
    tokens: usize,
    refreshes: usize,
}

/// A running stub, which is stopped on drop.
pub(crate) struct Gateway {
    pub(crate) url: String,
    stub: Stub,
    tasks: Tasks,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.tasks.stop_signal().cancel();
    }
}

impl Gateway {
    pub(crate) async fn start(behaviour: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::with_tokens_for(900, behaviour).await
    }

    pub(crate) async fn with_tokens_for(
        expires_in: u64,
        behaviour: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let stub = Stub { behaviour: Arc::new(behaviour), seen: Arc::default(), expires_in };
        let routes = Router::new()
            .route("/api/v1/users", post(register))
            .route("/api/v1/sessions", post(log_in))
            .route("/api/v1/sessions/refresh", post(refresh))
            .route("/api/v1/orders", post(place))
            .with_state(stub.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let tasks = Tasks::new(CancellationToken::new());
        let stop = tasks.stop_signal();
        tasks.spawn("gateway", OnFailure::Log, async move {
            axum::serve(listener, routes).with_graceful_shutdown(stop.cancelled_owned()).await
        });
        Self { url, stub, tasks }
    }

    /// All requests for orders, in order of arrival.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.stub.seen.lock().unwrap().asked.clone()
    }

    /// The numbers of registered accounts, issued tokens and refreshed sessions.
    pub(crate) fn sessions(&self) -> (usize, usize, usize) {
        let seen = self.stub.seen.lock().unwrap();
        (seen.emails.len(), seen.tokens, seen.refreshes)
    }
}

fn failure(status: u16, reason: &str) -> Response {
    let body = json!({ "code": u32::from(status) * 100 + 1, "reason": reason, "message": "no", "details": [] });
    (StatusCode::from_u16(status).unwrap(), Json(body)).into_response()
}

fn created(data: &Value) -> Response {
    (StatusCode::CREATED, Json(json!({ "code": 201, "message": "success", "data": data }))).into_response()
}

async fn register(State(stub): State<Stub>, Json(body): Json<Value>) -> Response {
    let text = |field: &str| body[field].as_str().unwrap().to_owned();
    let before = stub.seen.lock().unwrap().emails.insert(text("email"), text("password"));
    if before.is_some() { failure(409, "ALREADY_EXISTS") } else { created(&json!({ "id": "u" })) }
}

async fn log_in(State(stub): State<Stub>, Json(body): Json<Value>) -> Response {
    let mut seen = stub.seen.lock().unwrap();
    let password = seen.emails.get(body["email"].as_str().unwrap()).cloned();
    if password.as_deref() != body["password"].as_str() {
        return failure(401, "BAD_CREDENTIALS");
    }
    tokens(&mut seen, stub.expires_in)
}

async fn refresh(State(stub): State<Stub>, Json(_): Json<Value>) -> Response {
    let mut seen = stub.seen.lock().unwrap();
    seen.refreshes += 1;
    tokens(&mut seen, stub.expires_in)
}

fn tokens(seen: &mut Seen, expires_in: u64) -> Response {
    seen.tokens += 1;
    let (access, refresh) = (format!("access-{}", seen.tokens), format!("refresh-{}", seen.tokens));
    created(&json!({ "accessToken": access, "refreshToken": refresh, "expiresIn": expires_in, "tokenType": "Bearer" }))
}

async fn place(State(stub): State<Stub>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    let asked = Asked { key: header("idempotency-key"), token: header("authorization"), body };
    let reply = {
        let mut seen = stub.seen.lock().unwrap();
        let before = seen.asked.iter().filter(|earlier| earlier.key == asked.key).count();
        seen.asked.push(asked.clone());
        (stub.behaviour)(&asked, before)
    };
    match reply {
        Reply::Placed => created(&json!({ "id": "o" })),
        Reply::PlacedLate(after) => {
            tokio::time::sleep(after).await;
            created(&json!({ "id": "o" }))
        }
        Reply::Replayed => ([("Idempotent-Replayed", "true")], created(&json!({ "id": "o" }))).into_response(),
        Reply::No(status, reason) => failure(status, reason),
        Reply::NotNow(status, reason, seconds) => {
            ([("Retry-After", seconds.to_string())], failure(status, reason)).into_response()
        }
    }
}
