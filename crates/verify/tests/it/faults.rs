//! Right books pass; each planted fault is found by its own check and named.

use std::collections::BTreeSet;

use mongodb::Client;
use mongodb::bson::{Uuid, doc};
use verify::{Check, Report, VerifyError, verify};

use crate::books::{Books, movement};

#[tokio::test]
async fn clean_books_pass_and_are_counted() {
    let books = Books::write("clean").await;
    let report = verify(&books.database).await.unwrap();
    assert!(report.is_clean(), "{report}");
    let counted = &report.counted;
    assert_eq!((counted.skus, counted.movements, counted.order_lines), (3, 3 + 6 + 6, 16));
    assert_eq!((counted.accounts, counted.entries), (1, 4));
    let orders: Vec<_> = counted.orders.iter().map(|(status, count)| (status.as_str(), *count)).collect();
    assert_eq!(orders, [("cancelled", 3), ("expired", 1), ("paid", 2), ("pending_payment", 2)]);
    let payments: Vec<_> = counted.payments.iter().map(|(status, count)| (status.as_str(), *count)).collect();
    assert_eq!(payments, [("captured", 3), ("declined", 1), ("refunded", 1), ("refunding", 1)]);
    assert!(report.as_of.is_some());
    assert_eq!(report.checks.len(), Check::ALL.len());
}

