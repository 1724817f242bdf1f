//! Every rule of a batch, and the decision as a whole beside a plain model of what it promises.

use std::collections::BTreeMap;

use idempotency::fingerprint;
use primitives::{Currency, Money, Quantity, UserId};
use proptest::prelude::*;
use stock::{Shortage, StockRefusal};

use super::*;
use crate::domain::{Change, Fence, InvalidState, OrderLine, PlacedOrder, Risk, RiskSource, Status, Verdict};

const KEY: &str = "key";

fn placed_by(key: &str) -> PlacedBy {
    PlacedBy {
        user_id: UserId::new(),
        key: key.parse().unwrap(),
        fingerprint: fingerprint(&key).unwrap(),
        request_id: "first".to_owned(),
    }
}

fn order(lines: &[(&str, u32)]) -> Order {
    let price = Money::new(100, Currency::USD);
    let line = |(sku, quantity): &(&str, u32)| {
        OrderLine::new(sku.parse().unwrap(), Quantity::try_from(*quantity).unwrap(), price).unwrap()
    };
    let now = primitives::now();
    let lines = lines.iter().map(line).collect();
    Order::place(OrderId::new(), UserId::new(), lines, Risk { source: RiskSource::Service }, now, now).unwrap()
}

fn place(lines: &[(&str, u32)]) -> Work {
    Work::Place(Placement { order: order(lines), placed_by: placed_by(KEY), review: None, traceparent: None })
}

fn release(order: &Order, cause: Cause) -> Work {
    Work::Release(Release { order: order.clone(), cause })
}

fn cancelled() -> Cause {
    let key = ScopedKey::new(UserId::new(), "cancel-order", &KEY.parse().unwrap(), &1).unwrap();
    Cause::Cancelled(KeyedRequest { key, request_id: "first".to_owned() })
}

fn levels(levels: &[(&str, u64)]) -> Levels {
    levels.iter().map(|(sku, pieces)| (sku.parse().unwrap(), *pieces)).collect()
}

/// As read by a transaction that reads first, with these counters and orders to be released.
fn observed(counters: &[(&str, u64)], released: &[&Order]) -> Observed {
    let released =
        released.iter().map(|order| (order.id, ObservedOrder { order: (*order).clone(), is_claimed: false })).collect();
    Observed { released, obstacles: Some(Obstacles { levels: levels(counters), ..Obstacles::default() }) }
}

fn outcomes(batch: &[Box<Work>], observed: Observed) -> Vec<Result<Answer<Order>, Refusal>> {
    decide(batch, observed, primitives::now()).into_outcomes().0
}

fn only(work: Work, observed: Observed) -> Result<Answer<Order>, Refusal> {
    outcomes(&[Box::new(work)], observed).remove(0)
}

#[test]
fn an_order_is_placed_with_a_movement_for_each_line_at_the_time_of_the_batch() {
    let batch = [Box::new(place(&[("a", 2), ("b", 1)]))];
    let now = primitives::now() + std::time::Duration::from_secs(5);
    let decision = decide(&batch, observed(&[("a", 2), ("b", 9)], &[]), now);
    let placed = &decision.placed[0];
    assert_eq!((placed.taken_by.len(), placed.order.created_at, placed.order.expires_at), (2, now, now));
    let (outcomes, levels) = decision.into_outcomes();
    assert_eq!(outcomes[0].as_ref().unwrap().value.status, Status::PendingPayment);
    assert_eq!(levels, self::levels(&[("a", 0), ("b", 8)]));
}

#[test]
fn an_order_gets_all_of_its_lines_or_none() {
    let short = Shortage { sku: "b".parse().unwrap(), requested: 2, available: 1 };
    let refused = only(place(&[("a", 1), ("b", 2)]), observed(&[("a", 5), ("b", 1)], &[]));
    assert_eq!(refused, Err(StockRefusal::Insufficient(vec![short]).into()));
    let unknown = only(place(&[("a", 1), ("b", 2)]), observed(&[("a", 5)], &[]));
    assert_eq!(unknown, Err(StockRefusal::UnknownSkus(vec!["b".parse().unwrap()]).into()));
}

