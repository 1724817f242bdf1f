//! The schedule, explored: thousands of seeded runs beside a plain model of what it promises.

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

use super::*;

const SCHEDULES: u64 = 12_000;
const STEPS: usize = 60;

fn limits() -> LaneLimits {
    LaneLimits {
        lanes: 2,
        waiting: 100,
        reserved: 0,
        waiting_bytes: 10_000,
        batch_orders: 10,
        batch_lines: 20,
        batch_bytes: 2_000,
    }
}

fn demand(skus: &[&str], deadline: Instant) -> Demand {
    Demand { skus: skus.iter().map(|sku| sku.parse().unwrap()).collect(), bytes: 100, deadline, reserved: false }
}

/// What is promised, written down without regard to speed: walk the waiting work from the oldest; take what meets
/// neither a held SKU nor one of somebody who was passed over; stop where a limit would be broken.
#[derive(Default)]
struct Model {
    waiting: Vec<(u32, Demand)>,
    running: Vec<(BatchId, Vec<Sku>)>,
}

impl Model {
    fn batch(&mut self, limits: &LaneLimits, now: Instant) -> (Vec<u32>, Vec<u32>) {
        let (mut batch, mut late) = (Vec::new(), Vec::new());
        if self.running.len() >= limits.lanes {
            return (batch, late);
        }
        let mut blocked: Vec<Sku> = self.running.iter().flat_map(|(_, skus)| skus.clone()).collect();
        let (mut lines, mut bytes, mut full) = (0, 0, false);
        let mut left = Vec::new();
        for (number, demand) in std::mem::take(&mut self.waiting) {
            if full || demand.skus.iter().any(|sku| blocked.contains(sku)) {
                blocked.extend(demand.skus.iter().cloned());
                left.push((number, demand));
            } else if demand.deadline <= now {
                late.push(number);
            } else if !batch.is_empty()
                && (batch.len() == limits.batch_orders
                    || lines + demand.skus.len() > limits.batch_lines
                    || bytes + demand.bytes > limits.batch_bytes)
            {
                full = true;
                left.push((number, demand));
            } else {
                lines += demand.skus.len();
                bytes += demand.bytes;
                batch.push(number);
            }
        }
        self.waiting = left;
        (batch, late)
    }
}

