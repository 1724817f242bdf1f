//! Where the replicas of an upstream are: from its configured targets to a stream of endpoint sets.
//!
//! What was found stays until something else is found. DNS that is silent, that fails, or that suddenly knows nobody is
//! far more often broken than right, and an address that is really dead costs nothing: connections and health checks
//! show it. So an upstream that is scaled to zero keeps its last addresses, unreachable, until it comes back. What is
//! kept so counts among all replicas, for panic and for how many may be ejected.

mod board;
mod config;
mod dns;
mod finder;
mod host;
mod target;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use service::{OnFailure, Tasks};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use board::Board;
pub use config::DnsConfig;
use dns::LookupError;
use finder::{Finder, Found};
use target::Target;
pub use target::{Address, TargetError, Targets};

/// The replicas of one upstream, as far as they are known. Clones share everything; when the last one is dropped,
/// nothing is looked up any more.
#[derive(Debug, Clone)]
pub struct Discovery {
    board: Arc<Board>,
    asks: Arc<watch::Sender<()>>,
}

impl Discovery {
    /// Starts to look for the replicas of `upstream`. Those of fixed targets are in the set at once. Each other target
    /// is looked up now, whenever its answer ends, and when asked to, by a task of its own (`discovery`). A panic in it
    /// stops the process in good order: it would only look alive until its replicas have moved.
    pub fn start(upstream: &'static str, targets: &Targets, config: &DnsConfig, tasks: &Tasks) -> Self {
        let fixed = targets.iter().map(|target| target.fixed().into_iter().collect()).collect();
        let board = Arc::new(Board::new(upstream, fixed, config.max_endpoints));
        let asks = Arc::new(watch::Sender::new(()));
        for (place, target) in targets.iter().enumerate().filter(|(_, target)| target.fixed().is_none()) {
            let search = Search {
                upstream,
                target: target.clone(),
                place,
                config: config.clone(),
                finder: Finder::new(target.clone(), config.clone()),
                asked: asks.subscribe(),
                board: Arc::clone(&board),
                is_failing: false,
            };
            let stop = tasks.stop_signal();
            tasks.spawn("discovery", OnFailure::Stop, async move {
                let _stopped = stop.run_until_cancelled(search.run()).await;
                Ok::<(), Infallible>(())
            });
        }
        Self { board, asks }
    }

    /// The set of replicas, now and whenever it changes: sorted by URI, each URI once. Empty until the first one is
    /// found.
    pub fn addresses(&self) -> watch::Receiver<Arc<[Address]>> {
        self.board.watch()
    }

    /// To be called when a replica can't be reached: it may have moved. Never blocks. The answer is asked for at once,
    /// or as soon as `min_refresh_ms` have passed since the last lookup began; all calls until then are one.
    pub fn refresh_now(&self) {
        self.asks.send_replace(());
    }
}

/// The endless search for the replicas of one target.
struct Search {
    upstream: &'static str,
    target: Target,
    place: usize,
    config: DnsConfig,
    finder: Finder,
    asked: watch::Receiver<()>,
    board: Arc<Board>,
    is_failing: bool,
}

impl Search {
    /// Ends when nobody can ask any more.
    async fn run(mut self) {
        loop {
            // This lookup answers whoever asked before it began. Who asks later may have seen a newer failure.
            self.asked.mark_unchanged();
            let next = Instant::now() + self.config.min_refresh();
            let result = self.finder.find().await;
            let pause = self.note(result);
            tokio::select! {
                () = sleep_until(Instant::now() + pause) => {}
                asked = self.asked.changed() => if asked.is_err() { return },
            }
            sleep_until(next).await;
        }
    }

    /// Publishes what was found. How long to wait before the next lookup.
    fn note(&mut self, result: Result<Found, LookupError>) -> Duration {
        let (pause, failure) = match result {
            Ok(Found { addresses, ttl, failure }) => {
                self.board.publish(self.place, addresses);
                (self.config.lifetime(ttl), failure)
            }
            Err(error) => (self.config.failure_retry(), Some(error)),
        };
        let (upstream, target) = (self.upstream, &self.target.place);
        let was_failing = std::mem::replace(&mut self.is_failing, failure.is_some());
        let Some(error) = failure else {
            if was_failing {
                tracing::info!(upstream, ?target, "DNS answers again");
            }
            return pause;
        };
        metrics::counter!("balance_discovery_failures_total", "upstream" => upstream).increment(1);
        if !was_failing {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(upstream, ?target, error, "a lookup failed; what was last found is kept");
        }
        pause.min(self.config.failure_retry())
    }
}
