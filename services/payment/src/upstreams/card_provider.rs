//! The card provider's REST API: one pooled client, every call and every answer bounded.
//!
//! The provider must guarantee, so that nothing is charged twice and no charge is lost:
//! - a charge is idempotent by its key, which is the payment's id;
//! - a charge can be looked up by its reference, which is the payment's id too;
//! - a reference can be voided before its charge arrives: the late charge is then refused;
//! - a refund is idempotent by the reference.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use primitives::{Money, PaymentId};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use service::Deadline;

use crate::config::CardConfig;
use crate::domain::{Charge, ChargeStatus};
use crate::error::ProviderError;

/// The time limit of connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long an idle connection is kept; shorter than servers commonly keep theirs, so that they rarely close first.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// The most idle connections that are kept.
const MAX_IDLE: usize = 32;
/// The longest answer that is read, in bytes.
const MAX_ANSWER: usize = 16 * 1024;
/// The longest name that the provider may give to a charge, in bytes.
const MAX_REFERENCE: usize = 255;

/// The client of the card provider. Calls are bounded by the caller's deadline and by the configured time-out.
#[derive(Debug, Clone)]
pub(crate) struct CardProvider {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    /// `Bearer` and the API key; marked as sensitive.
    authorization: HeaderValue,
    /// The URL of the collection, without a slash at its end.
    charges: String,
    timeout: Duration,
}

#[derive(Serialize)]
struct NewCharge<'a> {
    amount: i64,
    currency: &'static str,
    token: &'a str,
    reference: String,
}

/// Unknown fields are ignored, so that the API may grow. One of them, `duplicate`, says that the key was seen before,
/// which makes no difference here.
#[derive(Deserialize)]
struct Answer {
    id: String,
    #[serde(with = "ChargeStatusName")]
    status: ChargeStatus,
}

/// The provider's names of [`ChargeStatus`].
#[derive(Deserialize)]
#[serde(remote = "ChargeStatus", rename_all = "lowercase")]
enum ChargeStatusName {
    Captured,
    Declined,
    Voided,
    Refunded,
}

impl CardProvider {
    /// A client of the provider. It connects at its first call.
    ///
    /// # Errors
    /// When the URL is neither `http` nor `https`, or the key's file can't be read.
    pub(crate) fn new(config: &CardConfig) -> anyhow::Result<Self> {
        let charges = format!("{}/v1/charges", config.provider_url.trim_end_matches('/'));
        let url: Uri = charges.parse().context("[card] provider_url is not a URL")?;
        let known_scheme = matches!(url.scheme_str(), Some("https" | "http"));
        ensure!(known_scheme && url.query().is_none(), "[card] provider_url must be https://… or http://…");
        let authorization = authorization(config)?;
        Ok(Self { client: client()?, authorization, charges, timeout: config.timeout() })
    }

    /// Charges a card. A repeated call with the same payment id gets the first answer again and takes nothing more.
    ///
    /// # Errors
    /// The outcome is unknown: the money may have been taken. It must be looked up.
    pub(crate) async fn charge(
        &self,
        payment: PaymentId,
        amount: Money,
        token: &SecretString,
        deadline: Deadline,
    ) -> Result<Charge, ProviderError> {
        let body = NewCharge {
            amount: amount.amount(),
            currency: amount.currency().code(),
            token: token.expose_secret(),
            reference: payment.to_string(),
        };
        let body = serde_json::to_vec(&body).map_err(lost)?;
        let request = Request::builder()
            .method(Method::POST)
            .uri(&self.charges)
            .header("idempotency-key", payment.to_string())
            .header(CONTENT_TYPE, "application/json");
        self.change("charge", request, body.into(), deadline).await
    }

    /// The charge of a payment; `None` when the provider does not know it. It may still arrive.
    pub(crate) async fn find(&self, payment: PaymentId, deadline: Deadline) -> Result<Option<Charge>, ProviderError> {
        self.send("find", self.get(payment), Full::default(), deadline).await
    }

