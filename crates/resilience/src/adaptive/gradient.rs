//! Computes the next limit from the latencies of a window.
//!
//! Gradient2, with these choices:
//! - *Classes.* A cached read takes 0.2 ms and a card payment 1 s, so each latency is compared with the baseline of its
//!   own class. The gradient is the geometric mean of baseline over latency, with equal weight for each request. If
//!   weight were by time, a few payments that wait for the card network, and see no queue of ours, would dominate. With
//!   equal weight many fast reads can hide that orders are slow; then orders fill the limit, reads, which may fill less
//!   of it, are refused, and orders dominate the gradient. A single slow dependency should not lower the limit for all:
//!   its bulkhead and breaker bound it.
//! - *Means of logarithms* are robust against outliers and symmetric between twice as slow and twice as fast, so that
//!   stable load gives a gradient of 1 and the limit does not collapse.
//! - *Slack.* A constant is added to latencies before they are compared, so that a millisecond of noise does not matter
//!   to a read.
//! - *Baselines do not drift.* The long-term mean of Gradient2 follows a lasting overload. Here a baseline rises only
//!   while less than half of the limit is in use and nothing is refused; it falls at any time, within seconds.
//! - *Lasting rises are still detected.* If the number in flight fell to 60 % and latency fell by less than 14 %,
//!   queues are not the cause (the latency of a saturated service falls in proportion, by Little's law), and the
//!   latencies become the baseline. The same applies if the limit has long been at its minimum, as in Envoy's adaptive
//!   concurrency filter.
//! - *Fast growth.* While requests are refused although latency is at its baseline, the limit grows by up to half each
//!   window, similar to TCP's slow start: after a restart under load, or when waiting requests fill it. It starts low,
//!   so that the first baseline is that of short queues.
//! - *Unused limits decay.* While less than an eighth of the limit is in use, it falls towards eight times the use. An
//!   old limit says little about the present, and an overload that meets a high limit fills it before the first latency
//!   shows it: the queue is then longer than the requests' deadlines.
//! - *Losses* by overload lower the limit at once by their share of the requests, down to one half.

use std::time::Duration;

use super::AdaptiveLimitConfig;
use super::baseline::Baselines;
use super::samples::{Seen, Window};

/// The growth of the limit in one window that refuses requests at baseline latency.
const GROWTH: f64 = 0.5;
/// The least part of the way down to a lower limit in one window: every window above it lengthens the queue, and with
/// it the windows.
const DESCENT: f64 = 0.5;
/// The limit that is kept while nothing is refused, as a multiple of the number in flight, and the time in which an
/// unused limit halves on the way there.
const ROOM: f64 = 8.0;
const HALVED_IN: Duration = Duration::from_secs(1);
/// The part to which the number in flight must fall before latencies are compared.
const FALLEN: f64 = 0.6;
/// The least fall of latency that indicates queues, as a logarithm; a fall in proportion would be 0.51.
const LEAST_FALL: f64 = 0.15;
/// The random rise of the mean of a window, as a logarithm.
const NOISE: f64 = 0.05;
/// The longest window for slow requests, as a multiple of the configured one.
const LONGEST: u32 = 10;
/// Windows at the minimum after which latencies are accepted as the baseline.
const LONG_AT_MIN: u32 = 50;

/// The limit, and the state that it is computed from.
#[derive(Debug)]
pub(super) struct Gradient {
    limit: f64,
    min: f64,
    max: f64,
    log_tolerance: f64,
    smoothing: f64,
    window: Duration,
    baselines: Baselines,
    descent: Option<Descent>,
    windows_at_min: u32,
}

/// The measurements of a window.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) window: Window,
    pub(super) elapsed: Duration,
    /// The highest number in flight.
    pub(super) peak: u32,
    /// The number in flight, including requests under other limits: they may share the saturated resource.
    pub(super) in_flight: u32,
    /// Whether the limit refused a request.
    pub(super) refused: bool,
}

/// The state when the limit began to fall.
#[derive(Debug, Clone, Copy)]
struct Descent {
    in_flight: f64,
    excess: f64,
    elapsed: Duration,
}

impl Gradient {
    pub(super) fn new(config: &AdaptiveLimitConfig) -> Self {
        let min = config.min.max(1);
        let max = config.max.max(min);
        Self {
            limit: f64::from(config.initial.clamp(min, max)),
            min: f64::from(min),
            max: f64::from(max),
            log_tolerance: config.tolerance.max(1.0).ln(),
            smoothing: config.smoothing.clamp(0.01, 1.0),
            window: Duration::from_millis(config.window_ms),
            baselines: Baselines::new(),
            descent: None,
            windows_at_min: 0,
        }
    }

