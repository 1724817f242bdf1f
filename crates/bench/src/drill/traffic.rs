//! Shoppers: what a shop's customers do over REST while something is broken, and what became of each request.

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

use crate::bench::workload::Goods;

/// How long a request may take before its client gives up.
const PATIENCE: Duration = Duration::from_secs(10);
/// The largest answer that is read.
const ANSWER_LIMIT_BYTES: usize = 1024 * 1024;
/// What each customer has on account, in cents: more than a drill can spend.
const DEPOSIT: i64 = 1_000_000_000_000;
/// The most unpaid orders that are remembered for each customer.
const UNPAID: usize = 64;
/// The `Cache-Status` of a copy that was given since there was too much to do.
const OVERLOADED_COPY: &str = "fournines; fwd=stale; detail=overloaded";
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// A product of the catalogue.
    Browse,
    /// An order of the customer's own.
    Look,
    /// A new order.
    Order,
    /// A payment of an order, from the balance.
    Pay,
    /// A log-in, since a token ends soon.
    Login,
}

impl Kind {
    /// Those of a mix, then log-ins.
    pub(crate) const ALL: [Self; 5] = [Self::Browse, Self::Look, Self::Order, Self::Pay, Self::Login];
}

/// How often each kind comes, as parts of their sum. Log-ins come when they must.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mix(pub(crate) [u32; 4]);

impl Mix {
    /// Half of the requests browse; a seventh pays.
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

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    Good,
    /// Good, from an old copy of the catalogue, since too much is going on to ask for a new one.
    Copied,
    /// Refused since too much is going on: `OVERLOADED` or `RATE_LIMITED`.
    Shed,
    /// Anything else; the text says what, and is one of few.
    Failed(&'static str),
}

impl Outcome {
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
    pub(crate) outcome: Outcome,
    /// How often it was sent.
    pub(crate) sent: u32,
}

/// How clients behave.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Manners {
    /// How often a request is sent again at once when it was refused or failed: a storm of retries.
    pub(crate) retries: u32,
    /// Whether a request that a gateway did not take, because it ends, goes to another gateway once, as a load balancer
    /// in front does. Only what is safe twice: reads, and what has an idempotency key.
    pub(crate) hands_over: bool,
}

/// Customers with money on their accounts.
#[derive(Debug)]
pub(crate) struct Shoppers {
    http: Client<HttpConnector, Full<Bytes>>,
    gateways: Vec<String>,
    customers: Vec<Customer>,
    goods: Arc<Goods>,
    pub(crate) manners: Manners,
}

#[derive(Debug)]
struct Customer {
    email: String,
    password: String,
    session: Mutex<Session>,
    unpaid: Mutex<VecDeque<String>>,
    latest: Mutex<Option<String>>,
}

#[derive(Debug)]
struct Session {
    /// Ready to be sent as `Authorization`.
    token: HeaderValue,
    /// When another is asked for, well before this one ends.
    renew_at: Instant,
}

/// The administrator of a platform.
#[derive(Debug)]
pub(crate) struct Admin<'a> {
    pub(crate) email: &'a str,
    pub(crate) password: &'a str,
}

/// An answer, as far as it matters here.
struct Answer {
    status: StatusCode,
    copied: bool,
    told: Value,
}