    /// Has the provider refuse the charge of this payment should it still arrive, and returns the charge's status after
    /// that: a charge that was captured before stays captured.
    pub(crate) async fn void(&self, payment: PaymentId, deadline: Deadline) -> Result<Charge, ProviderError> {
        self.change("void", self.post(payment, "void"), Full::default(), deadline).await
    }

    /// Refunds a captured charge; repeated calls refund it once.
    ///
    /// # Errors
    /// The outcome is unknown; calling again is safe.
    pub(crate) async fn refund(&self, payment: PaymentId, deadline: Deadline) -> Result<Charge, ProviderError> {
        self.change("refund", self.post(payment, "refund"), Full::default(), deadline).await
    }

    fn get(&self, payment: PaymentId) -> http::request::Builder {
        Request::builder().method(Method::GET).uri(format!("{}/{payment}", self.charges))
    }

    fn post(&self, payment: PaymentId, action: &str) -> http::request::Builder {
        Request::builder().method(Method::POST).uri(format!("{}/{payment}/{action}", self.charges))
    }

    /// Sends a request and reads the whole answer; `None` for 404.
    async fn send(
        &self,
        call: &'static str,
        request: http::request::Builder,
        body: Full<Bytes>,
        deadline: Deadline,
    ) -> Result<Option<Charge>, ProviderError> {
        let started = Instant::now();
        let sent = async {
            let request = request
                .header(AUTHORIZATION, &self.authorization)
                .header(ACCEPT, "application/json")
                .body(body)
                .map_err(lost)?;
            read(self.client.request(request).await.map_err(lost)?).await
        };
        let result = deadline.at_most(self.timeout).bound(sent).await.unwrap_or(Err(ProviderError::TimedOut));
        metrics::counter!("card_provider_requests_total", "call" => call, "outcome" => outcome(&result)).increment(1);
        metrics::histogram!("card_provider_duration_seconds", "call" => call).record(started.elapsed().as_secs_f64());
        result
    }

    /// For calls that the provider never answers with 404.
    async fn change(
        &self,
        call: &'static str,
        request: http::request::Builder,
        body: Full<Bytes>,
        deadline: Deadline,
    ) -> Result<Charge, ProviderError> {
        let answer = self.send(call, request, body, deadline).await?;
        answer.ok_or(ProviderError::Status(StatusCode::NOT_FOUND.as_u16()))
    }
}

/// TLS trusts the roots of Mozilla's program. They are part of the binary, so images need no certificates.
fn client() -> anyhow::Result<Client<HttpsConnector<HttpConnector>, Full<Bytes>>> {
    let mut tcp = HttpConnector::new();
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    tcp.set_nodelay(true);
    // The TLS connector decides which schemes are allowed.
    tcp.enforce_http(false);
    let connector = HttpsConnectorBuilder::new()
        .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())?
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    let client = Client::builder(TokioExecutor::new())
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(MAX_IDLE)
        .pool_timer(TokioTimer::new())
        .build(connector);
    Ok(client)
}

fn authorization(config: &CardConfig) -> anyhow::Result<HeaderValue> {
    let key = service::config::read_secret(&config.api_key_file)?;
    let mut bearer = HeaderValue::try_from(format!("Bearer {}", key.expose_secret()))
        .map_err(|_| anyhow::anyhow!("the key in [card] api_key_file can't be sent in a header"))?;
    bearer.set_sensitive(true);
    Ok(bearer)
}

