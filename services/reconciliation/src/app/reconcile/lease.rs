//! Work that one replica does at a time.

use std::time::Duration;

use envelope::Error;
use futures::future::BoxFuture;
use mongo::{Db, Lease};
use tokio_util::sync::CancellationToken;

use super::dependencies::deadline;

/// How long the replica that compares may be silent before another takes over.
const LEASE: Duration = Duration::from_secs(15);

pub(super) fn new_lease(db: &Db) -> Lease {
    Lease::new(db, "reconciliation", LEASE)
}

/// Does work as long as the lease is held and the process is not stopped.
pub(super) async fn while_held<T>(
    lease: &mut Lease,
    stop: &CancellationToken,
    mut work: BoxFuture<'_, Result<T, Error>>,
) -> Result<T, Error> {
    let mut renewals = tokio::time::interval(LEASE / 5);
    loop {
        tokio::select! {
            done = &mut work => return done,
            () = stop.cancelled() => return Err(Error::unavailable("the process is being stopped")),
            _ = renewals.tick() => {
                if !lease.hold(deadline()).await? {
                    return Err(Error::unavailable("another replica has taken over"));
                }
            }
        }
    }
}
