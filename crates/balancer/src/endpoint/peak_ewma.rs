//! A peak EWMA: an average that rises at once and falls slowly.

use std::time::Duration;

use tokio::time::Instant;

/// The time in which a value decays to 1/e.
const MEMORY: Duration = Duration::from_secs(10);

/// An exponentially weighted moving average that decays with time, and takes a higher value at once.
///
/// Source: `PeakEwma` of Twitter's Finagle. There, latencies decay to zero; here they decay to a usual value, so that a
/// replica that was slow once is tried again, but does not look like the fastest.
#[derive(Debug)]
pub(super) struct PeakEwma {
    usual: f64,
    value: f64,
    at: Instant,
}

impl PeakEwma {
    pub(super) fn new(usual: f64) -> Self {
        Self { usual, value: usual, at: Instant::now() }
    }

    /// The average, decayed to now.
    pub(super) fn get(&self) -> f64 {
        let decay = self.decay();
        self.value * decay + self.usual.min(self.value) * (1.0 - decay)
    }

    /// Adds a value.
    pub(super) fn record(&mut self, new: f64) {
        let decay = self.decay();
        let decayed = self.value * decay + new * (1.0 - decay);
        self.set(if new > self.get() { new } else { decayed });
    }

    /// Raises the average to at least this value.
    pub(super) fn raise(&mut self, to: f64) {
        self.set(self.get().max(to));
    }

    pub(super) fn reset(&mut self) {
        self.set(self.usual);
    }

    fn set(&mut self, value: f64) {
        self.value = value;
        self.at = Instant::now();
    }

    fn decay(&self) -> f64 {
        (-self.at.elapsed().as_secs_f64() / MEMORY.as_secs_f64()).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_rises_at_once_and_falls_slowly() {
        let second = Duration::from_secs(1);
        let mut peak = PeakEwma::new(0.001);
        peak.record(0.1);
        assert!(peak.get() > 0.099);
        for _ in 0..10 {
            tokio::time::advance(second).await;
            peak.record(0.01);
        }
        assert!((0.02..0.07).contains(&peak.get()), "{peak:?}");
        tokio::time::advance(60 * second).await;
        assert!(peak.get() < 0.002);
        peak.raise(3.0);
        peak.raise(2.0);
        assert!(peak.get() > 2.9);
        peak.reset();
        assert!(peak.get() < 0.002);
    }
}
