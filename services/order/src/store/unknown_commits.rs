//! Finds out what has become of a batch whose commit has no known outcome. It was committed as a whole or not at all,
//! and the keys of its requests tell which, as a majority has them.

use std::time::Duration;

use futures::{StreamExt as _, stream};
use idempotency::Answer;
use mongo::Error;
use service::Deadline;
use stock::Levels;

use super::Store;
use super::batch::{Batch, Committed};
use crate::domain::{Order, Placement, Work};
use crate::error::OrderError;

/// How long it may take; the callers' deadlines have passed by then.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(2);
/// How many orders are looked up concurrently.
const LOOKUPS: usize = 16;

impl Store {
    pub(super) async fn find_out(&self, batch: &Batch, unknown: &Error) -> Committed {
        let deadline = Deadline::after(LOOKUP_TIMEOUT);
        let lookups =
            stream::iter(batch.to_vec()).map(|work| async move { self.find_out_one(&work, unknown, deadline).await });
        Committed { outcomes: lookups.buffered(LOOKUPS).collect().await, levels: Levels::default() }
    }

    async fn find_out_one(
        &self,
        work: &Work,
        unknown: &Error,
        deadline: Deadline,
    ) -> Result<Answer<Order>, OrderError> {
        let still_unknown = || OrderError::Store(unknown.clone());
        match work {
            Work::Place(Placement { order, placed_by, .. }) => {
                let answer = self.placed_earlier(placed_by, deadline).await?.ok_or_else(still_unknown)?;
                let is_ours = answer.value.id == order.id;
                Ok(if is_ours { Answer::first(answer.value) } else { answer })
            }
            Work::Release(release) => {
                // Without a key the next round reads what has become of the order.
                let keyed = release.cause.keyed().ok_or_else(still_unknown)?;
                let answer = self.cancelled_earlier(&keyed.key, deadline).await?.ok_or_else(still_unknown)?;
                Ok(Answer::first(answer.value))
            }
        }
    }
}
