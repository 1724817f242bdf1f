//! Each planted fault between movements and the order lines that name them is found by its own check and named.

use mongodb::bson::{Uuid, doc};
use verify::{Check, verify};

use crate::books::{Books, movement};
use crate::faults::expect;

/// The first line of each order, of 2 a, and the second, of 1 b.
const A: usize = 0;
const B: usize = 1;

/// Moves the counter of a, so that it stays the sum of its movements.
async fn move_a(books: &Books, delta: i64) {
    books.change("stock_levels", doc! { "_id": "a" }, doc! { "$inc": { "available": delta } }).await;
}

async fn change_order(books: &Books, order: Uuid, update: mongodb::bson::Document) {
    books.change("orders", doc! { "_id": order }, update).await;
}

async fn change_movement(books: &Books, id: Uuid, update: mongodb::bson::Document) {
    books.change("stock_movements", doc! { "_id": id }, update).await;
}

#[tokio::test]
async fn a_line_that_does_not_name_the_movement_that_took_its_stock() {
    let books = Books::write("taken_by").await;
    change_order(&books, books.paid, doc! { "$unset": { "lines.0.takenBy": "" } }).await;
    let checks = [Check::LinesTaken, Check::MovementsHaveLines];
    expect(&books, &checks, &books.paid.to_string()).await;
    // The movement of a batch is still named by the others.
    let books = Books::write("taken_by_batch").await;
    change_order(&books, books.pending, doc! { "$unset": { "lines.0.takenBy": "" } }).await;
    let checks = [Check::LinesTaken, Check::MovementsMatchLines];
    expect(&books, &checks, &books.pending.to_string()).await;
}

#[tokio::test]
async fn a_line_of_an_ended_order_that_does_not_name_the_movement_that_returned_its_stock() {
    for test in ["not_cancelled", "not_expired"] {
        let books = Books::write(test).await;
        let order = if test == "not_expired" { books.expired } else { books.refund_due };
        let movement = books.named(order, A, "returnedBy").await;
        change_order(&books, order, doc! { "$unset": { "lines.0.returnedBy": "" } }).await;
        expect(&books, &[Check::LinesReturned, Check::MovementsHaveLines], &order.to_string()).await;
        // As if the stock had never been returned.
        books.remove("stock_movements", doc! { "_id": movement }).await;
        move_a(&books, -2).await;
        expect(&books, &[Check::LinesReturned, Check::CounterMatchesOrders], &order.to_string()).await;
    }
}

#[tokio::test]
async fn returned_stock_of_a_live_order() {
    for test in ["pending_returned", "paid_returned"] {
        let books = Books::write(test).await;
        let order = if test == "paid_returned" { books.paid } else { books.pending };
        let returned = movement(Uuid::new(), "a", 2, "order_cancelled", None);
        let named = doc! { "$set": { "lines.0.returnedBy": returned.get("_id").unwrap() } };
        books.insert("stock_movements", [returned]).await;
        move_a(&books, 2).await;
        change_order(&books, order, named).await;
        // No reason fits a live order.
        let checks = [Check::LinesReturned, Check::MovementsMatchLines, Check::CounterMatchesOrders];
        expect(&books, &checks, "SKU a").await;
    }
}

#[tokio::test]
async fn a_line_that_names_a_movement_that_does_not_exist() {
    for (test, status, field, back) in
        [("never_taken", "paid", "takenBy", 2), ("never_returned", "expired", "returnedBy", -2)]
    {
        let books = Books::write(test).await;
        let order = if status == "paid" { books.paid } else { books.expired };
        let id = books.named(order, A, field).await;
        books.remove("stock_movements", doc! { "_id": id }).await;
        move_a(&books, back).await;
        let checks = [Check::LinesHaveMovements, Check::CounterMatchesOrders];
        let report = expect(&books, &checks, &id.to_string()).await;
        let missing = report.failed().find(|checked| checked.check == checks[0]).unwrap();
        assert!(missing.differences.first[0].expected.contains(&order.to_string()), "{report}");
    }
}

#[tokio::test]
async fn a_line_that_names_an_adjustment() {
    let books = Books::write("names_adjustment").await;
    let adjusted = movement(Uuid::new(), "a", -2, "adjustment: sold at the door", None);
    let named = doc! { "$set": { "lines.0.takenBy": adjusted.get("_id").unwrap() } };
    let was = books.named(books.paid, A, "takenBy").await;
    books.insert("stock_movements", [adjusted]).await;
    books.remove("stock_movements", doc! { "_id": was }).await;
    change_order(&books, books.paid, named).await;
    expect(&books, &[Check::LinesHaveMovements, Check::CounterMatchesOrders], "movement").await;
}

#[tokio::test]
async fn a_movement_that_no_line_names() {
    let books = Books::write("taken_twice").await;
    let again = Uuid::new();
    let twice = movement(again, "a", -2, "order_placed", Some(books.pending));
    books.insert("stock_movements", [twice]).await;
    move_a(&books, -2).await;
    let checks = [Check::MovementsHaveLines, Check::CounterMatchesOrders];
    expect(&books, &checks, &again.to_string()).await;

    let books = Books::write("no_order").await;
    let (taken, returned) = (Uuid::new(), Uuid::new());
    books.insert("stock_movements", [movement(taken, "c", -1, "order_placed", None)]).await;
    books.insert("stock_movements", [movement(returned, "c", 1, "order_cancelled", None)]).await;
    expect(&books, &[Check::MovementsHaveLines], &taken.to_string()).await;

    // An adjustment is for no order.
    let books = Books::write("adjusted_for").await;
    let adjusted = doc! { "$set": { "orderId": books.pending } };
    books.change("stock_movements", doc! { "delta": 10_i64 }, adjusted).await;
    expect(&books, &[Check::MovementsHaveLines], "movement").await;
}

