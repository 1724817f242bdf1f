//! `nines alerts relay`: forwards Alertmanager's webhooks to the robot of a DingTalk group.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use clap::Args;
use cli::terminal;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::dingtalk::{self, Message, Verdict};
use super::notification::Notification;
use crate::http::Http;

/// The longest notification that is accepted, in bytes; one with a thousand alerts is shorter.
const MAX_BODY: usize = 1024 * 1024;
/// How long receiving a notification may take.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest answer of the robot that is read, in bytes.
const MAX_ANSWER: usize = 16 * 1024;
/// The most notifications in flight; more are refused, and Alertmanager retries them.
const MAX_AT_ONCE: usize = 8;

#[derive(Debug, Args)]
pub(super) struct RelayAlerts {
    /// The address to listen on; port 0 takes any free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9096")]
    listen: SocketAddr,
    /// A file with the robot's address, as DingTalk shows it. It contains the access token, which is a secret.
    #[arg(long, value_name = "FILE", required_unless_present = "to")]
    to_file: Option<PathBuf>,
    /// The robot's address, when it is not one of DingTalk's and contains no secret.
    #[arg(long, value_name = "URL", conflicts_with = "to_file")]
    to: Option<String>,
    /// A file with the secret to sign messages with, if the robot requires that: `SEC…`.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// A file with the token that Alertmanager has to send as `Authorization: Bearer …`. Without it everybody who can
    /// reach the port can post to the group.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// How long the robot may take to answer, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    timeout_ms: u64,
}

/// A relay to one robot.
#[derive(Debug)]
struct Relay {
    http: Http,
    /// The address; never printed.
    robot: SecretString,
    secret: Option<SecretString>,
    token: Option<SecretString>,
    in_flight: Semaphore,
}

impl RelayAlerts {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let relay = self.relay()?;
        let listener = TcpListener::bind(self.listen).await;
        let listener = listener.with_context(|| format!("can't listen on {}", self.listen))?;
        terminal::note(&format!("listening on http://{}/dingtalk", listener.local_addr()?));
        serve(listener, relay).await.context("the server has failed")?;
        Ok(ExitCode::SUCCESS)
    }

    fn relay(&self) -> anyhow::Result<Relay> {
        let read = |path: &PathBuf| service::config::read_secret(path).map_err(anyhow::Error::from);
        let robot = match (&self.to_file, &self.to) {
            (Some(path), _) => read(path)?,
            (None, Some(url)) => url.as_str().into(),
            (None, None) => anyhow::bail!("the robot's address is missing: --to-file or --to"),
        };
        // Validates the address now.
        let uri = dingtalk::signed(&robot, None, 0)?;
        anyhow::ensure!(
            matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some(),
            "the robot's address must be https://… or http://…"
        );
        Ok(Relay {
            http: Http::new(Duration::from_millis(self.timeout_ms), MAX_ANSWER)?,
            robot,
            secret: self.secret_file.as_ref().map(read).transpose()?,
            token: self.token_file.as_ref().map(read).transpose()?,
            in_flight: Semaphore::new(MAX_AT_ONCE),
        })
    }
}

async fn serve(listener: TcpListener, relay: Relay) -> io::Result<()> {
    let router = Router::new()
        .route("/dingtalk", post(receive))
        .route("/healthz", get(|| async { "ok\n" }))
        .with_state(Arc::new(relay));
    axum::serve(listener, router).await
}

/// Alertmanager retries a notification when the status is 500 or above.
async fn receive(State(relay): State<Arc<Relay>>, headers: HeaderMap, body: Body) -> (StatusCode, &'static str) {
    if !relay.is_authorized(&headers) {
        return (StatusCode::UNAUTHORIZED, "the token is missing or wrong\n");
    }
    let Ok(_permit) = relay.in_flight.try_acquire() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many notifications at once\n");
    };
    let notification = match read(body).await {
        Ok(notification) => notification,
        Err(refusal) => return refusal,
    };
    match relay.forward(&notification).await {
        Ok(()) => (StatusCode::OK, "ok\n"),
        Err(error) => {
            tracing::warn!(?error, alerts = notification.alerts.len(), "a notification could not be forwarded");
            (StatusCode::BAD_GATEWAY, "the robot did not accept it\n")
        }
    }
}

async fn read(body: Body) -> Result<Notification, (StatusCode, &'static str)> {
    let whole = tokio::time::timeout(READ_TIMEOUT, Limited::new(body, MAX_BODY).collect());
    let bytes = match whole.await {
        Ok(Ok(bytes)) => bytes.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            return Err((StatusCode::PAYLOAD_TOO_LARGE, "the notification is longer than 1 MiB\n"));
        }
        Ok(Err(_broken)) => return Err((StatusCode::BAD_REQUEST, "the notification is incomplete\n")),
        Err(_late) => return Err((StatusCode::REQUEST_TIMEOUT, "the notification takes too long\n")),
    };
    serde_json::from_slice(&bytes)
        .map_err(|_| (StatusCode::BAD_REQUEST, "this is not a notification of Alertmanager\n"))
}

impl Relay {
    fn is_authorized(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else { return true };
        let sent = headers.get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        // Compares digests, so that the duration reveals nothing about the token.
        sent.is_some_and(|sent| Sha256::digest(sent) == Sha256::digest(token.expose_secret().as_bytes()))
    }

    async fn forward(&self, notification: &Notification) -> anyhow::Result<()> {
        let uri = dingtalk::signed(&self.robot, self.secret.as_ref(), primitives::now().as_millisecond())?;
        let message = serde_json::to_vec(&Message::of(notification))?;
        let answer = self.http.post_json(uri, message).await?;
        anyhow::ensure!(answer.status.is_success(), "the robot answers with {}", answer.status);
        let verdict: Verdict =
            serde_json::from_slice(&answer.body).context("the robot's answer is not in DingTalk's form")?;
        let Verdict { errcode, errmsg } = verdict;
        anyhow::ensure!(errcode == 0, "the robot refuses the message: {errcode} {errmsg}");
        Ok(())
    }
}

#[cfg(test)]
mod tests;
