//! Runs for administrators: requests one, and shows what runs have found.

use envelope::{Error, Reason};
use primitives::RunId;
use service::RequestContext;
use service::page::{self, PageTokens};

use crate::domain::{Exception, ExceptionKey, Run, RunKind};
use crate::store::{Exceptions, Runs};

/// The use cases of administrators.
#[derive(Clone)]
pub(crate) struct RunsApp {
    runs: Runs,
    exceptions: Exceptions,
    tokens: PageTokens,
}

impl RunsApp {
    pub(crate) fn new(runs: Runs, exceptions: Exceptions, tokens: PageTokens) -> Self {
        Self { runs, exceptions, tokens }
    }

    /// Requests a full run. While one waits to be started, returns that one.
    pub(crate) async fn start(&self, context: &RequestContext) -> Result<Run, Error> {
        context.require_admin()?;
        Ok(self.runs.request(&Run::new(RunKind::OnDemand, primitives::now()), context.deadline).await?)
    }

    pub(crate) async fn run(&self, context: &RequestContext, id: RunId) -> Result<Run, Error> {
        context.require_admin()?;
        let missing = || Error::new(Reason::NotFound, "there is no such reconciliation");
        self.runs.find(id, context.deadline).await?.ok_or_else(missing)
    }

    /// A page of runs, newest first, and the token of the next page.
    pub(crate) async fn list(
        &self,
        context: &RequestContext,
        page_size: u32,
        page_token: &str,
    ) -> Result<(Vec<Run>, String), Error> {
        context.require_admin()?;
        let size = page::size(page_size)?;
        let before = self.tokens.open("reconciliations", page_token)?;
        let found = self.runs.list(before, size + 1, context.deadline).await?;
        self.tokens.paginate("reconciliations", found, size, |run| run.id)
    }

    /// A page of the exceptions of a run, by kind and subject, and the token of the next page.
    pub(crate) async fn exceptions(
        &self,
        context: &RequestContext,
        id: RunId,
        page_size: u32,
        page_token: &str,
    ) -> Result<(Vec<Exception>, String), Error> {
        let run = self.run(context, id).await?;
        let size = page::size(page_size)?;
        let list = format!("exceptions {}", run.id);
        let after: Option<ExceptionKey> = self.tokens.open(&list, page_token)?;
        let found = self.exceptions.list(run.id, after, size + 1, context.deadline).await?;
        self.tokens.paginate(&list, found, size, |exception| exception.finding.key())
    }
}