impl Shoppers {
    /// Registers so many customers at these gateways, such as `http://127.0.0.1:20001`, and gives them money.
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
            let user = shoppers.made("/users", None, &user).await.context("a customer can't be registered")?;
            let session = shoppers.log_in(&email, &password).await?;
            let deposit = json!({ "amount": DEPOSIT, "currency": "USD" });
            let id = user["id"].as_str().context("a user without an id")?;
            let path = format!("/users/{id}/deposits");
            shoppers.made(&path, Some(&admin.token), &deposit).await.context("the deposit")?;
            shoppers.customers.push(Customer {
                email,
                password,
                session: Mutex::new(session),
                unpaid: Mutex::default(),
                latest: Mutex::default(),
            });
        }
        Ok(shoppers)
    }

    async fn log_in(&self, email: &str, password: &str) -> anyhow::Result<Session> {
        let data = self.made("/sessions", None, &json!({ "email": email, "password": password })).await?;
        Session::of(&data).context("a session without a token")
    }

    /// Posts, and gives the data of the answer.
    async fn made(&self, path: &str, token: Option<&HeaderValue>, body: &Value) -> anyhow::Result<Value> {
        let key = Uuid::now_v7().to_string();
        let mut answer =
            self.send(0, &Method::POST, path, token, Some((&key, body))).await.map_err(anyhow::Error::msg)?;
        ensure!(answer.status.is_success(), "{path}: {}: {}", answer.status, answer.told["reason"]);
        Ok(answer.told["data"].take())
    }

    /// One request of a customer, as the mix has it, that was due at `due`.
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
            && outcome == Outcome::Shed
        {
            customer.owes(order);
        }
        Sample { kind, due, took: due.elapsed(), outcome, sent }
    }

    async fn once(&self, number: usize, customer: &Customer, kind: Kind, order: Option<&str>, key: &str) -> Outcome {
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
        if self.manners.hands_over && is_not_taken(&answered) {
            answered = self.send(number + 1, &method, &path, token, body).await;
        }
        match answered {
            Err(failure) => Outcome::Failed(failure),
            Ok(answer) if answer.status.is_success() => {
                if let (Kind::Order, Some(id)) = (kind, answer.told["data"]["id"].as_str()) {
                    customer.owes(id.to_owned());
                }
                if kind == Kind::Login {
                    let Some(session) = Session::of(&answer.told["data"]) else {
                        return Outcome::Failed("a session without a token");
                    };
                    *customer.session() = session;
                }
                if answer.copied { Outcome::Copied } else { Outcome::Good }
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
    ) -> Result<Answer, &'static str> {
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
            let told = serde_json::from_slice(&body.to_bytes()).unwrap_or_default();
            let copied = head.headers.get("cache-status").is_some_and(|status| status == OVERLOADED_COPY);
            Ok(Answer { status: head.status, copied, told })
        };
        tokio::time::timeout(PATIENCE, answered).await.unwrap_or(Err("no answer in time"))
    }
}

impl Session {
    /// The session of an answer, if it has one. After 50 to 80 % of its time it is renewed, so not all at once.
    fn of(data: &Value) -> Option<Self> {
        let (token, lasts) = (data["accessToken"].as_str()?, data["expiresIn"].as_u64()?);
        let mut token = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
        token.set_sensitive(true);
        let renew_after = Duration::from_secs(lasts).mul_f64(rand::random_range(0.5..0.8));
        Some(Self { token, renew_at: Instant::now() + renew_after })
    }
}

impl Customer {
    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a request of this kind is about: there may be nothing to pay or to look at yet, or a token that ends soon.
    fn subject(&self, kind: Kind) -> (Kind, Option<String>) {
        let now = Instant::now();
        let mut session = self.session();
        if session.renew_at <= now {
            // One client at a time logs a customer in; if it fails, another tries then.
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

    fn owes(&self, order: String) {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(order.clone());
        let mut unpaid = self.unpaid.lock().unwrap_or_else(PoisonError::into_inner);
        if unpaid.len() < UNPAID {
            unpaid.push_back(order);
        }
    }
}

/// Whether a gateway that ends has not taken a request.
fn is_not_taken(answered: &Result<Answer, &'static str>) -> bool {
    matches!(answered, Err("no connection" | "cut off"))
}

fn outcome(answer: &Answer) -> Outcome {
    let reason = answer.told["reason"].as_str().and_then(envelope::Reason::from_name);
    match reason {
        Some(envelope::Reason::Overloaded | envelope::Reason::RateLimited) => Outcome::Shed,
        Some(reason) => Outcome::Failed(reason.name()),
        None => Outcome::Failed("an answer without a reason"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_comes_as_often_as_the_mix_says() {
        let mut counts = [0_u32; 4];
        for _ in 0..10_000 {
            let drawn = Mix([1, 0, 2, 1]).draw();
            counts[Kind::ALL.iter().position(|kind| *kind == drawn).unwrap()] += 1;
        }
        assert_eq!(counts[1], 0);
        assert!((4_500..5_500).contains(&counts[2]), "{counts:?}");
    }

    #[test]
    fn refusals_for_load_are_told_from_failures() {
        let answer = |reason: &str| Answer {
            status: StatusCode::SERVICE_UNAVAILABLE,
            copied: false,
            told: json!({ "reason": reason }),
        };
        assert_eq!(outcome(&answer("OVERLOADED")), Outcome::Shed);
        assert_eq!(outcome(&answer("RATE_LIMITED")), Outcome::Shed);
        assert_eq!(outcome(&answer("UNAVAILABLE")), Outcome::Failed("UNAVAILABLE"));
        assert_eq!(outcome(&answer("what?")), Outcome::Failed("an answer without a reason"));
    }
}
