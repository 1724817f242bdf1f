//! One call to one replica, from its start to the end of its response. Its outcome goes to the replica's load, to
//! outlier detection and to the metrics.

use std::sync::Arc;

use envelope::{Error, Reason};
use hyper::body::Incoming;
use tokio::time::Instant;
use tonic::{Code, Status};

use crate::baseline::Baseline;
use crate::endpoint::{DEADLINE_MARGIN, Endpoint, Outcome};
use crate::pool::Pool;

/// A call in flight. If it is dropped before it is settled, its caller has given it up.
#[derive(Debug)]
pub(crate) struct Call {
    pool: Arc<Pool>,
    endpoint: Arc<Endpoint>,
    baseline: Arc<Baseline>,
    began: Instant,
    /// When the caller gives up. A call that is dropped after that counts against the replica.
    deadline: Option<Instant>,
    is_settled: bool,
}

impl Call {
    /// Begins a call of the method with this path.
    pub(crate) fn begin(pool: &Arc<Pool>, endpoint: Arc<Endpoint>, path: &str, deadline: Option<Instant>) -> Self {
        endpoint.load.begin();
        let (pool, baseline) = (Arc::clone(pool), pool.baselines.of(path));
        Self { pool, endpoint, baseline, began: Instant::now(), deadline, is_settled: false }
    }

    /// Settles the call by the head of its response. A response that is only a status has the status in its head.
    pub(crate) fn answered(&mut self, response: &http::Response<Incoming>) {
        let status = Status::from_header_map(response.headers());
        let outcome = status.map_or(Outcome::Answered, outcome_of);
        if outcome == Outcome::Overloaded {
            self.endpoint.standing.overloaded();
        }
        self.settle(outcome);
    }

    /// The request never reached the replica.
    pub(crate) fn never_sent(&mut self) {
        self.pool.outcomes.count_passed_on();
        self.is_settled = true;
        self.endpoint.load.withdraw();
        self.pool.refresh_discovery();
    }

    /// The response has begun, or never will. Only the first outcome counts.
    pub(crate) fn settle(&mut self, outcome: Outcome) {
        if std::mem::replace(&mut self.is_settled, true) {
            return;
        }
        let took = self.began.elapsed();
        self.endpoint.load.settle(took, self.baseline.ratio(took), outcome);
        if outcome == Outcome::Answered {
            self.baseline.record(took);
        }
        self.pool.outcomes.count(outcome);
        if matches!(outcome, Outcome::Failed | Outcome::Late) {
            self.pool.judge(&self.endpoint);
            self.pool.refresh_discovery();
        }
    }

    /// Whether the replica is to blame for a dropped call: the deadline has come, or the replica answers nobody.
    fn is_late(&self) -> bool {
        // Callers' timers are a little coarser.
        self.deadline.is_some_and(|deadline| Instant::now() + DEADLINE_MARGIN >= deadline)
            || self.endpoint.load.is_silent()
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.settle(if self.is_late() { Outcome::Late } else { Outcome::Dropped });
        self.endpoint.load.end();
    }
}

/// What a status says about the replica that returned it.
fn outcome_of(status: Status) -> Outcome {
    match status.code() {
        // Rate limits have the same code, but concern the caller.
        Code::ResourceExhausted if Error::from_status(status).reason() == Reason::Overloaded => Outcome::Overloaded,
        Code::Unavailable | Code::Internal | Code::Unknown | Code::DataLoss | Code::DeadlineExceeded => Outcome::Failed,
        _ => Outcome::Answered,
    }
}