/// `None` for 404; any other status than 200, redirects included, says nothing about the charge.
async fn read<B>(response: Response<B>) -> Result<Option<Charge>, ProviderError>
where
    B: http_body_util::BodyExt,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    match response.status() {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND => return Ok(None),
        other => return Err(ProviderError::Status(other.as_u16())),
    }
    let bytes = match Limited::new(response.into_body(), MAX_ANSWER).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return Err(ProviderError::Unreadable("it is too long"));
        }
        Err(error) => return Err(ProviderError::Connection(error)),
    };
    let answer: Answer =
        serde_json::from_slice(&bytes).map_err(|_| ProviderError::Unreadable("it is not the JSON of a charge"))?;
    if answer.id.is_empty() || answer.id.len() > MAX_REFERENCE {
        return Err(ProviderError::Unreadable("its id is empty or too long"));
    }
    Ok(Some(Charge { reference: answer.id, status: answer.status }))
}

fn lost(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ProviderError {
    ProviderError::Connection(error.into())
}

fn outcome(result: &Result<Option<Charge>, ProviderError>) -> &'static str {
    match result {
        Ok(None) => "not_found",
        Ok(Some(charge)) => match charge.status {
            ChargeStatus::Captured => "captured",
            ChargeStatus::Declined => "declined",
            ChargeStatus::Voided => "voided",
            ChargeStatus::Refunded => "refunded",
        },
        Err(ProviderError::TimedOut) => "timed_out",
        Err(ProviderError::Connection(_)) => "connection_failed",
        Err(ProviderError::Status(_)) => "bad_status",
        Err(ProviderError::Unreadable(_)) => "unreadable",
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// The result of a look-up at a server that sends `answer` to one connection, and the first bytes of the request.
    async fn look_up(scheme: &str, answer: &str) -> (Result<Option<Charge>, ProviderError>, Vec<u8>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let key = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(key.path(), "secret-key").unwrap();
        let provider = CardProvider::new(&CardConfig {
            provider_url: format!("{scheme}://{}/api/", listener.local_addr().unwrap()),
            api_key_file: key.path().to_owned(),
            timeout_ms: 2_000,
        });
        let provider = provider.unwrap();
        assert!(!format!("{provider:?}").contains("secret-key"));
        let server = async {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut got = vec![0; 4_096];
            let length = connection.read(&mut got).await.unwrap();
            got.truncate(length);
            connection.write_all(answer.as_bytes()).await.unwrap();
            got
        };
        let found = provider.find(PaymentId::new(), Deadline::after(Duration::from_secs(5)));
        tokio::join!(found, server)
    }

    fn ok(body: &str) -> String {
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    }

    #[tokio::test]
    async fn an_answer_counts_only_if_it_reports_the_status_of_the_charge() {
        let (found, got) = look_up("http", &ok(r#"{"id": "ch_1", "status": "captured", "more": 1}"#)).await;
        let expected = Charge { reference: "ch_1".into(), status: ChargeStatus::Captured };
        assert_eq!(found.unwrap(), Some(expected));
        assert!(got.starts_with(b"GET /api/v1/charges/"));
        let (missing, _) = look_up("http", "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await;
        assert_eq!(missing.unwrap(), None);
        let too_long = ok(&"x".repeat(MAX_ANSWER + 1));
        for unreadable in
            [ok("captured"), ok(r#"{"id": "", "status": "captured"}"#), ok(r#"{"id": "a", "status": "?"}"#), too_long]
        {
            let (refused, _) = look_up("http", &unreadable).await;
            assert!(matches!(refused, Err(ProviderError::Unreadable(_))), "{refused:?}");
        }
        let moved = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
        assert!(matches!(look_up("http", moved).await.0, Err(ProviderError::Status(302))));
        assert!(matches!(look_up("http", "").await.0, Err(ProviderError::Connection(_))));
    }

    #[tokio::test]
    async fn https_begins_with_a_handshake_and_sends_nothing_in_the_clear() {
        const HANDSHAKE: u8 = 0x16;
        let (refused, got) = look_up("https", &ok("{}")).await;
        assert_eq!(got.first(), Some(&HANDSHAKE));
        assert!(!got.windows(10).any(|bytes| bytes == b"secret-key"));
        assert!(matches!(refused, Err(ProviderError::Connection(_))));
    }
}
