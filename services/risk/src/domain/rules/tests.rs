//! Tests of the rules.

use std::net::IpAddr;

use primitives::{OrderId, UserId};

use super::*;

pub(in crate::domain) fn order(total: i64) -> Candidate {
    Candidate {
        order_id: OrderId::new(),
        user_id: UserId::from(primitives::lowest_at(primitives::now() - Duration::from_secs(7_200))),
        attempt: [0; 16],
        total,
        from: Some(IpAddr::from([192, 0, 2, 1])),
        at: primitives::now(),
    }
}

pub(in crate::domain) fn rules(list: &[(u32, When)]) -> Rules {
    Rules::new(100, list.iter().map(|(points, when)| Rule { points: *points, when: *when }).collect()).unwrap()
}

fn verdict(rules: &Rules, order: &Candidate, orders: u64) -> (u32, Decision, Vec<&'static str>) {
    rules.judge(order, |_, _| orders)
}

#[test]
fn points_add_up_and_the_order_is_refused_at_the_threshold() {
    let amounts = rules(&[(60, When::AmountAbove { amount: 10 }), (40, When::AmountAbove { amount: 20 })]);
    assert_eq!(verdict(&amounts, &order(10), 1), (0, Decision::Accept, vec![]));
    assert_eq!(verdict(&amounts, &order(20), 1), (60, Decision::Accept, vec!["amount_above"]));
    assert_eq!(verdict(&amounts, &order(21), 1), (100, Decision::Reject, vec!["amount_above"; 2]));
}

#[test]
fn the_age_of_an_account_follows_from_its_id() {
    let young = rules(&[(100, When::AccountYoungerThan { seconds: 3_600 })]);
    let aged = |seconds| {
        let order = order(1);
        let registered = order.at - Duration::from_secs(seconds);
        Candidate { user_id: UserId::from(primitives::lowest_at(registered)), ..order }
    };
    assert_eq!(verdict(&young, &aged(3_599), 1).1, Decision::Reject);
    assert_eq!(verdict(&young, &aged(3_601), 1).1, Decision::Accept);
    assert_eq!(verdict(&young, &Candidate { user_id: UserId::new(), ..order(1) }, 1).1, Decision::Reject);
}

#[test]
fn orders_are_counted_by_user_and_by_address_where_it_is_known() {
    let fast = rules(&[
        (50, When::OrdersOfUser { most: 3, within_seconds: 60 }),
        (50, When::OrdersOfAddress { most: 3, within_seconds: 60 }),
    ]);
    assert_eq!(verdict(&fast, &order(1), 3).0, 0);
    assert_eq!(verdict(&fast, &order(1), 4).2, ["orders_of_user", "orders_of_address"]);
    assert_eq!(verdict(&fast, &Candidate { from: None, ..order(1) }, 4).2, ["orders_of_user"]);
    assert_eq!(fast.longest_window(), Some(Duration::from_secs(60)));
}

#[test]
fn by_default_nothing_is_counted_and_ordinary_orders_are_accepted() {
    let default = Rules::default();
    assert_eq!(default.longest_window(), None);
    assert_eq!(Rules::new(default.reject_at, default.list.clone()), Ok(default.clone()));
    let new_customer = Candidate { user_id: UserId::new(), ..order(999_999_999) };
    assert_eq!(verdict(&default, &new_customer, u64::MAX).1, Decision::Accept);
    assert_eq!(verdict(&default, &order(1_000_000_001), 1).1, Decision::Reject);
}

#[test]
fn a_field_out_of_bounds_is_named() {
    let wrong = |points, when| {
        let good = Rule { points: 1, when: When::AmountAbove { amount: 1 } };
        Rules::new(100, vec![good, Rule { points, when }]).unwrap_err().field
    };
    let user = |most, within_seconds| When::OrdersOfUser { most, within_seconds };
    assert_eq!(wrong(0, user(1, 10)), "rules[1].points");
    assert_eq!(wrong(1_001, user(1, 10)), "rules[1].points");
    assert_eq!(wrong(1, user(0, 10)), "rules[1].most");
    for seconds in [0, 5, 12, 3_605] {
        assert_eq!(wrong(1, user(1, seconds)), "rules[1].within_seconds");
    }
    assert_eq!(wrong(1, When::AmountAbove { amount: 0 }), "rules[1].amount");
    assert_eq!(wrong(1, When::AccountYoungerThan { seconds: 0 }), "rules[1].seconds");
    assert_eq!(Rules::new(0, Vec::new()).unwrap_err().field, "reject_at");
    let rule = Rule { points: 1, when: user(1, 10) };
    assert_eq!(Rules::new(1, vec![rule; 33]).unwrap_err().field, "rules");
}
