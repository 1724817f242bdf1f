//! Shoppers: the requests that customers send over REST while something is broken, and their outcomes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use crate::harness::workload::Goods;

/// How long a request may take before its client gives up.
const PATIENCE: Duration = Duration::from_secs(10);
/// The largest answer that is read.
const ANSWER_LIMIT_BYTES: usize = 1024 * 1024;
/// The balance of each customer, in cents: more than a drill can spend.
const DEPOSIT: i64 = 1_000_000_000_000;
/// The most unpaid orders that are remembered for each customer.
const UNPAID: usize = 64;
/// The `Cache-Status` of a stale copy that was served because of overload.
const OVERLOADED_COPY: &str = "fournines; fwd=stale; detail=overloaded";
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The kind of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// Reads a product of the catalogue.
    Browse,
    /// Reads one of the customer's orders.
    Look,
    /// Places an order.
    Order,
    /// Pays an order from the balance.
    Pay,
    /// Logs in, since a token expires soon.
    Login,
}

impl Kind {
    /// The kinds of a mix, then log-ins.
    pub(crate) const ALL: [Self; 5] = [Self::Browse, Self::Look, Self::Order, Self::Pay, Self::Login];
}

/// The weight of each kind. Log-ins have none; they happen when a token expires.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mix(pub(crate) [u32; 4]);

impl Mix {
    /// Half of the requests browse; about a seventh pays.
    pub(crate) const SHOP: Self = Self([50, 10, 25, 15]);

    fn draw(self) -> Kind {
        let mut left = rand::random_range(0..self.0.iter().sum::<u32>());
        for (kind, part) in Kind::ALL.into_iter().zip(self.0) {
            match left.checked_sub(part) {
                Some(rest) => left = rest,
                None => return kind,
            }
        }
        Kind::Browse
    }
}

/// The outcome of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RequestOutcome {
    Good,
    /// Good, with a stale copy of the catalogue that was served because of overload.
    Copied,
    /// Refused because of load: `OVERLOADED` or `RATE_LIMITED`.
    Shed,
    /// Any other failure, with its reason, which is one of a few.
    Failed(&'static str),
}

impl RequestOutcome {
    pub(crate) fn is_good(self) -> bool {
        matches!(self, Self::Good | Self::Copied)
    }
}

/// A request with its answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) kind: Kind,
    /// When it was due.
    pub(crate) due: Instant,
    /// From then to the end of the answer.
    pub(crate) took: Duration,
    pub(crate) outcome: RequestOutcome,
    /// How many times it was sent.
    pub(crate) sent: u32,
}

/// The behaviour of clients.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Manners {
    /// How often a refused or failed request is retried at once: a retry storm.
    pub(crate) retries: u32,
    /// Whether a request that a gateway did not accept, because it shuts down, is sent to another gateway once, as a
    /// load balancer does. Safe, since all requests are reads or have an idempotency key.
    pub(crate) hands_over: bool,
}

/// Customers with money on their accounts.
#[derive(Debug)]
pub(crate) struct Shoppers {
    http: Client<HttpConnector, Full<Bytes>>,
    gateways: Vec<String>,
    customers: Vec<Shopper>,
    goods: Arc<Goods>,
    pub(crate) manners: Manners,
}

#[derive(Debug)]
struct Shopper {
    email: String,
    password: String,
    session: Mutex<ShopperSession>,
    unpaid: Mutex<VecDeque<String>>,
    latest: Mutex<Option<String>>,
}

#[derive(Debug)]
struct ShopperSession {
    /// The value of the `Authorization` header.
    token: HeaderValue,
    /// When the token is renewed, well before it expires.
    renew_at: Instant,
}

/// The administrator of a platform.
#[derive(Debug)]
pub(crate) struct Admin<'a> {
    pub(crate) email: &'a str,
    pub(crate) password: &'a str,
}

/// The relevant parts of an answer.
struct ShopAnswer {
    status: StatusCode,
    copied: bool,
    content: Value,
}