#[tokio::test]
async fn a_database_of_something_else_is_an_error() {
    let books = Books::write("not_ours").await;
    books.collection("payments").drop().await.unwrap();
    match verify(&books.database).await {
        Err(VerifyError::NotOurs { missing, .. }) => assert_eq!(missing, "payments"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_unreachable_database_is_an_error() {
    // Nothing listens on the discard port.
    let uri = "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=200&connectTimeoutMS=200";
    let client = Client::with_uri_str(uri).await.unwrap();
    assert!(matches!(verify(&client.database("fournines")).await, Err(VerifyError::Database(_))));
}

/// Expects differences of these checks and no others; the first check must name the subject.
pub(crate) async fn expect(books: &Books, checks: &[Check], subject: &str) -> Report {
    let report = verify(&books.database).await.unwrap();
    let failed: BTreeSet<Check> = report.failed().map(|checked| checked.check).collect();
    assert_eq!(failed, checks.iter().copied().collect(), "{report}");
    let first = report.failed().find(|checked| checked.check == checks[0]).unwrap();
    assert!(first.differences.first.iter().any(|difference| difference.subject.contains(subject)), "{report}");
    assert!(report.to_string().contains(first.text));
    report
}

#[tokio::test]
async fn a_counter_that_was_changed_by_hand() {
    let books = Books::write("counter").await;
    books.change("stock_levels", doc! { "_id": "a" }, doc! { "$inc": { "available": 1_i64 } }).await;
    let checks = [Check::CounterIsSumOfMovements, Check::CounterMatchesOrders];
    let report = expect(&books, &checks, "SKU a").await;
    let difference = &report.failed().next().unwrap().differences.first[0];
    assert!(difference.expected.contains("1000002") && difference.found.contains("1000003"), "{difference:?}");
}

#[tokio::test]
async fn a_counter_below_zero() {
    let books = Books::write("negative").await;
    books.change("stock_levels", doc! { "_id": "c" }, doc! { "$inc": { "available": -3_i64 } }).await;
    books.insert("stock_movements", [movement(Uuid::new(), "c", -3, "adjustment: theft", None)]).await;
    expect(&books, &[Check::CounterNotNegative], "SKU c").await;
}

#[tokio::test]
async fn a_counter_that_is_missing() {
    let books = Books::write("no_counter").await;
    books.remove("stock_levels", doc! { "_id": "b" }).await;
    expect(&books, &[Check::CounterExists], "SKU b").await;
}

#[tokio::test]
async fn a_movement_for_a_reason_that_the_ledger_does_not_know() {
    let books = Books::write("reason").await;
    books.change("stock_movements", doc! { "delta": 10_i64 }, doc! { "$set": { "reason": "because" } }).await;
    expect(&books, &[Check::MovementsKnown, Check::CounterMatchesOrders], "SKU a").await;
}

#[tokio::test]
async fn a_total_that_is_not_the_sum_of_the_lines() {
    let books = Books::write("total").await;
    books.change("orders", doc! { "_id": books.pending }, doc! { "$inc": { "total": 1_i64 } }).await;
    expect(&books, &[Check::OrderTotals], &books.pending.to_string()).await;
    let books = Books::write("line_total").await;
    let raise = doc! { "$inc": { "lines.0.lineTotal": 5_i64, "total": 5_i64 } };
    books.change("orders", doc! { "_id": books.pending }, raise).await;
    expect(&books, &[Check::OrderTotals], "SKU a").await;
}

#[tokio::test]
async fn two_orders_for_one_idempotency_key() {
    let books = Books::write("twice").await;
    let key = doc! { "$set": { "idempotencyKey": format!("key-{}", books.paid) } };
    books.change("orders", doc! { "_id": books.pending }, key).await;
    let report = expect(&books, &[Check::OneOrderPerKey], &format!("key-{}", books.paid)).await;
    let difference = &report.failed().next().unwrap().differences.first[0];
    assert!(difference.subject.contains(&books.user.to_string()), "{difference:?}");
    assert_eq!(difference.found, "2 orders");
    // The same key of another user is another key.
    let other = doc! { "$set": { "userId": Uuid::new() } };
    books.change("orders", doc! { "_id": books.pending }, other).await;
    assert!(verify(&books.database).await.unwrap().is_clean());
}

#[tokio::test]
async fn an_account_that_is_not_the_sum_of_its_entries() {
    let books = Books::write("account").await;
    books.change("accounts", doc! { "_id": books.user }, doc! { "$inc": { "balance": 5_i64 } }).await;
    expect(&books, &[Check::AccountIsSumOfEntries], &books.user.to_string()).await;
    books.remove("accounts", doc! { "_id": books.user }).await;
    expect(&books, &[Check::AccountIsSumOfEntries], &books.user.to_string()).await;
}

#[tokio::test]
async fn an_account_below_zero() {
    let books = Books::write("overdrawn").await;
    let overdraft = books.entry(5, -600, -50, doc! { "kind": "deposit" });
    books.insert("account_entries", [overdraft]).await;
    let overdrawn = doc! { "$set": { "balance": -50_i64, "version": 5_i64 } };
    books.change("accounts", doc! { "_id": books.user }, overdrawn).await;
    expect(&books, &[Check::AccountNotNegative], &books.user.to_string()).await;
}

#[tokio::test]
async fn a_gap_in_the_numbers_of_the_entries() {
    let books = Books::write("gap").await;
    books.change("account_entries", doc! { "sequence": 4_i64 }, doc! { "$set": { "sequence": 6_i64 } }).await;
    books.change("accounts", doc! { "_id": books.user }, doc! { "$set": { "version": 6_i64 } }).await;
    expect(&books, &[Check::EntriesGapless], "entry").await;
    let books = Books::write("version").await;
    books.change("accounts", doc! { "_id": books.user }, doc! { "$set": { "version": 6_i64 } }).await;
    expect(&books, &[Check::EntriesGapless], &books.user.to_string()).await;
}

#[tokio::test]
async fn a_running_balance_that_does_not_follow() {
    let books = Books::write("running").await;
    books.change("account_entries", doc! { "sequence": 2_i64 }, doc! { "$inc": { "balanceAfter": 7_i64 } }).await;
    expect(&books, &[Check::RunningBalance], "entry").await;
}

#[tokio::test]
async fn an_order_that_was_paid_twice() {
    let books = Books::write("paid_twice").await;
    let second = books.payment(Uuid::new(), books.paid, "card", "captured");
    books.insert("payments", [second]).await;
    expect(&books, &[Check::PaidOnce], &books.paid.to_string()).await;
}

#[tokio::test]
async fn a_paid_order_without_a_captured_payment() {
    let books = Books::write("unpaid").await;
    books.remove("payments", doc! { "orderId": books.paid_by_card, "status": "captured" }).await;
    expect(&books, &[Check::PaidOrdersCaptured], &books.paid_by_card.to_string()).await;
    let books = Books::write("paid_and_refunded").await;
    let refunded = doc! { "$set": { "status": "refunded" } };
    books.change("payments", doc! { "orderId": books.paid_by_card, "status": "captured" }, refunded).await;
    expect(&books, &[Check::PaidOrdersCaptured], &books.paid_by_card.to_string()).await;
}

#[tokio::test]
async fn a_captured_payment_of_an_order_that_is_not_paid() {
    for test in ["captured_pending", "captured_cancelled", "captured_expired", "captured_nothing"] {
        let books = Books::write(test).await;
        let order = match test {
            "captured_pending" => books.pending,
            "captured_cancelled" => books.cancelled,
            "captured_expired" => books.expired,
            _ => Uuid::new(),
        };
        let payment = books.payment(Uuid::new(), order, "card", "captured");
        books.insert("payments", [payment]).await;
        expect(&books, &[Check::PaymentsOfOrders], &order.to_string()).await;
    }
}

#[tokio::test]
async fn a_payment_of_another_amount_or_user() {
    for (test, change) in [
        ("amount", doc! { "$inc": { "amount": 1_i64 } }),
        ("currency", doc! { "$set": { "currency": "EUR" } }),
        ("user", doc! { "$set": { "userId": Uuid::new() } }),
    ] {
        let books = Books::write(test).await;
        books.change("payments", doc! { "orderId": books.being_paid }, change).await;
        expect(&books, &[Check::PaymentAmounts], &books.being_paid.to_string()).await;
    }
}

#[tokio::test]
async fn a_refund_that_is_owed_and_not_due() {
    let books = Books::write("refund").await;
    books.change("orders", doc! { "_id": books.refund_due }, doc! { "$unset": { "refundDue": "" } }).await;
    expect(&books, &[Check::Refunds], &books.refund_due.to_string()).await;
}

#[tokio::test]
async fn a_payment_or_refund_by_balance_without_its_entry() {
    for (test, kind) in [("payment_entry", "payment"), ("refund_entry", "refund")] {
        let books = Books::write(test).await;
        let entry = doc! { "orderId": books.refunded, "kind": kind };
        let stripped = doc! { "$set": { "kind": "deposit" }, "$unset": { "orderId": "", "paymentId": "" } };
        books.change("account_entries", entry, stripped).await;
        expect(&books, &[Check::PaymentsHaveEntries], &books.refunded.to_string()).await;
    }
}

#[tokio::test]
async fn an_entry_for_a_payment_that_does_not_exist() {
    let books = Books::write("stray").await;
    let stray = doc! { "kind": "payment", "orderId": books.pending, "paymentId": Uuid::new() };
    books.insert("account_entries", [books.entry(5, -50, 500, stray)]).await;
    let account = doc! { "$set": { "balance": 500_i64, "version": 5_i64 } };
    books.change("accounts", doc! { "_id": books.user }, account).await;
    expect(&books, &[Check::EntriesHavePayments], &books.pending.to_string()).await;
}

#[tokio::test]
async fn a_document_of_another_form() {
    let books = Books::write("form").await;
    books.insert("accounts", [doc! { "_id": Uuid::new(), "balance": "a lot", "version": 0_i64 }]).await;
    expect(&books, &[Check::Readable], "accounts").await;
}

#[tokio::test]
async fn at_most_twenty_differences_are_shown_and_all_are_counted() {
    let books = Books::write("many").await;
    let movements = (0..30).map(|_| movement(Uuid::new(), "c", 1, "order_cancelled", None));
    books.insert("stock_movements", movements).await;
    books.change("stock_levels", doc! { "_id": "c" }, doc! { "$inc": { "available": 30_i64 } }).await;
    let checks = [Check::MovementsHaveLines, Check::CounterMatchesOrders];
    let report = expect(&books, &checks, "movement").await;
    let strays = report.failed().find(|checked| checked.check == Check::MovementsHaveLines).unwrap();
    assert_eq!((strays.differences.count, strays.differences.first.len()), (30, 20));
    assert!(report.to_string().contains("and 10 more"));
}
