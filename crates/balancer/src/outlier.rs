//! Outlier detection: ejects replicas whose calls fail more than those of the others.
//!
//! The idea is Envoy's outlier detection. Its deviation from the mean says little about three replicas, one of which is
//! part of the mean, so each replica is compared with the others alone, over the same slices of time
//! (`OutcomeWindow`). When all fail alike, no replica is at fault and none is ejected.
//!
//! Bounds: at most `max_percent` of the replicas are ejected at once, each for `base_ms` times the number of its recent
//! ejections, `max_ms` at most.

use std::sync::{Arc, Mutex, PoisonError};

use crate::config::EjectionConfig;
use crate::endpoint::Endpoint;

/// Judges the replicas of one upstream.
#[derive(Debug)]
pub(crate) struct OutlierDetector {
    upstream: &'static str,
    config: EjectionConfig,
    /// Held while a replica is ejected, so that two that fail at once can't exceed the bound together.
    ejecting: Mutex<()>,
}

impl OutlierDetector {
    pub(crate) fn new(upstream: &'static str, config: EjectionConfig) -> Self {
        Self { upstream, config, ejecting: Mutex::default() }
    }

    /// Judges a replica of `all` that has just failed, and returns whether it is now ejected. It is an outlier if it
    /// failed often enough in a row while another one answered, or if more of its calls failed than of the others'.
    pub(crate) fn judge(&self, endpoint: &Endpoint, all: &[Arc<Endpoint>]) -> bool {
        let Some(why) = self.reason(endpoint, all) else { return false };
        let ejecting = self.ejecting.lock().unwrap_or_else(PoisonError::into_inner);
        let ejected = all.iter().filter(|other| other.standing.is_ejected()).count();
        if endpoint.standing.is_ejected() || all.len() < 2 || ejected >= self.max_ejected(all.len()) {
            return false;
        }
        let time = endpoint.standing.eject(&self.config);
        endpoint.load.forgive();
        drop(ejecting);
        let (upstream, replica) = (self.upstream, &endpoint.address.uri);
        tracing::warn!(upstream, %replica, why, ?time, "a replica is ejected");
        metrics::counter!("balance_ejections_total", "upstream" => upstream, "reason" => why).increment(1);
        true
    }

    /// Why a replica is an outlier, if it is one.
    fn reason(&self, endpoint: &Endpoint, all: &[Arc<Endpoint>]) -> Option<&'static str> {
        let others = || all.iter().filter(|other| other.id != endpoint.id);
        let is_well = |other: &Endpoint, since| other.connection.is_open() && other.load.has_answered_since(since);
        let fails_alone = endpoint.load.failures_in_row() >= self.config.consecutive_failures
            && endpoint.load.failing_since().is_some_and(|since| others().any(|other| is_well(other, since)));
        if fails_alone {
            return Some("failures_in_row");
        }
        let theirs: Vec<_> = others().map(|other| other.load.recent()).collect();
        let excess = endpoint.load.recent().excess_percent(&theirs, self.config.min_calls)?;
        (excess >= f64::from(self.config.excess_percent)).then_some("failure_share")
    }

    /// The most replicas of `count` that may be ejected at once: one at least, unless `max_percent` is 0.
    fn max_ejected(&self, count: usize) -> usize {
        match usize::try_from(self.config.max_percent).unwrap_or(0) {
            0 => 0,
            percent => (count * percent / 100).max(1),
        }
    }
}
