//! The reconciliation service of a shop, seen through its database, its calls and its process.

use std::time::Duration;

use anyhow::{Context as _, bail};
use futures::TryStreamExt as _;
use jiff::Timestamp;
use mongodb::Collection;
use mongodb::bson::{DateTime, Document, doc};
use primitives::{SessionId, UserId};
use proto::reconciliation::v1::reconciliation_service_client::ReconciliationServiceClient;
use proto::reconciliation::v1::{
    GetReconciliationRequest, Reconciliation, ReconciliationStatus, StartReconciliationRequest,
};
use serde::{Deserialize, Serialize};
use service::{Caller, RequestContext, Role};

use crate::harness::shop::Shop;
use crate::harness::stats::{quantiles_ms, rounded};
use crate::harness::usage::Memory;

const NAME: &str = "reconciliation";
const GRACE: Duration = Duration::from_secs(30);
const READY_WITHIN: Duration = Duration::from_secs(60);
/// The time limits of a call and of a run.
const CALL_BOUND: Duration = Duration::from_secs(10);
const RUN_BOUND: Duration = Duration::from_secs(1_800);
/// How often a run and the memory of its process are polled.
const POLL: Duration = Duration::from_millis(50);

/// The lag of statements: from the time of an event, which is before its commit, to the commit of its effect.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Lag {
    events: usize,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
}

/// A run of the reconciliation.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reconciled {
    orders: u64,
    compared: u64,
    pub(super) differences: u64,
    seconds: f64,
    compared_per_second: f64,
    /// Each check with the number of records that it compared.
    checks: Vec<(String, u64)>,
    /// The memory of the reconciliation's process before the run, and the largest sample during it.
    resident_before_kib: u64,
    resident_most_kib: u64,
    /// The same of the order, inventory and payment services.
    others_most_kib: Vec<(String, u64)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Applied {
    occurred_at: DateTime,
    at: DateTime,
}

impl Shop {
    /// Stops the process that consumes events.
    pub(super) async fn stop_consumer(&self) -> anyhow::Result<()> {
        self.platform().process(NAME)?.terminate(GRACE).await?;
        Ok(())
    }

    /// Starts it again and waits until it is ready.
    pub(super) async fn start_consumer(&self) -> anyhow::Result<()> {
        self.platform().process(NAME)?.start_again()?;
        Ok(self.platform().wait_until_ready_one(NAME, READY_WITHIN).await?)
    }

    /// The number of events that were written and not applied yet.
    pub(super) async fn waiting_events(&self) -> anyhow::Result<u64> {
        let count = doc! { "$group": { "_id": null, "n": { "$sum": { "$size": "$events" } } } };
        let mut groups = self.collection("outbox").aggregate([count]).await?;
        let written = match groups.try_next().await? {
            Some(group) => u64::try_from(group.get_i32("n").map(i64::from).or_else(|_| group.get_i64("n"))?)?,
            None => 0,
        };
        Ok(written.saturating_sub(self.applied_events().await?))
    }

    /// The number of applied events.
    pub(super) async fn applied_events(&self) -> anyhow::Result<u64> {
        Ok(self.collection("inbox").estimated_document_count().await?)
    }

    pub(super) async fn count_orders(&self) -> anyhow::Result<u64> {
        Ok(self.collection("orders").estimated_document_count().await?)
    }

    /// The lag of statements for the events since a time.
    pub(super) async fn lag_since(&self, from: Timestamp) -> anyhow::Result<Lag> {
        let since = doc! { "occurredAt": { "$gte": DateTime::from_millis(from.as_millisecond()) } };
        let inbox = self.collection("inbox").clone_with_type::<Applied>();
        let mut cursor = inbox.find(since).await?;
        let mut micros = Vec::new();
        while let Some(event) = cursor.try_next().await? {
            let ms = event.at.timestamp_millis() - event.occurred_at.timestamp_millis();
            micros.push(u32::try_from(ms.max(0).saturating_mul(1_000)).unwrap_or(u32::MAX));
        }
        let events = micros.len();
        let [p50_ms, p99_ms, max_ms] = quantiles_ms(micros, [0.5, 0.99, 1.0]).context("no event was applied")?;
        Ok(Lag { events, p50_ms: rounded(p50_ms), p99_ms: rounded(p99_ms), max_ms: rounded(max_ms) })
    }

    /// Starts a run of the reconciliation and waits for its end.
    pub(super) async fn reconcile(&self) -> anyhow::Result<Reconciled> {
        let mut client = ReconciliationServiceClient::connect(self.platform().grpc_url(NAME)?).await?;
        let admin = Caller { user_id: UserId::new(), role: Role::Admin, session_id: SessionId::new() };
        let context = || RequestContext { caller: Some(admin), ..RequestContext::internal(CALL_BOUND) };
        let pid = |name: &str| anyhow::Ok(self.platform().process(name)?.identity().pid);
        let before = Memory::of(pid(NAME)?)?.resident;
        let others = ["order", "inventory", "payment"];
        let started = client.start_reconciliation(context().request(StartReconciliationRequest {})?).await?;
        let reconciliation_id = started.into_inner().reconciliation.context("an answer without a run")?.id;
        let (mut most, mut others_most) = (before, vec![0; others.len()]);
        let ended = async {
            loop {
                most = most.max(Memory::of(pid(NAME)?)?.resident);
                for (most, name) in others_most.iter_mut().zip(others) {
                    *most = Memory::of(pid(name)?)?.resident.max(*most);
                }
                let ask = GetReconciliationRequest { reconciliation_id: reconciliation_id.clone() };
                let answer = client.get_reconciliation(context().request(ask)?).await?.into_inner();
                let run = answer.reconciliation.context("an answer without a run")?;
                match run.status() {
                    ReconciliationStatus::Completed => return anyhow::Ok(run),
                    ReconciliationStatus::Failed => bail!("the run failed: {:?}", run.failure),
                    _ => tokio::time::sleep(POLL).await,
                }
            }
        };
        let run: Reconciliation = tokio::time::timeout(RUN_BOUND, ended).await.context("the run takes too long")??;
        let at = |time| proto::to_timestamp("time", time).context("a run without its times");
        let seconds = at(run.ended_at)?.duration_since(at(run.started_at)?).as_secs_f64();
        #[allow(clippy::cast_precision_loss)] // far below 2^53
        let compared_per_second = run.compared as f64 / seconds.max(0.001);
        Ok(Reconciled {
            orders: self.count_orders().await?,
            compared: run.compared,
            differences: run.differences,
            seconds: rounded(seconds),
            compared_per_second: rounded(compared_per_second),
            checks: run.checks.into_iter().map(|check| (check.name, check.compared)).collect(),
            resident_before_kib: before,
            resident_most_kib: most,
            others_most_kib: others.map(str::to_owned).into_iter().zip(others_most).collect(),
        })
    }

    #[allow(clippy::disallowed_methods)] // only reads
    fn collection(&self, name: &str) -> Collection<Document> {
        self.mongo().collection(name)
    }
}
