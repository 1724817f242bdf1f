//! Runs shoppers at a pace and collects their requests.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::traffic::{Kind, Mix, RequestOutcome, Sample, Shoppers};
use crate::harness::drive::{Load, Pace, Schedule};

/// The requests of a load, and the number of those for which no client was free.
#[derive(Debug)]
pub(super) struct Samples {
    pub(super) start: Instant,
    pub(super) list: Vec<Sample>,
    pub(super) not_sent: u64,
}

impl Samples {
    /// The number of orders that were answered as placed.
    pub(super) fn placed(&self) -> u64 {
        let placed = |sample: &&Sample| sample.kind == Kind::Order && sample.outcome == RequestOutcome::Good;
        self.list.iter().filter(placed).fold(0, |count, _| count + 1)
    }
}

/// Sends requests at this pace for a time, with at most this many clients.
///
/// # Errors
/// When a client panics.
pub(super) async fn load(
    shoppers: &Arc<Shoppers>,
    mix: Mix,
    pace: Pace,
    clients: usize,
    lasting: Duration,
) -> anyhow::Result<Samples> {
    let start = Instant::now();
    let schedule = Arc::new(Schedule::new(start, Load { clients, pace, lasting }));
    let mut running = JoinSet::new();
    for number in 0..clients {
        let (shoppers, schedule) = (Arc::clone(shoppers), Arc::clone(&schedule));
        running.spawn(async move {
            let mut samples = Vec::new();
            while let Some(due) = schedule.next().await {
                samples.push(shoppers.shop(number, mix, due).await);
            }
            samples
        });
    }
    let mut list = Vec::new();
    while let Some(ended) = running.join_next().await {
        list.append(&mut ended?);
    }
    let sent = u64::try_from(list.len())?;
    let not_sent = schedule.arrivals().saturating_sub(sent);
    Ok(Samples { start, list, not_sent })
}
