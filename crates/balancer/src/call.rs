//! One call at one replica, from its beginning to the end of its answer; what became of it is noted.

use std::sync::Arc;

use envelope::{Error, Reason};
use hyper::body::Incoming;
use metrics::Counter;
use tokio::time::Instant;
use tonic::{Code, Status};

use crate::endpoint::{Endpoint, GRACE, Verdict};
use crate::pace::Pace;
use crate::pool::Pool;

/// A call under way. Dropped before it is settled, it was given up.
#[derive(Debug)]
pub(crate) struct Call {
    pool: Arc<Pool>,
    endpoint: Arc<Endpoint>,
    pace: Arc<Pace>,
    began: Instant,
    /// When whoever asks gives up; from then on it is the replica that is late.
    deadline: Option<Instant>,
    is_settled: bool,
}

impl Call {
    /// `path` is that of the method.
    pub(crate) fn begin(pool: &Arc<Pool>, endpoint: Arc<Endpoint>, path: &str, deadline: Option<Instant>) -> Self {
        endpoint.load.begin();
        let (pool, pace) = (Arc::clone(pool), pool.paces.of(path));
        Self { pool, endpoint, pace, began: Instant::now(), deadline, is_settled: false }
    }

    /// An answer has begun. One that is nothing but a status has it in its head.
    pub(crate) fn answered(&mut self, response: &http::Response<Incoming>) {
        let status = Status::from_header_map(response.headers());
        let verdict = status.map_or(Verdict::Answered, verdict_of);
        if verdict == Verdict::Overloaded {
            self.endpoint.standing.overloaded();
        }
        self.settle(verdict);
    }

    /// The replica never got it.
    pub(crate) fn never_sent(&mut self) {
        self.pool.outcomes.passed_on.increment(1);
        self.is_settled = true;
        self.endpoint.load.withdraw();
        self.pool.lost();
    }

    /// The answer has begun, or never will.
    pub(crate) fn settle(&mut self, verdict: Verdict) {
        if std::mem::replace(&mut self.is_settled, true) {
            return;
        }
        let took = self.began.elapsed();
        self.endpoint.load.settle(took, self.pace.times(took), verdict);
        if verdict == Verdict::Answered {
            self.pace.note(took);
        }
        self.pool.outcomes.of(verdict).increment(1);
        if matches!(verdict, Verdict::Failed | Verdict::Late) {
            self.pool.judge(&self.endpoint);
            self.pool.lost();
        }
    }

    /// Whether nobody waited until its time was up, or the replica answers nobody.
    fn is_late(&self) -> bool {
        // The timers of callers are a little coarser.
        self.deadline.is_some_and(|deadline| Instant::now() + GRACE >= deadline) || self.endpoint.load.is_silent()
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.settle(if self.is_late() { Verdict::Late } else { Verdict::Dropped });
        self.endpoint.load.end();
    }
}

/// How calls have ended, as metrics.
#[derive(Debug)]
pub(crate) struct Outcomes {
    answered: Counter,
    overloaded: Counter,
    failed: Counter,
    broken: Counter,
    late: Counter,
    dropped: Counter,
    passed_on: Counter,
}

impl Outcomes {
    pub(crate) fn new(upstream: &'static str) -> Self {
        let of = |outcome: &'static str| metrics::counter!("balance_calls_total", "upstream" => upstream, "outcome" => outcome);
        Self {
            answered: of("answered"),
            overloaded: of("overloaded"),
            failed: of("failed"),
            broken: of("broken"),
            late: of("late"),
            dropped: of("dropped"),
            passed_on: of("passed_on"),
        }
    }

    fn of(&self, verdict: Verdict) -> &Counter {
        match verdict {
            Verdict::Answered => &self.answered,
            Verdict::Overloaded => &self.overloaded,
            Verdict::Failed => &self.failed,
            Verdict::Broken => &self.broken,
            Verdict::Late => &self.late,
            Verdict::Dropped => &self.dropped,
        }
    }
}

/// What a status says of the replica that gave it.
fn verdict_of(status: Status) -> Verdict {
    match status.code() {
        // The code is also that of rate limits, which are about the caller.
        Code::ResourceExhausted if Error::from_status(status).reason() == Reason::Overloaded => Verdict::Overloaded,
        Code::Unavailable | Code::Internal | Code::Unknown | Code::DataLoss | Code::DeadlineExceeded => Verdict::Failed,
        _ => Verdict::Answered,
    }
}
