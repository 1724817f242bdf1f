//! Runs a replay.

use std::sync::atomic::AtomicUsize;

use cli::terminal;
use futures::StreamExt as _;
use tokio::time::Instant;

use super::api::Api;
use super::customers::Customers;
use super::options::Options;
use super::plan::{DueTimes, Plan};
use super::send::Sender;
use super::summary::{RunTally, Summary};
use crate::completejourney::Basket;

/// Sends these baskets in this order.
///
/// # Errors
/// When the customers can't be registered. The outcomes of orders are in the summary.
pub async fn replay_baskets(baskets: Vec<Basket>, options: &Options) -> anyhow::Result<Summary> {
    replay(&Plan::new(baskets, 0, usize::MAX), options).await
}

pub(super) async fn replay(plan: &Plan, options: &Options) -> anyhow::Result<Summary> {
    let concurrency = usize::try_from(options.concurrency)?;
    let api = Api::new(&options.gateway, concurrency)?;
    let customers = {
        let bar = terminal::bar(usize::try_from(options.users)?, "customers");
        let registered = Customers::register(&api, &options.run_id, options.users, &bar).await;
        bar.finish_and_clear();
        registered?
    };
    let run_id = options.run_id.as_str();
    let sender = Sender { api: &api, customers: &customers, run_id, concurrency, in_flight: AtomicUsize::new(0) };
    let orders = plan.orders();
    let bar = terminal::bar(orders.len(), "orders");
    let due_times = DueTimes::new(Instant::now(), options.rate);
    let mut tally = RunTally::new(due_times);
    {
        let over = async {
            tokio::select! {
                () = tokio::time::sleep_until(due_times.start() + options.sending) => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        };
        // An order is taken when it is due and fewer than `concurrency` orders are in flight.
        let due = futures::stream::iter(orders.iter().enumerate())
            .then(|(number, order)| async move { (due_times.wait_for(number).await, order) });
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
