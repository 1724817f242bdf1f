//! A client of the REST API, as a shop's engineer would write one.

use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::fresh_key;

/// Somebody who calls the API.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

/// What the API answered.
#[derive(Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it came.
    pub bytes: Vec<u8>,
}

impl Client {
    pub(crate) fn new(http: reqwest::Client, base: String, token: Option<String>) -> Self {
        Self { http, base, token }
    }

    /// The access token.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// The same with another token.
    #[must_use]
    pub fn with_token(&self, token: impl Into<String>) -> Self {
        Self { token: Some(token.into()), ..self.clone() }
    }

    /// A request to a path below `/api/v1`, or to any path that begins with two slashes.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = match path.strip_prefix("//") {
            Some(outside) => format!("{}/{outside}", self.base),
            None => format!("{}/api/v1{path}", self.base),
        };
        let request = self.http.request(method, url);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// `GET`
    pub async fn get(&self, path: &str) -> Reply {
        Self::send(self.request(Method::GET, path)).await
    }

    /// `POST` without an idempotency key.
    pub async fn post(&self, path: &str, body: Value) -> Reply {
        Self::send(self.request(Method::POST, path).json(&body)).await
    }

    /// `POST` with a key of its own.
    pub async fn post_keyed(&self, path: &str, body: Value) -> Reply {
        self.post_with_key(path, body, &fresh_key()).await
    }

    /// `POST` with this key.
    pub async fn post_with_key(&self, path: &str, body: Value, key: &str) -> Reply {
        Self::send(self.request(Method::POST, path).header("Idempotency-Key", key).json(&body)).await
    }

    /// `POST` with a key of its own, in the caller's trace.
    pub async fn post_in_trace(&self, path: &str, body: Value, traceparent: &str) -> Reply {
        let request = self.request(Method::POST, path).header("Idempotency-Key", fresh_key());
        Self::send(request.header("traceparent", traceparent).json(&body)).await
    }

    /// `POST` without a body, with a key of its own.
    pub async fn post_empty(&self, path: &str) -> Reply {
        Self::send(self.request(Method::POST, path).header("Idempotency-Key", fresh_key())).await
    }

    /// Sends a request.
    pub async fn send(request: reqwest::RequestBuilder) -> Reply {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.bytes().await.unwrap().to_vec();
        Reply { status, headers, bytes }
    }
}

impl Reply {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The envelope's data.
    pub fn data(&self) -> Value {
        self.json()["data"].clone()
    }

    /// The envelope's reason; empty when all went well.
    pub fn reason(&self) -> String {
        self.json()["reason"].as_str().unwrap_or_default().to_owned()
    }

    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Fails the test unless the status is this.
    #[track_caller]
    pub fn expect_status(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        self
    }

    /// Fails the test unless all went well.
    #[track_caller]
    pub fn expect_success(self) -> Self {
        assert!(self.status.is_success(), "{}: {}", self.status, self.text());
        self
    }

    /// Fails the test unless this is the envelope of an error with this reason, in agreement with the status line.
    #[track_caller]
    pub fn expect_refusal(self, status: u16, reason: &str) -> Self {
        let body = self.json();
        assert_eq!((self.status.as_u16(), body["reason"].as_str()), (status, Some(reason)), "{body}");
        assert_eq!(body["code"].as_u64().map(|code| code / 100), Some(u64::from(status)), "{body}");
        let id = body["requestId"].as_str().unwrap_or_default();
        assert_eq!(self.header("x-request-id"), Some(id), "{body}");
        assert!(body["message"].is_string() && body["details"].is_array(), "{body}");
        self
    }
}
