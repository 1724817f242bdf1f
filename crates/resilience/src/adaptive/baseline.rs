//! The baseline latency of each class of requests: the latency without queues.

use super::samples::{CLASSES, Seen};

/// The fewest requests whose mean latency updates a baseline. With fewer, a random low mean would become the baseline.
const ENOUGH: u32 = 32;
/// The step of a baseline towards a lower mean: about 20 means, 2 s with full windows.
const FALL: f64 = 0.05;
/// The step towards a higher mean, while nothing is saturated.
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

    /// The excess of the latencies of a window over the baselines, as a logarithm: the mean over all requests whose
    /// class has a baseline. `None` if none has.
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

    /// Updates the baselines by a window. While `saturated`, they may fall but not rise, since latencies may include
    /// queues.
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

    /// Raises the baselines to these latencies, for classes with enough requests.
    pub(super) fn accept(&mut self, seen: &[Seen]) {
        for of_class in seen.iter().filter(|of_class| of_class.count >= ENOUGH / 4) {
            if let Some(baseline) = &mut self.0[of_class.class].log_latency {
                *baseline = baseline.max(of_class.log_latency);
            }
        }
    }
}
