//! Hedged requests: a slow read is sent to a second replica as well.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Deserialize;

use crate::config::within;
use crate::lock::locked;

/// Recent latencies that are kept.
const SAMPLES: usize = 256;
/// New latencies after which the percentile is recomputed.
const REFRESH: usize = 16;

/// When a slow read is sent to a second replica. It applies to calls that request hedging.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HedgeConfig {
    /// Whether reads are hedged; true by default.
    pub enabled: bool,
    /// The percentile of recent latencies after which the second attempt starts, 50 to 99; 95 by default.
    #[serde(deserialize_with = "within::<50, 99, _, _>")]
    pub percentile: u32,
    /// The least time before the second attempt, in milliseconds, 1 to 60,000; 5 by default.
    #[serde(deserialize_with = "within::<1, 60_000, _, _>")]
    pub min_delay_ms: u64,
    /// The fewest known latencies before reads are hedged, 16 to 256; 64 by default.
    #[serde(deserialize_with = "within::<16, 256, _, _>")]
    pub min_samples: u32,
}

impl Default for HedgeConfig {
    fn default() -> Self {
        Self { enabled: true, percentile: 95, min_delay_ms: 5, min_samples: 64 }
    }
}

/// The recent latencies of hedged calls, and the delay derived from them.
///
/// Source: Dean and Barroso, "The Tail at Scale", Communications of the ACM 56(2), 2013: a second request after the
/// 95th percentile costs about 5 % more load and shortens the tail the most.
#[derive(Debug)]
pub(crate) struct Hedge {
    config: HedgeConfig,
    recent: Mutex<Recent>,
    /// In microseconds; 0 while too few latencies are known.
    delay: AtomicU64,
}

#[derive(Debug)]
struct Recent {
    micros: [u32; SAMPLES],
    /// The number of known latencies.
    known: usize,
    /// The position of the next one.
    next: usize,
}

impl Hedge {
    pub(crate) fn new(config: &HedgeConfig) -> Self {
        let recent = Recent { micros: [0; SAMPLES], known: 0, next: 0 };
        Self { config: *config, recent: Mutex::new(recent), delay: AtomicU64::new(0) }
    }

    /// The delay before the second attempt; `None` if there is none.
    pub(crate) fn delay(&self) -> Option<Duration> {
        let micros = self.delay.load(Ordering::Relaxed);
        let is_known = self.config.enabled && micros > 0;
        is_known.then(|| Duration::from_micros(micros).max(Duration::from_millis(self.config.min_delay_ms)))
    }

    /// Records the latency of an answer, or the time of a wait without one.
    pub(crate) fn record(&self, latency: Duration) {
        let micros = u32::try_from(latency.as_micros()).unwrap_or(u32::MAX).max(1);
        let mut recent = locked(&self.recent);
        let position = recent.next;
        recent.micros[position] = micros;
        recent.next = (position + 1) % SAMPLES;
        recent.known = recent.known.max(position + 1);
        let is_enough = u32::try_from(recent.known).is_ok_and(|known| known >= self.config.min_samples);
        if is_enough && recent.next.is_multiple_of(REFRESH) {
            self.delay.store(recent.percentile(self.config.percentile).into(), Ordering::Relaxed);
        }
    }
}

impl Recent {
    fn percentile(&self, percent: u32) -> u32 {
        let percent = usize::try_from(percent.min(100)).unwrap_or(100);
        let mut known = self.micros;
        let rank = (self.known * percent).div_ceil(100).saturating_sub(1);
        *known[..self.known].select_nth_unstable(rank).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_is_the_percentile_of_recent_latencies_and_has_a_floor() {
        let hedge = Hedge::new(&HedgeConfig::default());
        for ms in 1..=63 {
            hedge.record(Duration::from_millis(ms));
        }
        assert_eq!(hedge.delay(), None);
        hedge.record(Duration::from_millis(64));
        // The 61st of 64.
        assert_eq!(hedge.delay(), Some(Duration::from_millis(61)));
        for _ in 0..SAMPLES {
            hedge.record(Duration::ZERO);
        }
        assert_eq!(hedge.delay(), Some(Duration::from_millis(5)));
        for _ in 0..SAMPLES {
            hedge.record(Duration::MAX);
        }
        assert_eq!(hedge.delay(), Some(Duration::from_micros(u32::MAX.into())));
        let off = Hedge::new(&HedgeConfig { enabled: false, ..HedgeConfig::default() });
        (0..SAMPLES).for_each(|_| off.record(Duration::from_millis(1)));
        assert_eq!(off.delay(), None);
    }
}