    /// The shortest next window: twice the mean latency, so that most requests in it are admitted under the new limit.
    pub(super) fn next_window(&self, load: &Load) -> Duration {
        Duration::from_secs_f64(2.0 * latency(&load.window.classes)).clamp(self.window, LONGEST * self.window)
    }

    /// The limit, rounded down.
    pub(super) fn limit(&self) -> u32 {
        // Between `min` and `max`, which are u32.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let limit = self.limit as u32;
        limit
    }

    /// Adapts to a window, and returns the next limit.
    pub(super) fn update(&mut self, load: &Load) -> u32 {
        let seen = &load.window.classes;
        // A priority that may only fill a part is held back by the limit although the limit is never reached.
        let saturated = load.refused || f64::from(load.peak) >= self.limit / 2.0;
        let excess = self.baselines.excess(seen);
        self.baselines.learn(seen, saturated);
        let kept = kept(&load.window);
        if !saturated {
            // No growth while idle, and no fall while the limit holds nothing back.
            self.descent = None;
            self.decay(load);
        } else if let Some(excess) = excess {
            let gradient = (self.log_tolerance - excess).exp().clamp(0.5, 1.0);
            self.step(gradient, if load.refused { self.headroom(excess) } else { 0.0 });
            self.check_baselines(gradient, excess, load);
        }
        self.limit = (self.limit * kept).clamp(self.min, self.max);
        self.limit()
    }

    /// Lets an unused limit decay.
    fn decay(&mut self, load: &Load) {
        let room = (ROOM * f64::from(load.peak)).min(self.limit);
        let halvings = load.elapsed.div_duration_f64(HALVED_IN);
        self.limit = room.max(self.limit * (-halvings).exp2());
    }

    /// 1 at baseline latency, falling to 0 at half the tolerance.
    fn headroom(&self, excess: f64) -> f64 {
        if self.log_tolerance == 0.0 { 0.0 } else { (1.0 - 2.0 * excess / self.log_tolerance).clamp(0.0, 1.0) }
    }

    fn step(&mut self, gradient: f64, headroom: f64) {
        let target = self.limit * gradient + self.limit.sqrt();
        let smoothing = if target < self.limit { self.smoothing.max(DESCENT) } else { self.smoothing };
        self.limit += smoothing * (target - self.limit) + headroom * GROWTH * self.limit;
        self.limit = self.limit.clamp(self.min, self.max);
    }

    /// Accepts the latencies of a window as the baseline if queues are not their cause.
    fn check_baselines(&mut self, gradient: f64, excess: f64, load: &Load) {
        if gradient == 1.0 {
            (self.descent, self.windows_at_min) = (None, 0);
            return;
        }
        self.windows_at_min = if self.limit <= self.min { self.windows_at_min + 1 } else { 0 };
        let in_flight = f64::from(load.in_flight);
        let begin = Descent { in_flight, excess, elapsed: Duration::ZERO };
        // While latency still rises, its cause can't be determined.
        let mut descent = self.descent.filter(|descent| excess <= descent.excess + NOISE).unwrap_or(begin);
        descent.elapsed += load.elapsed;
        self.descent = Some(descent);
        // Latency follows the number in flight only after the earlier requests have left.
        let settled = descent.elapsed.as_secs_f64() > 4.0 * latency(&load.window.classes);
        let fell = in_flight < FALLEN * descent.in_flight;
        let same = descent.excess - excess < LEAST_FALL;
        if settled && ((fell && same) || self.windows_at_min > LONG_AT_MIN) {
            tracing::info!(excess = excess.exp(), "latency has risen permanently and becomes the new baseline");
            self.baselines.accept(&load.window.classes);
            (self.descent, self.windows_at_min) = (None, 0);
        } else if settled && fell {
            self.descent = None;
        }
    }
}

/// The part of the limit that remains after losses.
fn kept(window: &Window) -> f64 {
    let served: u32 = window.classes.iter().map(|seen| seen.count).sum();
    let total = f64::from(served) + f64::from(window.lost);
    if window.lost == 0 { 1.0 } else { (1.0 - f64::from(window.lost) / total).max(0.5) }
}