/// One schedule: random limits, random orders, batches that end in random order.
struct Run {
    random: SmallRng,
    limits: LaneLimits,
    scheduler: Scheduler<u32>,
    model: Model,
    demands: Vec<Demand>,
    now: Instant,
    /// The last that was started, by SKU.
    started: HashMap<Sku, u32>,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut random = SmallRng::seed_from_u64(seed);
        let limits = LaneLimits {
            lanes: random.random_range(1..4),
            waiting: random.random_range(1..30),
            reserved: random.random_range(0..5),
            waiting_bytes: random.random_range(500..3_000),
            batch_orders: random.random_range(1..8),
            batch_lines: random.random_range(1..12),
            batch_bytes: random.random_range(100..1_000),
        };
        Self {
            random,
            limits,
            scheduler: Scheduler::new(limits),
            model: Model::default(),
            demands: Vec::new(),
            now: Instant::now(),
            started: HashMap::new(),
        }
    }

    fn admit(&mut self) {
        let catalogue = self.random.random_range(1..12);
        let lines = self.random.random_range(1..5);
        let skus: BTreeSet<Sku> =
            (0..lines).map(|_| format!("s{}", self.random.random_range(0..catalogue)).parse().unwrap()).collect();
        let patience = Duration::from_millis(self.random.random_range(1..2_000));
        let bytes = self.random.random_range(1..400);
        let reserved = self.random.random_range(0..4) == 0;
        let deadline = self.now + patience;
        let demand = Demand { skus: skus.into_iter().collect(), bytes, deadline, reserved };
        let number = u32::try_from(self.demands.len()).unwrap();
        self.demands.push(demand.clone());
        let waiting = self.model.waiting.len();
        let waiting_bytes: usize = self.model.waiting.iter().map(|(_, demand)| demand.bytes).sum();
        let places = self.limits.waiting + if reserved { self.limits.reserved } else { 0 };
        let full = waiting >= places || waiting_bytes + bytes > self.limits.waiting_bytes;
        match self.scheduler.admit(demand.clone(), number, self.now) {
            Ok(()) => {
                assert!(!full);
                self.model.waiting.push((number, demand));
            }
            Err((Refused::Full, given_back)) => assert!(full && given_back == number),
            // Never when nothing is before it.
            Err((Refused::TooLate, _)) => {
                let mut before = self.model.running.iter().flat_map(|(_, skus)| skus);
                let behind = |(_, other): &(u32, Demand)| other.skus.iter().any(|sku| demand.skus.contains(sku));
                let all_busy = self.model.running.len() >= self.limits.lanes && waiting > 0;
                assert!(
                    all_busy || before.any(|sku| demand.skus.contains(sku)) || self.model.waiting.iter().any(behind)
                );
            }
        }
    }

    /// Whether a batch was started.
    fn start(&mut self) -> bool {
        let (expected, expected_late) = self.model.batch(&self.limits, self.now);
        let Step { batch, late } = self.scheduler.next(self.now, |_| true);
        assert_eq!(late, expected_late);
        let Some((id, batch)) = batch else {
            assert!(expected.is_empty(), "{expected:?} could have started");
            return false;
        };
        assert_eq!(batch, expected);
        self.check(&batch);
        let skus = batch.iter().flat_map(|number| self.demands[*number as usize].skus.clone()).collect();
        self.model.running.push((id, skus));
        true
    }

    /// What must hold of each batch, stated without the model.
    fn check(&mut self, batch: &[u32]) {
        let demands = batch.iter().map(|number| &self.demands[*number as usize]);
        let lines: usize = demands.clone().map(|demand| demand.skus.len()).sum();
        let bytes: usize = demands.clone().map(|demand| demand.bytes).sum();
        assert!(batch.len() <= self.limits.batch_orders && self.model.running.len() < self.limits.lanes);
        let fits = lines <= self.limits.batch_lines && bytes <= self.limits.batch_bytes;
        assert!(fits || batch.len() == 1, "one order alone may be larger");
        let held: Vec<&Sku> = self.model.running.iter().flat_map(|(_, skus)| skus).collect();
        for (number, demand) in batch.iter().zip(demands) {
            for sku in &demand.skus {
                assert!(!held.contains(&sku), "{sku} is in two running batches");
                let before = self.started.insert(sku.clone(), *number);
                assert!(before.is_none_or(|before| before < *number), "overtaken on {sku}");
            }
        }
    }

    fn finish(&mut self) {
        if !self.model.running.is_empty() {
            let which = self.random.random_range(0..self.model.running.len());
            let (id, _) = self.model.running.swap_remove(which);
            self.scheduler.finish(id, self.now);
        }
    }

    /// The oldest starts as soon as the batches that run now have ended, or is found to be too late.
    fn nobody_starves(&mut self) {
        let Some(oldest) = self.model.waiting.first().map(|(number, _)| *number) else { return };
        while !self.model.running.is_empty() {
            self.finish();
        }
        self.start();
        assert!(self.model.waiting.iter().all(|(number, _)| *number != oldest));
    }

    fn explore(&mut self) {
        for _ in 0..STEPS {
            match self.random.random_range(0..20) {
                0..10 => self.admit(),
                10..14 => drop(self.start()),
                14..18 => self.finish(),
                18 => self.now += Duration::from_millis(self.random.random_range(0..300)),
                _ => self.nobody_starves(),
            }
            assert_eq!(self.scheduler.waiting(), self.model.waiting.len());
        }
        while !self.model.waiting.is_empty() || !self.model.running.is_empty() {
            if !self.start() {
                assert!(self.model.waiting.is_empty() || !self.model.running.is_empty(), "stuck");
                self.finish();
            }
        }
        assert!(self.scheduler.queues.is_empty() && self.scheduler.ready.is_empty());
        assert_eq!(self.scheduler.waiting_bytes, 0);
    }
}

