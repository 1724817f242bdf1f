//! A mean that rises at once and falls slowly.

use std::time::Duration;

use tokio::time::Instant;

/// In what time a value fades to 1/e.
const MEMORY: Duration = Duration::from_secs(10);

/// An exponentially weighted mean that forgets by time, and takes what is higher at once.
///
/// Source: `PeakEwma` of Twitter's Finagle. Its latencies decay to nothing; these decay to what is usual, so that a
/// replica that was slow once is tried again, and is not taken for the fastest either.
#[derive(Debug)]
pub(super) struct Peak {
    usual: f64,
    value: f64,
    at: Instant,
}

impl Peak {
    pub(super) fn new(usual: f64) -> Self {
        Self { usual, value: usual, at: Instant::now() }
    }

    /// The mean, as far as it has not faded.
    pub(super) fn get(&self) -> f64 {
        let fade = self.fade();
        self.value * fade + self.usual.min(self.value) * (1.0 - fade)
    }

    /// Takes a new value into account.
    pub(super) fn note(&mut self, new: f64) {
        let fade = self.fade();
        let faded = self.value * fade + new * (1.0 - fade);
        self.set(if new > self.get() { new } else { faded });
    }

    /// The value is this one at least.
    pub(super) fn raise(&mut self, to: f64) {
        self.set(self.get().max(to));
    }

    pub(super) fn forget(&mut self) {
        self.set(self.usual);
    }

    fn set(&mut self, value: f64) {
        self.value = value;
        self.at = Instant::now();
    }

    fn fade(&self) -> f64 {
        (-self.at.elapsed().as_secs_f64() / MEMORY.as_secs_f64()).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_rises_at_once_and_falls_slowly() {
        let second = Duration::from_secs(1);
        let mut peak = Peak::new(0.001);
        peak.note(0.1);
        assert!(peak.get() > 0.099);
        for _ in 0..10 {
            tokio::time::advance(second).await;
            peak.note(0.01);
        }
        assert!((0.02..0.07).contains(&peak.get()), "{peak:?}");
        tokio::time::advance(60 * second).await;
        assert!(peak.get() < 0.002);
        peak.raise(3.0);
        peak.raise(2.0);
        assert!(peak.get() > 2.9);
        peak.forget();
        assert!(peak.get() < 0.002);
    }
}
