//! The customers of a replay: registered for it, logged in, and kept logged in.
//!
//! They are throwaway accounts on a test stack: their passwords are derived from the run's id, so that a run can be
//! continued and no secret has to be kept.

use std::time::Duration;

use anyhow::{Context as _, bail};
use envelope::Reason;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use indicatif::ProgressBar;
use serde_json::json;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::answer::Answer;
use super::api::{Api, Patience};

/// Concurrent registrations and log-ins: hashing a password is slow by design, and the CPU is needed for orders.
const AT_ONCE: usize = 2;
/// The attempts of registrations and log-ins, which are throttled.
const PATIENCE: Patience =
    Patience { attempts: 6, first_wait: Duration::from_millis(250), longest_wait: Duration::from_secs(3) };
/// A token is renewed this long before it expires, or after three quarters of a shorter lifetime.
const RENEWAL_MARGIN: Duration = Duration::from_secs(60);

/// The customers of a run.
#[derive(Debug)]
pub(super) struct Customers(Vec<Customer>);

/// A customer with a session.
pub(super) struct Customer {
    email: String,
    password: String,
    session: Mutex<Session>,
}

struct Session {
    access_token: String,
    refresh_token: String,
    renew_at: Instant,
}

impl std::fmt::Debug for Customer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Customer").field("email", &self.email).finish_non_exhaustive()
    }
}

impl Customers {
    /// Registers the customers of a run, unless an earlier run with the same id has, and logs them in.
    pub(super) async fn register(api: &Api, run_id: &str, number: u32, bar: &ProgressBar) -> anyhow::Result<Self> {
        let registrations = (0..number).map(|number| async move {
            let customer = Customer::register(api, run_id, number).await;
            bar.inc(1);
            customer
        });
        let customers: Vec<Customer> = stream::iter(registrations).buffered(AT_ONCE).try_collect().await?;
        Ok(Self(customers))
    }

    /// The customer of a household, always the same one.
    pub(super) fn of(&self, household: u32) -> Option<&Customer> {
        let number = usize::try_from(household).ok()?.checked_rem(self.0.len())?;
        self.0.get(number)
    }
}

impl Customer {
    async fn register(api: &Api, run_id: &str, number: u32) -> anyhow::Result<Self> {
        let email = format!("replay-{run_id}-{number}@example.com");
        let password = format!("replay-{run_id}-{number}-password");
        let body = json!({ "name": format!("Replay {number}"), "email": email, "password": password });
        let answer = api.post_patiently("/users", &body, PATIENCE).await.context("can't register a customer")?;
        if answer.status != 201 && answer.reason != Some(Reason::AlreadyExists) {
            bail!("a customer can't be registered: {}", describe(&answer));
        }
        let session = Mutex::new(log_in(api, &email, &password).await?);
        Ok(Self { email, password, session })
    }

    /// An access token that is still valid for a while.
    pub(super) async fn token(&self, api: &Api) -> anyhow::Result<String> {
        let mut session = self.session.lock().await;
        if Instant::now() >= session.renew_at {
            *session = self.renew(api, &session).await?;
        }
        Ok(session.access_token.clone())
    }

    /// An access token other than `refused`, which the gateway rejected. Of many concurrent calls one renews the token.
    pub(super) async fn token_other_than(&self, refused: &str, api: &Api) -> anyhow::Result<String> {
        let mut session = self.session.lock().await;
        if session.access_token == refused {
            *session = self.renew(api, &session).await?;
        }
        Ok(session.access_token.clone())
    }

    async fn renew(&self, api: &Api, session: &Session) -> anyhow::Result<Session> {
        let body = json!({ "refreshToken": session.refresh_token });
        let answer = api.post_patiently("/sessions/refresh", &body, PATIENCE).await;
        match answer.map(|answer| session_in(&answer)) {
            Ok(Some(session)) => Ok(session),
            // A lost answer has used up the refresh token.
            _ => log_in(api, &self.email, &self.password).await,
        }
    }
}

async fn log_in(api: &Api, email: &str, password: &str) -> anyhow::Result<Session> {
    let body = json!({ "email": email, "password": password });
    let answer = api.post_patiently("/sessions", &body, PATIENCE).await.context("can't log a customer in")?;
    session_in(&answer).with_context(|| format!("{email} can't log in: {}", describe(&answer)))
}

fn session_in(answer: &Answer) -> Option<Session> {
    let lifetime = Duration::from_secs(answer.data.get("expiresIn")?.as_u64()?);
    let renew_after = lifetime.saturating_sub(RENEWAL_MARGIN).max(lifetime * 3 / 4);
    Some(Session {
        access_token: answer.data.get("accessToken")?.as_str()?.to_owned(),
        refresh_token: answer.data.get("refreshToken")?.as_str()?.to_owned(),
        renew_at: Instant::now() + renew_after,
    })
}

/// Describes a failure, without anything that may be secret.
fn describe(answer: &Answer) -> String {
    match answer.reason {
        Some(reason) => format!("{} ({})", reason.name(), answer.status),
        None => format!("HTTP {}", answer.status),
    }
}
