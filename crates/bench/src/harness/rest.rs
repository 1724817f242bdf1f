//! Places orders over REST, through the gateway. Uses hyper's client rather than reqwest, which costs less CPU: the
//! load shares its cores with what it measures.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use envelope::{Error, Reason};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use uuid::Uuid;

use super::buyer::{Buyer, Outcome, PATIENCE};
use super::metrics::Metrics;
use super::workload::{Goods, OrderLine};

/// The number of customers, whose tokens the clients share: logging in is slow by design.
const CUSTOMERS: usize = 8;
/// The largest answer that is read.
const ANSWER_LIMIT_BYTES: usize = 1024 * 1024;
const JSON: HeaderValue = HeaderValue::from_static("application/json");

type Http = Client<HttpConnector, Full<Bytes>>;

/// Places orders over REST, each client on a connection that is kept alive.
#[derive(Debug)]
pub(crate) struct Rest {
    http: Http,
    orders: Uri,
    /// Values of the `Authorization` header.
    tokens: Vec<HeaderValue>,
    goods: Arc<Goods>,
    metrics: Metrics,
}

/// An answer of the gateway.
struct OrderAnswer {
    status: StatusCode,
    retry_after: Duration,
    body: Bytes,
}

impl Rest {
    /// Registers customers at this gateway and logs them in.
    ///
    /// # Errors
    /// When that fails.
    pub(crate) async fn connect(
        gateway: &str,
        metrics: Metrics,
        goods: &Arc<Goods>,
        clients: usize,
    ) -> anyhow::Result<Self> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let http = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(clients).build(connector);
        let uri = |path: &str| format!("{gateway}/api/v1{path}").parse::<Uri>().context("the gateway's address");
        let mut tokens = Vec::with_capacity(CUSTOMERS);
        for number in 0..CUSTOMERS.min(clients) {
            let email = format!("bench-{number}@example.com");
            let password = Uuid::now_v7().to_string();
            let user = json!({ "name": "Bench", "email": email, "password": password });
            post(&http, &uri("/users")?, &user).await.context("a customer can't be registered")?;
            let login = json!({ "email": email, "password": password });
            let session = post(&http, &uri("/sessions")?, &login).await.context("a customer can't log in")?;
            let token = session["accessToken"].as_str().context("a session without a token")?;
            let mut header = HeaderValue::from_str(&format!("Bearer {token}"))?;
            header.set_sensitive(true);
            tokens.push(header);
        }
        Ok(Self { http, orders: uri("/orders")?, tokens, goods: Arc::clone(goods), metrics })
    }

    async fn send(&self, client: usize, lines: &[OrderLine]) -> anyhow::Result<Outcome> {
        let lines: Vec<Value> =
            lines.iter().map(|line| json!({ "sku": self.goods.product(*line).sku, "quantity": line.pieces })).collect();
        let request = Request::post(self.orders.clone())
            .header(AUTHORIZATION, self.tokens[client % self.tokens.len()].clone())
            .header(CONTENT_TYPE, JSON)
            .header("Idempotency-Key", Uuid::now_v7().to_string())
            .body(body(&json!({ "lines": lines }))?)?;
        let sent = self.http.request(request).await;
        let Ok(response) = sent else { return Ok(Outcome::Unavailable) };
        let answer = read(response).await?;
        if answer.status == StatusCode::CREATED {
            return Ok(Outcome::Placed);
        }
        let content: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        match content["reason"].as_str().and_then(Reason::from_name) {
            Some(reason) => {
                let message = content["message"].as_str().unwrap_or_default().to_owned();
                Outcome::of(Error::new(reason, message).with_retry_after(answer.retry_after))
            }
            None => bail!("an order was answered with {} and no reason", answer.status),
        }
    }
}

impl Buyer for Rest {
    const NAME: &'static str = "rest";

    async fn place(&self, client: usize, lines: &[OrderLine]) -> anyhow::Result<Outcome> {
        match tokio::time::timeout(PATIENCE, self.send(client, lines)).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => Ok(Outcome::TimedOut),
        }
    }

    async fn retries(&self) -> anyhow::Result<u64> {
        self.metrics.transaction_retries().await
    }
}

/// Posts without a token, and gives the data of the answer.
async fn post(http: &Http, uri: &Uri, message: &Value) -> anyhow::Result<Value> {
    let request = Request::post(uri.clone()).header(CONTENT_TYPE, JSON).body(body(message)?)?;
    let answer = tokio::time::timeout(PATIENCE, async { read(http.request(request).await?).await }).await??;
    let mut content: Value = serde_json::from_slice(&answer.body)?;
    anyhow::ensure!(answer.status == StatusCode::CREATED, "{}: {}", answer.status, content["reason"]);
    Ok(content["data"].take())
}

fn body(message: &Value) -> anyhow::Result<Full<Bytes>> {
    Ok(Full::new(serde_json::to_vec(message)?.into()))
}

async fn read<B>(response: Response<B>) -> anyhow::Result<OrderAnswer>
where
    B: http_body_util::BodyExt,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (head, body) = response.into_parts();
    let retry_after = head.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let collected = Limited::new(body, ANSWER_LIMIT_BYTES).collect().await;
    let body = collected.map_err(|error| anyhow::anyhow!(error)).context("an answer can't be read")?.to_bytes();
    Ok(OrderAnswer { status: head.status, retry_after: Duration::from_secs(retry_after.unwrap_or_default()), body })
}
