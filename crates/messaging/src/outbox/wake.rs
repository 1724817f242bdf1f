//! Wakes the relay by a change stream when an entry is written. An optimisation: without it the relay polls a little
//! later.

use std::convert::Infallible;
use std::time::Duration;

use futures::StreamExt as _;
use mongodb::bson::{Document, doc};
use service::Tasks;
use tokio::sync::watch;

use super::Outbox;

/// The pause before the stream is reopened.
const REOPEN_AFTER: Duration = Duration::from_secs(1);

/// Notifies `wake` of each entry that any replica of this service writes, until the process stops.
pub(super) async fn watch_entries(outbox: Outbox, wake: watch::Sender<()>, tasks: Tasks) -> Result<(), Infallible> {
    let stop = tasks.stop_signal();
    while let Some(ended) = stop.run_until_cancelled(follow(&outbox, &wake)).await {
        if let Err(error) = ended {
            tracing::warn!(%error, "the change stream of the outbox has failed; the relay polls instead");
        }
        if stop.run_until_cancelled(tokio::time::sleep(REOPEN_AFTER)).await.is_none() {
            break;
        }
    }
    Ok(())
}

async fn follow(outbox: &Outbox, wake: &watch::Sender<()>) -> mongodb::error::Result<()> {
    let written = doc! { "$match": { "operationType": "insert", "fullDocument.source": outbox.source } };
    let id_only = doc! { "$project": { "_id": 1 } };
    let stream = outbox.entries.watch().pipeline([written, id_only]).await?;
    let mut stream = stream.with_type::<Document>();
    while let Some(entry) = stream.next().await {
        entry?;
        wake.send_replace(());
    }
    Ok(())
}
