//! Wakes the relay when something is written, by a change stream. What it says is no more than "look": without it the
//! relay looks a little later.

use std::convert::Infallible;
use std::time::Duration;

use futures::StreamExt as _;
use mongodb::bson::{Document, doc};
use service::Tasks;
use tokio::sync::watch;

use super::Outbox;

/// The pause before a stream that has ended is opened again.
const REOPEN_AFTER: Duration = Duration::from_secs(1);

/// Tells `wake` of each entry that anybody writes for this service, until the process stops.
pub(super) async fn watch_entries(outbox: Outbox, wake: watch::Sender<()>, tasks: Tasks) -> Result<(), Infallible> {
    let stop = tasks.stop_signal();
    while let Some(ended) = stop.run_until_cancelled(follow(&outbox, &wake)).await {
        if let Err(error) = ended {
            tracing::warn!(%error, "the outbox can't be followed; it is looked at now and then instead");
        }
        if stop.run_until_cancelled(tokio::time::sleep(REOPEN_AFTER)).await.is_none() {
            break;
        }
    }
    Ok(())
}

async fn follow(outbox: &Outbox, wake: &watch::Sender<()>) -> mongodb::error::Result<()> {
    let written = doc! { "$match": { "operationType": "insert", "fullDocument.source": outbox.source } };
    let nothing_of_it = doc! { "$project": { "_id": 1 } };
    let stream = outbox.entries.watch().pipeline([written, nothing_of_it]).await?;
    let mut stream = stream.with_type::<Document>();
    while let Some(entry) = stream.next().await {
        entry?;
        wake.send_replace(());
    }
    Ok(())
}
