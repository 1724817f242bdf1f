//! A discrete-event simulation of an adaptive limit in front of a server of known capacity, on a paused clock.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::Instant;

use super::{AdaptiveLimit, AdaptiveLimitConfig, Permit};
use crate::Priority;

/// A kind of request.
#[derive(Debug, Clone, Copy)]
struct Kind {
    priority: Priority,
    /// Per 1,000 requests.
    share: u32,
    /// Mean time on the server, in µs.
    work: u64,
    /// Time elsewhere after that, in µs.
    wait: u64,
}

/// The outcomes of the requests of one priority.
#[derive(Debug, Clone, Copy, Default)]
struct Outcome {
    offered: u32,
    refused: u32,
    served: u32,
    late: u32,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrival,
    WorkDone(usize),
    AnswerSent(usize),
}

struct Request {
    kind: usize,
    arrived: Instant,
    permit: Option<Permit>,
}

/// The measurements of one phase.
#[derive(Debug, Default)]
struct Report {
    outcomes: [Outcome; 3],
    /// The part of the server's time spent on requests that were answered in time.
    useful: f64,
    limits: Vec<u32>,
}

impl Kind {
    fn slower(self, times: u64) -> Self {
        Self { work: self.work * times, ..self }
    }
}

impl Report {
    fn refused_part(&self) -> f64 {
        let [refused, offered] = [|outcome: &Outcome| outcome.refused, |outcome: &Outcome| outcome.offered]
            .map(|count| self.outcomes.iter().map(count).sum::<u32>());
        f64::from(refused) / f64::from(offered)
    }

    fn of(&self, priority: Priority) -> Outcome {
        self.outcomes[super::position(priority)]
    }

    fn limit(&self) -> u32 {
        *self.limits.last().unwrap()
    }
}

impl Outcome {
    fn part_served(self) -> f64 {
        f64::from(self.served.saturating_sub(self.late)) / f64::from(self.offered.max(1))
    }
}

/// The simulated server: `workers` requests are processed at once, the others queue.
struct World {
    limit: AdaptiveLimit,
    kinds: Vec<Kind>,
    workers: usize,
    busy: usize,
    queue: VecDeque<usize>,
    requests: Vec<Request>,
    events: BinaryHeap<Reverse<(Instant, u64, Event)>>,
    order: u64,
    rng: SmallRng,
}

const PATIENCE: Duration = Duration::from_secs(3);

impl World {
    fn new(config: &AdaptiveLimitConfig, workers: usize, kinds: &[Kind]) -> Self {
        Self {
            limit: AdaptiveLimit::new("simulated", "simulated-payments", config),
            kinds: kinds.to_vec(),
            workers,
            busy: 0,
            queue: VecDeque::new(),
            requests: Vec::new(),
            events: BinaryHeap::new(),
            order: 0,
            rng: SmallRng::seed_from_u64(7),
        }
    }

    /// The rate of requests that just saturates the server.
    fn capacity(&self) -> f64 {
        let work: f64 = self.kinds.iter().map(|kind| f64::from(kind.share) * kind.work as f64).sum();
        self.workers as f64 * 1e9 / work
    }

    /// Runs for some seconds at `load` times the capacity.
    async fn run(&mut self, seconds: u64, load: f64) -> Report {
        let rate = self.capacity() * load;
        let end = Instant::now() + Duration::from_secs(seconds);
        let mut report = Report::default();
        let mut useful = Duration::ZERO;
        let mut sampled = Instant::now();
        self.events.retain(|Reverse((_, _, event))| *event != Event::Arrival);
        self.arrive_after(rate);
        while let Some(Reverse((at, _, event))) = self.events.pop() {
            if at >= end {
                self.events.push(Reverse((at, 0, event)));
                break;
            }
            tokio::time::advance(at.saturating_duration_since(Instant::now())).await;
            match event {
                Event::Arrival => {
                    self.arrive(&mut report);
                    self.arrive_after(rate);
                }
                Event::WorkDone(id) => self.work_done(id),
                Event::AnswerSent(id) => useful += self.answer(id, &mut report),
            }
            if Instant::now() - sampled >= Duration::from_millis(100) {
                sampled = Instant::now();
                report.limits.push(self.limit.limit());
            }
        }
        report.useful = useful.as_secs_f64() / (seconds as f64 * self.workers as f64);
        report
    }