#[test]
fn twelve_thousand_schedules_keep_the_promises() {
    for seed in 0..SCHEDULES {
        let explored = std::panic::catch_unwind(|| Run::new(seed).explore());
        assert!(explored.is_ok(), "seed {seed}");
    }
}

#[test]
fn a_lone_order_starts_at_once_and_the_next_batch_forms_while_it_runs() {
    let now = Instant::now();
    let later = now + Duration::from_secs(5);
    let mut scheduler = Scheduler::new(limits());
    scheduler.admit(demand(&["hot"], later), 0, now).unwrap();
    let (first, batch) = scheduler.next(now, |_| true).batch.unwrap();
    assert_eq!(batch, [0]);
    for number in 1..=12 {
        scheduler.admit(demand(&["hot"], later), number, now).unwrap();
    }
    scheduler.admit(demand(&["cold"], later), 13, now).unwrap();
    assert_eq!(scheduler.next(now, |_| true).batch.unwrap().1, [13]);
    scheduler.finish(first, now);
    assert_eq!(scheduler.next(now, |_| true).batch.unwrap().1, (1..=10).collect::<Vec<_>>());
}

#[test]
fn what_waits_is_counted_at_the_pace_at_which_orders_fit_together() {
    let now = Instant::now();
    let second = Duration::from_secs(1);
    let mut scheduler = Scheduler::new(LaneLimits { lanes: 1, ..limits() });
    // All want the same SKU and another each; a batch of ten takes a second.
    let admit = |scheduler: &mut Scheduler<u32>, number: u32, patience: Duration| {
        let own = format!("s{number}");
        scheduler.admit(demand(&["hot", &own], now + patience), number, now)
    };
    for number in 0..60 {
        admit(&mut scheduler, number, 100 * second).unwrap();
    }
    let (id, batch) = scheduler.next(now, |_| true).batch.unwrap();
    scheduler.finish(id, now + second);
    assert_eq!(batch.len(), 10);
    scheduler.next(now, |_| true).batch.unwrap();
    // Forty wait: four seconds, whatever they want.
    let cold = |patience| demand(&["cold"], now + patience);
    assert_eq!(scheduler.admit(cold(4 * second), 60, now), Err((Refused::TooLate, 60)));
    scheduler.admit(cold(5 * second), 61, now).unwrap();
    // Once nothing has to wait, nothing is known of how orders fit together.
    while let Some((&id, _)) = scheduler.running.iter().next() {
        scheduler.finish(id, now + second);
        scheduler.next(now, |_| true);
    }
    assert_eq!(scheduler.pace_of_one, Duration::ZERO);
}

#[test]
fn what_would_come_too_late_is_refused_and_a_free_sku_never_is() {
    let now = Instant::now();
    let mut scheduler = Scheduler::new(limits());
    // Batches take an hour.
    for _ in 0..100 {
        scheduler.admit(demand(&["hot"], now + Duration::from_secs(1)), 0, now).unwrap();
        let (id, _) = scheduler.next(now, |_| true).batch.unwrap();
        scheduler.finish(id, now + Duration::from_secs(3_600));
    }
    scheduler.admit(demand(&["hot"], now + Duration::from_secs(1)), 1, now).unwrap();
    scheduler.next(now, |_| true).batch.unwrap();
    let refused = scheduler.admit(demand(&["hot"], now + Duration::from_secs(1)), 2, now);
    assert_eq!(refused, Err((Refused::TooLate, 2)));
    scheduler.admit(demand(&["cold"], now + Duration::from_secs(1)), 3, now).unwrap();
    assert_eq!(scheduler.next(now, |_| false).late, [3]);
}
