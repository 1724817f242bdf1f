//! What requests of each class take in quiet times.

use super::samples::{CLASSES, Seen};

/// Requests of a class whose mean latency says something. Of fewer, chance would make the lowest mean the baseline.
const ENOUGH: u32 = 32;
/// How much of the way down to a lower mean a baseline goes: about 20 means, 2 s when windows are full.
const FALL: f64 = 0.05;
/// How much of the way up to a higher mean it goes while nothing is saturated.
const RISE: f64 = 0.01;

/// The baselines of all classes, as logarithms of seconds.
#[derive(Debug)]
pub(super) struct Baselines(Box<[Baseline]>);

#[derive(Debug, Clone, Copy, Default)]
struct Baseline {
    log_latency: Option<f64>,
    pending: u32,
    pending_sum: f64,
}

impl Baselines {
    pub(super) fn new() -> Self {
        Self(vec![Baseline::default(); CLASSES].into())
    }

    /// By how much, as a logarithm, the requests of a window took longer than in quiet times: the mean over all whose
    /// class has a baseline. `None` when none has.
    pub(super) fn excess(&self, seen: &[Seen]) -> Option<f64> {
        let (mut count, mut sum) = (0.0, 0.0);
        for of_class in seen {
            if let Some(baseline) = self.0[of_class.class].log_latency {
                count += f64::from(of_class.count);
                sum += f64::from(of_class.count) * (of_class.log_latency - baseline);
            }
        }
        (count > 0.0).then(|| sum / count)
    }

    /// Learns from a window. While the limit is nearly used up a baseline may fall but not rise, since what it saw
    /// may be queues.
    pub(super) fn learn(&mut self, seen: &[Seen], saturated: bool) {
        for of_class in seen {
            let baseline = &mut self.0[of_class.class];
            baseline.pending += of_class.count;
            baseline.pending_sum += f64::from(of_class.count) * of_class.log_latency;
            if baseline.pending < ENOUGH {
                continue;
            }
            let mean = baseline.pending_sum / f64::from(baseline.pending);
            (baseline.pending, baseline.pending_sum) = (0, 0.0);
            let known = *baseline.log_latency.get_or_insert(mean);
            let rate = match mean < known {
                true => FALL,
                false if saturated => 0.0,
                false => RISE,
            };
            baseline.log_latency = Some(known + rate * (mean - known));
        }
    }

    /// Takes what these requests took for normal, where there are enough of a class to tell.
    pub(super) fn accept(&mut self, seen: &[Seen]) {
        for of_class in seen.iter().filter(|of_class| of_class.count >= ENOUGH / 4) {
            if let Some(baseline) = &mut self.0[of_class.class].log_latency {
                *baseline = baseline.max(of_class.log_latency);
            }
        }
    }
}
