//! The API of customers and administrators.

use primitives::{EventId, UserId};
use proto::common::v1::PageRequest;
use proto::reconciliation::v1::{Days, ListMerchantDaysRequest, ListStatementsRequest};
use reconciliation::domain::{LineKind, StatementLine};
use service::Role;
use tonic::Code;

use crate::world::{World, calling, day, line};

fn november() -> Option<Days> {
    Some(Days { from: "2026-11-01".into(), to: "2026-11-30".into() })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_lists_their_own_statements_page_by_page_newest_first() {
    let world = World::start("own").await;
    let (ann, bob) = (UserId::new(), UserId::new());
    let mut lines: Vec<StatementLine> =
        (1..=5).map(|n| line(ann, LineKind::OrderPlaced, n, day(&format!("2026-11-0{n}")))).collect();
    lines.push(line(bob, LineKind::OrderPlaced, 9, day("2026-11-03")));
    lines.push(line(ann, LineKind::OrderPlaced, 9, day("2026-10-31")));
    world.apply(lines).await.unwrap();
    let (mut days, mut page_token) = (Vec::new(), String::new());
    loop {
        let page = Some(PageRequest { page_size: 2, page_token });
        let request = ListStatementsRequest { days: november(), page };
        let answer = world.client().list_statements(calling(ann, Role::Customer, request)).await.unwrap().into_inner();
        assert!(answer.statements.len() <= 2);
        days.extend(answer.statements.into_iter().map(|statement| statement.day));
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(days, ["2026-11-05", "2026-11-04", "2026-11-03", "2026-11-02", "2026-11-01"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_has_the_tallies_of_its_lines() {
    let world = World::start("says").await;
    let (user, today) = (UserId::new(), day("2026-11-24"));
    let lines = [(LineKind::OrderPlaced, 500), (LineKind::PaymentCaptured, 500), (LineKind::PaymentRefunded, 200)];
    world.apply(lines.map(|(kind, amount)| line(user, kind, amount, today)).to_vec()).await.unwrap();
    let request = ListStatementsRequest { days: november(), page: None };
    let answer = world.client().list_statements(calling(user, Role::Customer, request)).await.unwrap().into_inner();
    let [statement] = answer.statements.as_slice() else { panic!("one statement") };
    let money = |amount: &Option<proto::common::v1::Money>| amount.as_ref().unwrap().amount;
    let tallies: Vec<_> =
        statement.tallies.iter().map(|tally| (tally.kind.as_str(), tally.count, money(&tally.amount))).collect();
    assert_eq!(tallies, [("order_placed", 1, 500), ("payment_captured", 1, 500), ("payment_refunded", 1, 200)]);
    assert_eq!((statement.lines, money(&statement.net)), (3, 300));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_merchant_s_day_is_the_sum_of_its_slots_and_for_administrators_only() {
    let world = World::start("merchant").await;
    let today = day("2026-11-24");
    for _ in 0..5 {
        let stock = StatementLine {
            id: EventId::new(),
            user: None,
            pieces: -2,
            ..line(UserId::new(), LineKind::StockMoved, 0, today)
        };
        world.apply(vec![line(UserId::new(), LineKind::PaymentCaptured, 100, today), stock]).await.unwrap();
    }
    let request = || ListMerchantDaysRequest { days: november() };
    let refused = world.client().list_merchant_days(calling(UserId::new(), Role::Customer, request())).await;
    assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);
    let admin = calling(UserId::new(), Role::Admin, request());
    let answer = world.client().list_merchant_days(admin).await.unwrap().into_inner();
    let [shown] = answer.merchant_days.as_slice() else { panic!("one day") };
    assert_eq!((shown.day.as_str(), shown.pieces_out, shown.pieces_in), ("2026-11-24", 10, 0));
    assert_eq!(shown.sales.as_ref().unwrap().amount, 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_days_are_refused() {
    let world = World::start("days").await;
    for (from, to) in [("2026-11-02", "2026-11-01"), ("2024-01-01", "2026-11-01"), ("today", ""), ("", "2026-11-1")] {
        let request = ListStatementsRequest { days: Some(Days { from: from.into(), to: to.into() }), page: None };
        let refused = world.client().list_statements(calling(UserId::new(), Role::Customer, request)).await;
        assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument, "{from} {to}");
    }
}
