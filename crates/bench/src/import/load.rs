//! Sends products to the inventory service, a few calls at a time, with retries while it is unavailable.

use std::time::Duration;

use anyhow::{Context as _, bail};
use envelope::{Error, Reason};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use indicatif::ProgressBar;
use primitives::{SessionId, UserId};
use proto::inventory::v1::catalogue_service_client::CatalogueServiceClient;
use proto::inventory::v1::{ImportProductsRequest, ImportProductsResponse, ImportedProduct};
use service::{Caller, Deadline, RequestContext, Role};
use tonic::transport::Channel;

use crate::backoff::backoff;

/// Products per call: the most that one transaction of the service accepts.
const BATCH: usize = 500;
/// Calls in flight.
const IN_FLIGHT: usize = 4;
/// How long one call may take.
const CALL_BOUND: Duration = Duration::from_secs(30);
/// How often a call is attempted, with waits of 0.1 s, 0.2 s … in between.
const ATTEMPTS: usize = 8;
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// How many products were created, and how many existed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Loaded {
    pub(super) created: u64,
    pub(super) existing: u64,
}

/// Loads the products; existing ones are left unchanged.
pub(super) async fn load(
    channel: Channel,
    products: Vec<ImportedProduct>,
    bar: &ProgressBar,
) -> anyhow::Result<Loaded> {
    // The caller is fictitious: an import has no account, and is authorised by its access to the service's port.
    let caller = Caller { user_id: UserId::new(), role: Role::Admin, session_id: SessionId::new() };
    let client = CatalogueServiceClient::new(channel);
    let batches: Vec<Vec<ImportedProduct>> = products.chunks(BATCH).map(<[_]>::to_vec).collect();
    let calls = stream::iter(batches).map(|batch| {
        let client = client.clone();
        async move {
            let offered = u64::try_from(batch.len())?;
            let response = import(client, caller, batch).await?;
            bar.inc(offered);
            anyhow::Ok(response)
        }
    });
    let add = |sum: Loaded, response: ImportProductsResponse| async move {
        let created = sum.created + u64::from(response.created);
        Ok(Loaded { created, existing: sum.existing + u64::from(response.existing) })
    };
    calls.buffer_unordered(IN_FLIGHT).try_fold(Loaded::default(), add).await
}

async fn import(
    mut client: CatalogueServiceClient<Channel>,
    caller: Caller,
    products: Vec<ImportedProduct>,
) -> anyhow::Result<ImportProductsResponse> {
    let message = ImportProductsRequest { products };
    let mut waits = backoff(FIRST_WAIT, LONGEST_WAIT).take(ATTEMPTS - 1);
    loop {
        let context = RequestContext { caller: Some(caller), ..RequestContext::internal(CALL_BOUND) };
        let request = context.request(message.clone())?;
        // The service gives up at the deadline too; this bound is for a service that does not answer at all.
        let answered = Deadline::after(CALL_BOUND).bound(client.import_products(request)).await;
        let error = match answered {
            Ok(Ok(response)) => return Ok(response.into_inner()),
            Ok(Err(status)) => Error::from_status(status),
            Err(expired) => expired.into(),
        };
        // Importing twice is safe, so an unknown outcome is retried like a failure.
        let may_pass = matches!(error.reason(), Reason::Unavailable | Reason::Overloaded | Reason::DeadlineExceeded);
        match waits.next() {
            Some(wait) if may_pass => tokio::time::sleep(wait).await,
            None if may_pass => bail!("the inventory service is not available after {ATTEMPTS} attempts: {error}"),
            _ => return Err(error).context("the inventory service refuses the products"),
        }
    }
}