    fn at(&mut self, after: Duration, event: Event) {
        self.order += 1;
        self.events.push(Reverse((Instant::now() + after, self.order, event)));
    }

    fn arrive_after(&mut self, rate: f64) {
        let gap = -(1.0 - self.rng.random::<f64>()).ln() / rate;
        self.at(Duration::from_secs_f64(gap), Event::Arrival);
    }

    fn arrive(&mut self, report: &mut Report) {
        let mut draw = self.rng.random_range(0..1_000);
        let kind = self.kinds.iter().position(|kind| {
            let found = draw < kind.share;
            draw = draw.saturating_sub(kind.share);
            found
        });
        let kind = kind.unwrap();
        let priority = self.kinds[kind].priority;
        let outcome = &mut report.outcomes[super::position(priority)];
        outcome.offered += 1;
        match self.limit.acquire(priority, kind) {
            Err(_) => outcome.refused += 1,
            Ok(permit) => {
                self.requests.push(Request { kind, arrived: Instant::now(), permit: Some(permit) });
                self.queue.push_back(self.requests.len() - 1);
                self.start_work();
            }
        }
    }

    fn start_work(&mut self) {
        while self.busy < self.workers
            && let Some(id) = self.queue.pop_front()
        {
            self.busy += 1;
            let work = self.kinds[self.requests[id].kind].work as f64 * self.rng.random_range(0.5..1.5);
            self.at(Duration::from_secs_f64(work / 1e6), Event::WorkDone(id));
        }
    }

    fn work_done(&mut self, id: usize) {
        self.busy -= 1;
        self.start_work();
        let wait = self.kinds[self.requests[id].kind].wait as f64 * self.rng.random_range(0.5..1.5);
        self.at(Duration::from_secs_f64(wait / 1e6), Event::AnswerSent(id));
    }

    fn answer(&mut self, id: usize, report: &mut Report) -> Duration {
        let request = &mut self.requests[id];
        let kind = self.kinds[request.kind];
        let outcome = &mut report.outcomes[super::position(kind.priority)];
        outcome.served += 1;
        let in_time = request.arrived.elapsed() <= PATIENCE;
        let permit = request.permit.take().unwrap();
        if in_time {
            permit.succeeded();
            Duration::from_micros(kind.work)
        } else {
            outcome.late += 1;
            permit.overloaded();
            Duration::ZERO
        }
    }
}

const MIX: [Kind; 3] = [
    Kind { priority: Priority::Browse, share: 700, work: 2_000, wait: 0 },
    Kind { priority: Priority::Order, share: 280, work: 10_000, wait: 0 },
    Kind { priority: Priority::Pay, share: 20, work: 5_000, wait: 1_000_000 },
];
/// Payments without a wait for a card network.
const FROM_BALANCES: [Kind; 3] = [
    Kind { priority: Priority::Browse, share: 600, work: 2_000, wait: 0 },
    Kind { priority: Priority::Order, share: 250, work: 10_000, wait: 0 },
    Kind { priority: Priority::Pay, share: 150, work: 15_000, wait: 0 },
];
const ORDERS: Kind = Kind { priority: Priority::Order, share: 1_000, work: 50_000, wait: 0 };