#[test]
fn the_first_in_the_batch_is_served_first_and_a_refusal_is_its_own() {
    let batch = [3, 2, 1].map(|pieces| Box::new(place(&[("a", pieces)])));
    let decided = outcomes(&batch, observed(&[("a", 4)], &[]));
    assert_eq!(decided.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
}

#[test]
fn released_stock_is_there_for_the_new_orders_of_the_batch() {
    let old = order(&[("a", 3)]);
    let batch = [Box::new(place(&[("a", 3)])), Box::new(release(&old, cancelled()))];
    let decision = decide(&batch, observed(&[("a", 0)], &[&old]), primitives::now());
    assert_eq!((decision.placed.len(), decision.released.len()), (1, 1));
    let (outcomes, levels) = decision.into_outcomes();
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(levels, self::levels(&[("a", 0)]));
}

#[test]
fn a_transaction_that_writes_first_leaves_counters_and_keys_to_the_conditions_of_its_writes() {
    let decided = only(place(&[("a", 100_000)]), Observed::default());
    assert!(decided.is_ok_and(|answer| answer.replay_of.is_none()));
}

#[test]
fn a_key_that_has_placed_an_order_is_given_that_order_as_it_was_placed() {
    let work = place(&[("a", 1)]);
    let Work::Place(placement) = &work else { unreachable!() };
    let earlier = order(&[("a", 1)]).pay(primitives::now()).unwrap();
    let mut seen = observed(&[("a", 0)], &[]);
    let placed = PlacedOrder { order: earlier.clone(), placed_by: placement.placed_by.clone() };
    seen.obstacles.as_mut().unwrap().holders.push(KeyHolder::Order(placed));
    let answer = only(work, seen).unwrap();
    assert_eq!((answer.value.id, answer.value.status), (earlier.id, Status::PendingPayment));
    assert_eq!(answer.replay_of.as_deref(), Some("first"));
}

#[test]
fn a_key_that_was_used_with_another_request_is_refused() {
    let work = place(&[("a", 1)]);
    let Work::Place(placement) = &work else { unreachable!() };
    let mut placed_by = placement.placed_by.clone();
    placed_by.fingerprint = fingerprint(&"another").unwrap();
    let mut seen = observed(&[("a", 5)], &[]);
    let placed = PlacedOrder { order: order(&[("a", 1)]), placed_by };
    seen.obstacles.as_mut().unwrap().holders.push(KeyHolder::Order(placed));
    assert_eq!(only(work, seen), Err(Refusal::KeyReused));
}

#[test]
fn a_fence_keeps_out_the_requests_that_were_refused_and_no_others() {
    for (refused, expected) in [("first", Err(Refusal::Fenced)), ("another", Ok(true))] {
        let batch = [Box::new(place(&[("a", 1)]))];
        let Work::Place(Placement { placed_by, .. }) = &*batch[0] else { unreachable!() };
        let fence = Fence {
            user_id: placed_by.user_id,
            key: placed_by.key.clone(),
            request_ids: vec!["earlier".to_owned(), refused.to_owned()],
        };
        let mut seen = observed(&[("a", 5)], &[]);
        seen.obstacles.as_mut().unwrap().holders.push(KeyHolder::Fence(fence));
        let decision = decide(&batch, seen, primitives::now());
        let replaced = decision.placed.first().map(|placed| placed.replaces_fence);
        let outcome = decision.into_outcomes().0.remove(0);
        assert_eq!(outcome.map(|_| replaced == Some(true)), expected);
    }
}

#[test]
fn an_order_that_is_being_paid_is_not_released() {
    let order = order(&[("a", 1)]);
    for cause in [Cause::Expired, Cause::RiskRejected, cancelled()] {
        let mut seen = observed(&[("a", 0)], &[&order]);
        seen.released.get_mut(&order.id).unwrap().is_claimed = true;
        assert_eq!(only(release(&order, cause), seen), Err(Refusal::BeingPaid));
    }
}

#[test]
fn the_state_in_the_transaction_decides_whether_an_order_is_released() {
    let seen_before = order(&[("a", 1)]);
    let cancelled_since = seen_before.clone().cancel(primitives::now()).unwrap();
    let paid_since = seen_before.clone().pay(primitives::now()).unwrap();
    let decided = |cause, now: &Order| only(release(&seen_before, cause), observed(&[("a", 0)], &[now]));
    for cause in [Cause::Expired, Cause::RiskRejected, cancelled()] {
        assert_eq!(decided(cause, &cancelled_since), Err(InvalidState(Status::Cancelled).into()));
    }
    assert_eq!(decided(Cause::Expired, &paid_since), Err(InvalidState(Status::Paid).into()));
    assert!(decided(cancelled(), &paid_since).is_ok());
    assert_eq!(only(release(&seen_before, Cause::Expired), observed(&[], &[])), Err(Refusal::NotFound));
}

#[test]
fn a_cancelled_order_owes_a_refund_if_it_was_paid() {
    let now = primitives::now();
    let unpaid = order(&[("a", 1)]);
    let paid = unpaid.clone().pay(now).unwrap();
    for (order, due) in [(&unpaid, None), (&paid, Some(now))] {
        for cause in [Cause::RiskRejected, cancelled()] {
            let batch = [Box::new(release(order, cause))];
            let decision = decide(&batch, observed(&[("a", 0)], &[order]), now);
            assert_eq!(decision.released[0].transition.refund_due_at, due);
        }
    }
}

#[test]
fn each_cause_says_what_happened_and_what_is_kept() {
    let order = order(&[("a", 1), ("b", 2)]);
    let expected = [
        (Cause::Expired, Status::Expired, Change::Expired, None, false),
        (Cause::RiskRejected, Status::Cancelled, Change::Cancelled(CancelledBy::Risk), Some(Verdict::Reject), false),
        (cancelled(), Status::Cancelled, Change::Cancelled(CancelledBy::Request), None, true),
    ];
    for (cause, status, change, review, is_keyed) in expected {
        let batch = [Box::new(release(&order, cause))];
        let decision = decide(&batch, observed(&[("a", 0), ("b", 0)], &[&order]), primitives::now());
        let Released { transition, keyed } = &decision.released[0];
        assert_eq!((transition.after.status, transition.change, transition.review), (status, change, review));
        assert_eq!((transition.from_version, transition.from_status), (1, Status::PendingPayment));
        assert_eq!((transition.returned_by.len(), transition.ends_claim), (2, false));
        assert_eq!(keyed.is_some(), is_keyed);
    }
}

#[test]
fn a_key_whose_cancellation_has_an_answer_does_not_cancel_again() {
    let order = order(&[("a", 1)]);
    let cause = cancelled();
    let mut seen = observed(&[("a", 0)], &[&order]);
    seen.obstacles.as_mut().unwrap().answered.insert(cause.keyed().unwrap().key.clone());
    assert_eq!(only(release(&order, cause), seen), Err(Conflict::Finished.into()));
}

#[test]
fn an_order_that_is_released_twice_in_a_batch_returns_its_stock_once() {
    let order = order(&[("a", 1)]);
    let batch = [Box::new(release(&order, cancelled())), Box::new(release(&order, cancelled()))];
    let (outcomes, levels) = decide(&batch, observed(&[("a", 0)], &[&order]), primitives::now()).into_outcomes();
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert_eq!(levels, self::levels(&[("a", 1)]));
}

/// An order of up to three SKUs, and whether it is new or to be released, claimed or already over.
#[derive(Debug, Clone)]
struct Case {
    lines: BTreeMap<&'static str, u32>,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    New,
    Pending,
    Paid,
    Claimed,
    Over,
}

fn case() -> impl Strategy<Value = Case> {
    let lines = prop::collection::btree_map(prop::sample::select(vec!["a", "b", "c"]), 1..5_u32, 1..=3);
    let kind = prop_oneof![
        4 => Just(Kind::New),
        1 => Just(Kind::Pending),
        1 => Just(Kind::Paid),
        1 => Just(Kind::Claimed),
        1 => Just(Kind::Over),
    ];
    (lines, kind).prop_map(|(lines, kind)| Case { lines, kind })
}

fn work(case: &Case, observed: &mut Observed) -> Work {
    let lines: Vec<_> = case.lines.iter().map(|(sku, pieces)| (*sku, *pieces)).collect();
    let now = primitives::now();
    let order = match case.kind {
        Kind::New => return place(&lines),
        Kind::Pending | Kind::Claimed => order(&lines),
        Kind::Paid => order(&lines).pay(now).unwrap(),
        Kind::Over => order(&lines).cancel(now).unwrap(),
    };
    let is_claimed = case.kind == Kind::Claimed;
    observed.released.insert(order.id, ObservedOrder { order: order.clone(), is_claimed });
    release(&order, cancelled())
}

/// What is promised: released stock first, then each new order in turn, all of its lines or none.
fn model(cases: &[Case], counters: &mut BTreeMap<&'static str, u64>) -> Vec<bool> {
    let mut accepted = vec![false; cases.len()];
    for (case, accepted) in cases.iter().zip(&mut accepted) {
        if matches!(case.kind, Kind::Pending | Kind::Paid) {
            case.lines.iter().for_each(|(sku, pieces)| *counters.get_mut(sku).unwrap() += u64::from(*pieces));
            *accepted = true;
        }
    }
    for (case, accepted) in cases.iter().zip(&mut accepted) {
        let covered = || case.lines.iter().all(|(sku, pieces)| counters[sku] >= u64::from(*pieces));
        if case.kind == Kind::New && covered() {
            case.lines.iter().for_each(|(sku, pieces)| *counters.get_mut(sku).unwrap() -= u64::from(*pieces));
            *accepted = true;
        }
    }
    accepted
}

proptest! {
    #[test]
    fn a_batch_is_decided_as_the_model_says(
        cases in prop::collection::vec(case(), 0..12),
        (a, b, c) in (0..12_u64, 0..12_u64, 0..12_u64),
    ) {
        let mut counters = BTreeMap::from([("a", a), ("b", b), ("c", c)]);
        let before: Vec<_> = counters.iter().map(|(sku, pieces)| (*sku, *pieces)).collect();
        let mut seen = observed(&before, &[]);
        let batch: Vec<_> = cases.iter().map(|case| Box::new(work(case, &mut seen))).collect();
        let accepted = model(&cases, &mut counters);
        let decision = decide(&batch, seen, primitives::now());
        // The movements are those of the orders that are written, and nothing else.
        let mut moved = BTreeMap::from([("a", 0_i64), ("b", 0), ("c", 0)]);
        for (sku, change) in decision.posting.changes() {
            *moved.get_mut(sku.as_str()).unwrap() += change;
        }
        for (sku, pieces) in &before {
            prop_assert_eq!(i64::try_from(*pieces).unwrap() + moved[sku], i64::try_from(counters[sku]).unwrap());
        }
        let written = decision.placed.len() + decision.released.len();
        prop_assert_eq!(written, accepted.iter().filter(|accepted| **accepted).count());
        for Placed { order, taken_by, .. } in &decision.placed {
            prop_assert_eq!(taken_by.len(), order.lines.len());
        }
        let (outcomes, after) = decision.into_outcomes();
        prop_assert_eq!(outcomes.iter().map(Result::is_ok).collect::<Vec<_>>(), accepted);
        let counters: Vec<_> = counters.into_iter().collect();
        prop_assert_eq!(after, levels(&counters));
        for (outcome, work) in outcomes.into_iter().zip(&batch) {
            if let Ok(answer) = outcome {
                prop_assert_eq!(answer.value.id, work.order().id);
            }
        }
    }
}