#[tokio::test]
async fn a_movement_of_more_or_fewer_pieces_than_its_lines() {
    for (test, field, more) in
        [("took_more", "takenBy", -1), ("took_less", "takenBy", 1), ("gave_more", "returnedBy", 1)]
    {
        let books = Books::write(test).await;
        // Shared with other orders.
        let id = books.named(books.cancelled, A, field).await;
        change_movement(&books, id, doc! { "$inc": { "delta": i64::from(more) } }).await;
        move_a(&books, i64::from(more)).await;
        let checks = [Check::MovementsMatchLines, Check::CounterMatchesOrders];
        expect(&books, &checks, &id.to_string()).await;
    }
}

#[tokio::test]
async fn an_order_that_names_the_movements_of_a_batch_without_it() {
    let books = Books::write("stowaway").await;
    let mut stowaway = books.collection("orders").find_one(doc! { "_id": books.pending }).await.unwrap().unwrap();
    stowaway.insert("_id", Uuid::new());
    stowaway.insert("idempotencyKey", "another");
    books.insert("orders", [stowaway]).await;
    let id = books.named(books.pending, A, "takenBy").await;
    let checks = [Check::MovementsMatchLines, Check::CounterMatchesOrders];
    expect(&books, &checks, &id.to_string()).await;
}

#[tokio::test]
async fn a_movement_of_another_sku_than_its_lines() {
    let books = Books::write("swapped").await;
    let (a, b) = (books.named(books.paid, A, "takenBy").await, books.named(books.paid, B, "takenBy").await);
    let swapped = doc! { "$set": { "lines.0.takenBy": b, "lines.1.takenBy": a } };
    change_order(&books, books.paid, swapped).await;
    let report = expect(&books, &[Check::MovementsMatchLines], &a.to_string()).await;
    assert_eq!(report.failed().next().unwrap().differences.count, 2);

    // One line among others, with the right sum of pieces.
    let books = Books::write("foreign").await;
    let id = books.named(books.pending, A, "takenBy").await;
    let foreign = doc! { "$set": { "lines.1.takenBy": id } };
    change_order(&books, books.pending, foreign).await;
    change_movement(&books, id, doc! { "$inc": { "delta": -1_i64 } }).await;
    let was = books.named(books.being_paid, B, "takenBy").await;
    change_movement(&books, was, doc! { "$inc": { "delta": 1_i64 } }).await;
    move_a(&books, -1).await;
    books.change("stock_levels", doc! { "_id": "b" }, doc! { "$inc": { "available": 1_i64 } }).await;
    let checks = [Check::MovementsMatchLines, Check::CounterMatchesOrders];
    expect(&books, &checks, &id.to_string()).await;
}

#[tokio::test]
async fn a_movement_for_another_reason_than_its_lines() {
    for (test, reason) in [("placed", "order_expired"), ("returned", "order_placed")] {
        let books = Books::write(test).await;
        let field = if test == "placed" { "takenBy" } else { "returnedBy" };
        let id = books.named(books.expired, A, field).await;
        change_movement(&books, id, doc! { "$set": { "reason": reason } }).await;
        expect(&books, &[Check::MovementsMatchLines], &id.to_string()).await;
    }
}

#[tokio::test]
async fn an_order_whose_status_does_not_fit_the_reason_of_its_movement() {
    for (test, status) in [("cancelled_as_expired", "expired"), ("expired_as_cancelled", "cancelled")] {
        let books = Books::write(test).await;
        // The cancelled one shares its movement with another.
        let order = if status == "expired" { books.cancelled } else { books.expired };
        let id = books.named(order, A, "returnedBy").await;
        change_order(&books, order, doc! { "$set": { "status": status } }).await;
        expect(&books, &[Check::MovementsMatchLines], &id.to_string()).await;
    }
}

#[tokio::test]
async fn a_movement_that_both_took_and_returned_stock() {
    let books = Books::write("both").await;
    let id = books.named(books.expired, A, "takenBy").await;
    change_order(&books, books.expired, doc! { "$set": { "lines.0.returnedBy": id } }).await;
    let checks = [Check::MovementsMatchLines, Check::MovementsHaveLines];
    expect(&books, &checks, &id.to_string()).await;
}

#[tokio::test]
async fn a_movement_of_several_orders_that_names_one() {
    for (test, field) in [("one_taken", "takenBy"), ("one_returned", "returnedBy")] {
        let books = Books::write(test).await;
        let id = books.named(books.cancelled, A, field).await;
        change_movement(&books, id, doc! { "$set": { "orderId": books.cancelled } }).await;
        expect(&books, &[Check::MovementsOfOneOrder], &id.to_string()).await;
    }
}

#[tokio::test]
async fn a_movement_of_one_order_that_names_another() {
    let books = Books::write("another").await;
    let id = books.named(books.paid, A, "takenBy").await;
    change_movement(&books, id, doc! { "$set": { "orderId": Uuid::new() } }).await;
    expect(&books, &[Check::MovementsOfOneOrder], &id.to_string()).await;
    // A movement need not name an order.
    change_movement(&books, id, doc! { "$unset": { "orderId": "" } }).await;
    assert!(verify(&books.database).await.unwrap().is_clean());
}
