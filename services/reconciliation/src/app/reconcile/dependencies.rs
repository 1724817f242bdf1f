//! What every run uses.

use std::time::Duration;

use envelope::Error;
use jiff::Timestamp;
use messaging::Lag;
use mongo::{Cut, Db};
use service::Deadline;

use crate::config::ReconciliationConfig;
use crate::domain::{Backlog, ExceptionHistories, Finding};
use crate::store::{Exceptions, Runs, Statements};
use crate::upstreams::Upstreams;

/// How long a call of the database may take.
const STORE_TIMEOUT: Duration = Duration::from_secs(30);

/// The stores, clients and settings of runs.
pub(crate) struct Dependencies {
    pub(crate) db: Db,
    pub(crate) upstreams: Upstreams,
    pub(crate) statements: Statements,
    pub(crate) runs: Runs,
    pub(crate) exceptions: Exceptions,
    /// The consumer group that applies events to statements, and how far behind this process is with it.
    pub(crate) group: &'static str,
    pub(crate) lag: Lag,
    pub(crate) config: ReconciliationConfig,
}

impl Dependencies {
    pub(super) async fn cut(&self) -> Result<Cut, Error> {
        Ok(self.db.cut(deadline()).await?)
    }

    /// The time before which all events have had the time to be applied.
    pub(super) fn settled(&self, cut: Cut) -> Timestamp {
        cut.time() - self.config.settle()
    }

    pub(super) fn backlog(&self) -> Backlog {
        Backlog { is_reading: self.lag.is_reading(), events: self.lag.events() }
    }

    /// What runs since the start of the last full run have found of the same differences. The full run would have found
    /// them too.
    pub(super) async fn histories(&self, findings: &[Finding]) -> Result<ExceptionHistories, Error> {
        let last = self.runs.last_full(deadline()).await?;
        let since = last.and_then(|run| run.started_at).unwrap_or(Timestamp::UNIX_EPOCH);
        Ok(self.exceptions.histories(findings, since, deadline()).await?)
    }
}

/// That of a call of the database.
pub(super) fn deadline() -> Deadline {
    Deadline::after(STORE_TIMEOUT)
}