impl Shoppers {
    /// Registers customers at these gateways, such as `http://127.0.0.1:20001`, and deposits money for them.
    ///
    /// # Errors
    /// When that fails.
    pub(crate) async fn connect(
        gateways: Vec<String>,
        admin: Admin<'_>,
        customers: usize,
        goods: &Arc<Goods>,
        manners: Manners,
    ) -> anyhow::Result<Self> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(PATIENCE));
        let http = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
        let mut shoppers = Self { http, gateways, customers: Vec::new(), goods: Arc::clone(goods), manners };
        let admin = shoppers.log_in(admin.email, admin.password).await.context("the administrator")?;
        for number in 0..customers {
            let (email, password) = (format!("drill-{number}@example.com"), Uuid::now_v7().to_string());
            let user = json!({ "name": "Drill", "email": email, "password": password });
            let user = shoppers.create("/users", None, &user).await.context("a customer can't be registered")?;
            let session = shoppers.log_in(&email, &password).await?;
            let deposit = json!({ "amount": DEPOSIT, "currency": "USD" });
            let id = user["id"].as_str().context("a user without an id")?;
            let path = format!("/users/{id}/deposits");
            shoppers.create(&path, Some(&admin.token), &deposit).await.context("the deposit")?;
            shoppers.customers.push(Shopper {
                email,
                password,
                session: Mutex::new(session),
                unpaid: Mutex::default(),
                latest: Mutex::default(),
            });
        }
        Ok(shoppers)
    }

    async fn log_in(&self, email: &str, password: &str) -> anyhow::Result<ShopperSession> {
        let data = self.create("/sessions", None, &json!({ "email": email, "password": password })).await?;
        ShopperSession::of(&data).context("a session without a token")
    }

    /// Posts, and gives the data of the answer.
    async fn create(&self, path: &str, token: Option<&HeaderValue>, body: &Value) -> anyhow::Result<Value> {
        let key = Uuid::now_v7().to_string();
        let mut answer =
            self.send(0, &Method::POST, path, token, Some((&key, body))).await.map_err(anyhow::Error::msg)?;
        ensure!(answer.status.is_success(), "{path}: {}: {}", answer.status, answer.content["reason"]);
        Ok(answer.content["data"].take())
    }

    /// Sends one request of a customer, of a kind drawn from the mix, that was due at `due`.
    pub(crate) async fn shop(&self, number: usize, mix: Mix, due: Instant) -> Sample {
        let customer = &self.customers[number % self.customers.len()];
        let (kind, order) = customer.subject(mix.draw());
        let key = Uuid::now_v7().to_string();
        let mut sent = 0;
        let outcome = loop {
            sent += 1;
            let outcome = self.once(number, customer, kind, order.as_deref(), &key).await;
            if outcome.is_good() || sent > self.manners.retries {
                break outcome;
            }
        };
        if let (Kind::Pay, Some(order)) = (kind, order)
            && outcome == RequestOutcome::Shed
        {
            customer.remember_unpaid(order);
        }
        Sample { kind, due, took: due.elapsed(), outcome, sent }
    }

    async fn once(
        &self,
        number: usize,
        customer: &Shopper,
        kind: Kind,
        order: Option<&str>,
        key: &str,
    ) -> RequestOutcome {
        let token = customer.session().token.clone();
        let order = order.unwrap_or_default();
        let sku = || &self.goods.product(self.goods.draw()[0]).sku;
        let (method, path, body) = match kind {
            Kind::Browse => (Method::GET, format!("/products/{}", sku()), None),
            Kind::Look => (Method::GET, format!("/orders/{order}"), None),
            Kind::Order => {
                let lines = json!({ "lines": [{ "sku": sku(), "quantity": 1 }] });
                (Method::POST, "/orders".to_owned(), Some(lines))
            }
            Kind::Pay => (Method::POST, format!("/orders/{order}/payments"), Some(json!({ "method": "balance" }))),
            Kind::Login => {
                let credentials = json!({ "email": customer.email, "password": customer.password });
                (Method::POST, "/sessions".to_owned(), Some(credentials))
            }
        };
        let token = if matches!(kind, Kind::Browse | Kind::Login) { None } else { Some(&token) };
        let body = body.as_ref().map(|body| (key, body));
        let mut answered = self.send(number, &method, &path, token, body).await;
        if self.manners.hands_over && was_not_accepted(&answered) {
            answered = self.send(number + 1, &method, &path, token, body).await;
        }
        match answered {
            Err(failure) => RequestOutcome::Failed(failure),
            Ok(answer) if answer.status.is_success() => {
                if let (Kind::Order, Some(id)) = (kind, answer.content["data"]["id"].as_str()) {
                    customer.remember_unpaid(id.to_owned());
                }
                if kind == Kind::Login {
                    let Some(session) = ShopperSession::of(&answer.content["data"]) else {
                        return RequestOutcome::Failed("a session without a token");
                    };
                    *customer.session() = session;
                }
                if answer.copied { RequestOutcome::Copied } else { RequestOutcome::Good }
            }
            Ok(answer) => outcome(&answer),
        }
    }

    async fn send(
        &self,
        number: usize,
        method: &Method,
        path: &str,
        token: Option<&HeaderValue>,
        body: Option<(&str, &Value)>,
    ) -> Result<ShopAnswer, &'static str> {
        let gateway = &self.gateways[number % self.gateways.len()];
        let mut request = Request::builder().method(method).uri(format!("{gateway}/api/v1{path}"));
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, token);
        }
        let mut bytes = Bytes::new();
        if let Some((key, body)) = body {
            request = request.header(CONTENT_TYPE, JSON).header("Idempotency-Key", key);
            bytes = body.to_string().into();
        }
        let request = request.body(Full::new(bytes)).map_err(|_| "no valid request")?;
        let answered = async {
            let response = self.http.request(request).await.map_err(|_| "no connection")?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_LIMIT_BYTES).collect().await.map_err(|_| "cut off")?;
            let content = serde_json::from_slice(&body.to_bytes()).unwrap_or_default();
            let copied = head.headers.get("cache-status").is_some_and(|status| status == OVERLOADED_COPY);
            Ok(ShopAnswer { status: head.status, copied, content })
        };
        tokio::time::timeout(PATIENCE, answered).await.unwrap_or(Err("no answer in time"))
    }
}