#[tokio::test(start_paused = true)]
async fn five_times_the_load_costs_no_goodput_and_no_payment_and_browsing_is_refused_first() {
    let mut world = World::new(&AdaptiveLimitConfig::default(), 8, &MIX);
    let before = world.run(5, 0.7).await;
    assert!(before.refused_part() < 0.001, "{before:?}");

    let overload = world.run(15, 5.0).await;
    assert!(overload.useful > 0.9, "{overload:?}");
    assert_eq!((overload.of(Priority::Pay).refused, overload.of(Priority::Pay).late), (0, 0), "{overload:?}");
    let [browse, order] = [Priority::Browse, Priority::Order].map(|priority| overload.of(priority).part_served());
    assert!(browse < 0.01 && order > 0.2, "{overload:?}");

    world.run(2, 0.7).await;
    let after = world.run(8, 0.7).await;
    assert!(after.refused_part() < 0.001 && (0.65..0.75).contains(&after.useful), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn payments_without_a_card_network_take_precedence_over_orders() {
    for (workers, slower) in [(2, 1), (8, 1), (40, 5)] {
        let kinds = FROM_BALANCES.map(|kind| kind.slower(slower));
        let mut world = World::new(&AdaptiveLimitConfig::default(), workers, &kinds);
        world.run(10, 0.5).await;
        let mut parts = Vec::new();
        for load in [2.0, 5.0] {
            let overload = world.run(10, load).await;
            assert!(overload.useful > 0.9, "{workers}: {overload:?}");
            assert_eq!(overload.of(Priority::Pay).late, 0, "{workers}: {overload:?}");
            parts.push(Priority::ALL.map(|priority| overload.of(priority).part_served()));
        }
        let [[browse, order, pay], [_, _, of_too_many]] = parts[..] else { unreachable!() };
        assert!(browse < 0.02 && order < 0.5 && pay > 0.9, "{workers}: {parts:?}");
        // Payments alone are 1.9 times the capacity.
        assert!(of_too_many > 0.4, "{workers}: {parts:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_under_overload_uses_the_whole_capacity() {
    for workers in [8, 100] {
        let mut world = World::new(&AdaptiveLimitConfig::default(), workers, &MIX.map(|kind| kind.slower(20)));
        let start = world.run(20, 5.0).await;
        assert!(start.useful > 0.9, "{workers}: {start:?}");
        assert_eq!(start.of(Priority::Pay).refused, 0, "{workers}: {start:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_limit_settles_near_the_capacity_and_stays_there_however_long_the_overload_lasts() {
    let mut world = World::new(&AdaptiveLimitConfig::default(), 20, &[ORDERS]);
    world.run(10, 0.7).await;
    world.run(20, 3.0).await;
    let overload = world.run(200, 3.0).await;
    assert!(overload.useful > 0.98, "{overload:?}");
    assert!(overload.limits.iter().all(|limit| (20..60).contains(limit)), "{overload:?}");

    let after = world.run(10, 0.7).await;
    assert!(after.refused_part() < 0.01, "{after:?}");
    let again = world.run(20, 3.0).await;
    assert!(again.limit() < 60, "the baseline is kept: {again:?}");
}

#[tokio::test(start_paused = true)]
async fn steady_load_does_not_erode_the_limit() {
    let mut world = World::new(&AdaptiveLimitConfig::default(), 40, &MIX.map(|kind| kind.slower(20)));
    world.run(10, 0.8).await;
    let steady = world.run(200, 0.8).await;
    assert!(steady.refused_part() < 0.001, "{steady:?}");
    assert!(steady.limits.iter().all(|&limit| limit >= 40), "{steady:?}");
}

#[tokio::test(start_paused = true)]
async fn a_permanent_rise_of_latency_becomes_the_baseline() {
    let mut world = World::new(&AdaptiveLimitConfig::default(), 20, &[ORDERS]);
    world.run(10, 0.7).await;
    world.kinds[0].wait = 200_000;
    world.run(30, 2.0).await;
    let after = world.run(30, 2.0).await;
    assert!(after.useful > 0.9, "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn an_idle_service_lets_a_high_limit_decay() {
    let config = AdaptiveLimitConfig { initial: 500, ..AdaptiveLimitConfig::default() };
    let mut world = World::new(&config, 20, &[ORDERS]);
    let idle = world.run(20, 0.5).await;
    assert!(idle.limits.is_sorted_by(|earlier, later| later <= earlier), "{idle:?}");
    assert!((32..=100).contains(&idle.limit()), "{idle:?}");
}
