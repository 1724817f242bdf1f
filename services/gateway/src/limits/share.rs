//! The number of gateways that share the rate limits.

use std::convert::Infallible;

use balancer::discovery::Discovery;
use resilience::rate::Share;
use service::{OnFailure, Tasks};

use crate::config::LimitsConfig;

/// Follows the number of gateways by discovery, if configured.
pub(super) fn follow(config: &LimitsConfig, tasks: &Tasks) -> Share {
    let share = Share::alone();
    share.set_replicas(config.replicas);
    if let Some(peers) = &config.peers {
        let discovery = Discovery::start("gateway", peers, &config.dns, tasks);
        let (followed, stop) = (share.clone(), tasks.stop_signal());
        tasks.spawn("limits-share", OnFailure::Stop, async move {
            let _stopped = stop.run_until_cancelled(count(&discovery, &followed)).await;
            Ok::<(), Infallible>(())
        });
    }
    share
}

/// Ends when discovery stops.
async fn count(discovery: &Discovery, share: &Share) {
    let mut gateways = discovery.addresses();
    loop {
        let found = u32::try_from(gateways.borrow_and_update().len()).unwrap_or(u32::MAX);
        // Empty until the first result of discovery.
        if found > 0 && found != share.replicas() {
            share.set_replicas(found);
            tracing::info!(gateways = found, "the number of gateways that share the rate limits has changed");
        }
        if gateways.changed().await.is_err() {
            return;
        }
    }
}