impl ShopperSession {
    /// The session in an answer, if it has one. It is renewed after 50 to 80 % of its lifetime, so that not all
    /// renewals coincide.
    fn of(data: &Value) -> Option<Self> {
        let (token, lasts) = (data["accessToken"].as_str()?, data["expiresIn"].as_u64()?);
        let mut token = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
        token.set_sensitive(true);
        let renew_after = Duration::from_secs(lasts).mul_f64(rand::random_range(0.5..0.8));
        Some(Self { token, renew_at: Instant::now() + renew_after })
    }
}

impl Shopper {
    fn session(&self) -> MutexGuard<'_, ShopperSession> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The kind and the order of the next request: a log-in when the token expires soon, and a new order when there is
    /// none to pay or to look at.
    fn subject(&self, kind: Kind) -> (Kind, Option<String>) {
        let now = Instant::now();
        let mut session = self.session();
        if session.renew_at <= now {
            // One client at a time logs a customer in; if it fails, another tries after that time.
            session.renew_at = now + PATIENCE;
            return (Kind::Login, None);
        }
        drop(session);
        let order = match kind {
            Kind::Browse | Kind::Order | Kind::Login => return (kind, None),
            Kind::Look => self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            Kind::Pay => self.unpaid.lock().unwrap_or_else(PoisonError::into_inner).pop_front(),
        };
        if order.is_some() { (kind, order) } else { (Kind::Order, None) }
    }

    fn remember_unpaid(&self, order: String) {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(order.clone());
        let mut unpaid = self.unpaid.lock().unwrap_or_else(PoisonError::into_inner);
        if unpaid.len() < UNPAID {
            unpaid.push_back(order);
        }
    }
}

/// Whether a gateway that shuts down may not have accepted a request.
fn was_not_accepted(answered: &Result<ShopAnswer, &'static str>) -> bool {
    matches!(answered, Err("no connection" | "cut off"))
}

fn outcome(answer: &ShopAnswer) -> RequestOutcome {
    let reason = answer.content["reason"].as_str().and_then(envelope::Reason::from_name);
    match reason {
        Some(envelope::Reason::Overloaded | envelope::Reason::RateLimited) => RequestOutcome::Shed,
        Some(reason) => RequestOutcome::Failed(reason.name()),
        None => RequestOutcome::Failed("an answer without a reason"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_drawn_by_their_weights() {
        let mut counts = [0_u32; 4];
        for _ in 0..10_000 {
            let drawn = Mix([1, 0, 2, 1]).draw();
            counts[Kind::ALL.iter().position(|kind| *kind == drawn).unwrap()] += 1;
        }
        assert_eq!(counts[1], 0);
        assert!((4_500..5_500).contains(&counts[2]), "{counts:?}");
    }

    #[test]
    fn refusals_for_load_are_distinguished_from_failures() {
        let answer = |reason: &str| ShopAnswer {
            status: StatusCode::SERVICE_UNAVAILABLE,
            copied: false,
            content: json!({ "reason": reason }),
        };
        assert_eq!(outcome(&answer("OVERLOADED")), RequestOutcome::Shed);
        assert_eq!(outcome(&answer("RATE_LIMITED")), RequestOutcome::Shed);
        assert_eq!(outcome(&answer("UNAVAILABLE")), RequestOutcome::Failed("UNAVAILABLE"));
        assert_eq!(outcome(&answer("what?")), RequestOutcome::Failed("an answer without a reason"));
    }
}