/// The geometric mean of the latencies, in seconds.
fn latency(seen: &[Seen]) -> f64 {
    let count: f64 = seen.iter().map(|of_class| f64::from(of_class.count)).sum();
    let sum: f64 = seen.iter().map(|of_class| f64::from(of_class.count) * of_class.log_latency).sum();
    if count == 0.0 { 0.0 } else { (sum / count).exp() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, prop_assert, proptest};

    use super::*;

    fn load(count: u32, latency_ms: f64, peak: u32) -> Load {
        let seen = Seen { class: 0, count, log_latency: (latency_ms / 1e3).ln() };
        Load {
            window: Window { classes: vec![seen], lost: 0 },
            elapsed: Duration::from_millis(100),
            peak,
            in_flight: peak,
            refused: false,
        }
    }

    fn loads() -> impl Strategy<Value = Load> {
        let seen = (0_usize..8, 1_u32..1_000, -12.0_f64..5.0).prop_map(|(class, count, log_latency)| Seen {
            class,
            count,
            log_latency,
        });
        let window =
            (proptest::collection::vec(seen, 0..8), 0_u32..1_000).prop_map(|(classes, lost)| Window { classes, lost });
        (window, 0_u64..20_000, 0_u32..5_000, proptest::bool::ANY).prop_map(|(window, ms, peak, refused)| Load {
            window,
            elapsed: Duration::from_millis(ms),
            peak,
            in_flight: peak,
            refused,
        })
    }

    proptest! {
        #[test]
        fn the_limit_and_the_window_stay_within_their_bounds(
            loads in proptest::collection::vec(loads(), 1..200),
            min in 1_u32..100,
            more in 0_u32..1_000,
        ) {
            let config =
                AdaptiveLimitConfig { min, initial: min, max: min + more, ..AdaptiveLimitConfig::default() };
            let mut gradient = Gradient::new(&config);
            for load in loads {
                let limit = gradient.update(&load);
                prop_assert!((min..=min + more).contains(&limit));
                let window = gradient.next_window(&load).as_millis();
                prop_assert!((100..=1_000).contains(&window));
            }
        }
    }

    #[test]
    fn a_window_lasts_twice_the_latency_of_a_request() {
        let gradient = Gradient::new(&AdaptiveLimitConfig::default());
        let windows = [1.0, 200.0, 5_000.0].map(|latency| gradient.next_window(&load(10, latency, 0)).as_millis());
        assert_eq!(windows, [100, 400, 1_000]);
    }

    #[test]
    fn losses_lower_the_limit_by_their_share_down_to_a_half() {
        let config = AdaptiveLimitConfig { initial: 1_000, ..AdaptiveLimitConfig::default() };
        for (served, lost, left) in [(90, 10, 900), (10, 90, 500)] {
            let mut gradient = Gradient::new(&config);
            let mut load = load(served, 10.0, 400);
            load.window.lost = lost;
            assert_eq!(gradient.update(&load), left);
        }
    }

    #[test]
    fn a_slow_class_among_fast_ones_does_not_look_like_overload() {
        let config = AdaptiveLimitConfig { initial: 100, ..AdaptiveLimitConfig::default() };
        let mut gradient = Gradient::new(&config);
        let card = Seen { class: 1, count: 50, log_latency: 0.0 };
        for _ in 0..100 {
            gradient.update(&load(1_000, 0.2, 100));
            let mut both = load(1_000, 0.2, 100);
            both.window.classes.push(card);
            gradient.update(&both);
        }
        assert!(gradient.limit() > 100, "{}", gradient.limit());
    }

    #[test]
    fn the_limit_is_stable_while_less_than_half_is_used() {
        let mut gradient = Gradient::new(&AdaptiveLimitConfig::default());
        for latency in [10.0, 10.0, 10.0, 500.0, 500.0] {
            assert_eq!(gradient.update(&load(100, latency, 15)), 32);
        }
    }

    #[test]
    fn an_unused_limit_decays_within_seconds() {
        let config = AdaptiveLimitConfig { initial: 1_000, ..AdaptiveLimitConfig::default() };
        let mut gradient = Gradient::new(&config);
        let after = |gradient: &mut Gradient, seconds: u32, peak| {
            (0..10 * seconds).map(|_| gradient.update(&load(100, 10.0, peak))).last().unwrap()
        };
        assert_eq!(after(&mut gradient, 5, 125), 1_000);
        assert!(after(&mut gradient, 1, 25).abs_diff(500) <= 1);
        assert_eq!(after(&mut gradient, 9, 25), 200);
        assert_eq!(after(&mut gradient, 9, 1), 16, "but not below the minimum");
    }
}
