//! The books against each other: what is planted is found and named, what can be healed is, and what moves is not taken
//! for a fault.

use end_to_end::{Client, Overrides, Shop, eventually, fresh_key, order_of};
use mongodb::bson::{Binary, DateTime, Document, Uuid, doc, spec::BinarySubtype};
use mongodb::{Collection, Database};
use serde_json::{Value, json};

/// A shop that compares only when it is asked to, and takes events for lost after a second.
async fn shop(test: &str) -> Shop {
    let settings = toml::toml! { [reconciliation]
    settle_ms = 1_000
    incremental_period_ms = 3_600_000 };
    Shop::open_with(test, Overrides::from([("reconciliation".to_owned(), settings)])).await
}

/// A shop in which a customer has paid one order from the balance and placed another.
struct Case {
    shop: Shop,
    admin: Client,
    customer: Client,
    database: Database,
    paid: String,
}

impl Case {
    async fn open(test: &str) -> Self {
        let shop = shop(test).await;
        let (admin, customer) = (shop.admin().await, shop.customer().await);
        shop.product(&admin, "tea", 450, 100).await;
        let me = customer.get("/users/me").await.expect_status(200).data();
        let deposits = format!("/users/{}/deposits", me["id"].as_str().unwrap());
        admin.post_keyed(&deposits, json!({ "amount": 10_000, "currency": "USD" })).await.expect_success();
        let mut orders = Vec::new();
        for _ in 0..2 {
            let order = customer.post_keyed("/orders", order_of(&[("tea", 2)])).await.expect_status(201);
            orders.push(order.data()["id"].as_str().unwrap().to_owned());
        }
        let payments = format!("/orders/{}/payments", orders[0]);
        customer.post_keyed(&payments, json!({ "method": "balance" })).await.expect_success();
        let database = shop.database().await;
        let case = Self { shop, admin, customer, database, paid: orders.swap_remove(0) };
        // A movement of the first stock and one of each order, the steps of the orders, a payment, two entries.
        eventually("everything is applied", async || case.lines().count_documents(doc! {}).await.unwrap() == 9).await;
        assert_eq!(case.found().await, Vec::<Value>::new());
        case
    }

    #[allow(clippy::disallowed_methods)] // a test plants faults past every policy
    fn collection(&self, name: &str) -> Collection<Document> {
        self.database.collection(name)
    }

    fn lines(&self) -> Collection<Document> {
        self.collection("statement_lines")
    }

    /// What a run of everything finds.
    async fn found(&self) -> Vec<Value> {
        found(&self.admin).await
    }

    /// What a run finds of a kind, once it finds something: events have a second to be applied.
    async fn found_in_time(&self) -> Vec<Value> {
        let mut last = Vec::new();
        eventually("a difference is found", async || {
            last = self.found().await;
            !last.is_empty()
        })
        .await;
        last
    }

    fn kinds(found: &[Value]) -> Vec<&str> {
        found.iter().map(|exception| exception["kind"].as_str().unwrap()).collect()
    }
}

/// Asks for a run, waits until it has ended, and gives what it found.
async fn found(admin: &Client) -> Vec<Value> {
    let begun = admin.post("/reconciliations", Value::Null).await.expect_status(202);
    let path = begun.header("location").unwrap().trim_start_matches("/api/v1").to_owned();
    let mut run = Value::Null;
    eventually("the run ends", async || {
        run = admin.get(&path).await.expect_status(200).data();
        ["completed", "failed"].contains(&run["status"].as_str().unwrap())
    })
    .await;
    assert_eq!(run["status"], "completed", "{run}");
    let exceptions = admin.get(&format!("{path}/exceptions")).await.expect_status(200).data();
    let exceptions = exceptions["items"].as_array().unwrap().clone();
    let equal = exceptions.is_empty();
    assert_eq!(run["differences"].as_u64().unwrap() == 0, equal, "{run}");
    assert_eq!(run["consistencyRatio"].as_f64() == Some(1.0), equal, "{run}");
    assert_eq!(run["checks"].as_array().unwrap().len(), 7, "{run}");
    exceptions
}

fn new_id() -> Uuid {
    Uuid::from_bytes(uuid::Uuid::now_v7().into_bytes())
}

fn id_of(text: &str) -> Uuid {
    Uuid::from_bytes(text.parse::<uuid::Uuid>().unwrap().into_bytes())
}

#[tokio::test]
async fn a_lost_event_is_found_published_again_and_applied() {
    let case = Case::open("lost_event").await;
    // As if it had never been applied: of a customer who has nothing else.
    let other = case.shop.customer().await;
    other.post_keyed("/orders", order_of(&[("tea", 1)])).await.expect_status(201);
    let me = other.get("/users/me").await.data();
    let user = id_of(me["id"].as_str().unwrap());
    eventually("it is applied", async || case.lines().find_one(doc! { "userId": user }).await.unwrap().is_some()).await;
    let line = case.lines().find_one_and_delete(doc! { "userId": user }).await.unwrap().unwrap();
    let event = line.get("_id").unwrap().clone();
    case.collection("inbox").delete_one(doc! { "_id.event": &event }).await.unwrap();
    case.collection("statements").delete_one(doc! { "_id.userId": user }).await.unwrap();
    let merchant = case.collection("merchant_days");
    merchant.update_one(doc! {}, doc! { "$inc": { "stockValueOut": -450_i64 } }).await.unwrap();

    let found = case.found_in_time().await;
    assert_eq!(Case::kinds(&found), ["lost_event"]);
    assert_eq!(found[0]["found"], "published, not applied");
    let healing = &found[0]["healing"];
    assert_eq!((&healing["action"], &healing["done"]), (&json!("event_published_again"), &json!(true)));
    eventually("it is applied after all", async || {
        case.lines().find_one(doc! { "_id": &event }).await.unwrap().is_some()
    })
    .await;
    assert_eq!(case.found().await, Vec::<Value>::new());
    let statements = other.get("/statements").await.expect_status(200).data();
    assert_eq!(statements["items"][0]["lines"], 1, "{statements}");
}

#[tokio::test]
async fn an_event_that_was_never_published_is_found_and_published() {
    let case = Case::open("unpublished").await;
    let order = case.customer.post_keyed("/orders", order_of(&[("tea", 1)])).await.expect_status(201).data();
    let order = id_of(order["id"].as_str().unwrap());
    let of_order = doc! { "orderId": order, "kind": "order_placed" };
    eventually("it is applied", async || case.lines().find_one(of_order.clone()).await.unwrap().is_some()).await;
    // The relay believes that it has sent an event that nobody has had: one with a new id.
    let line = case.lines().find_one(of_order).await.unwrap().unwrap();
    let entries = case.collection("outbox");
    let entry = entries.find_one(doc! { "events.id": line.get("_id").unwrap() }).await.unwrap().unwrap();
    let mut lost = entry.clone();
    let mut event = entry.get_array("events").unwrap()[0].as_document().unwrap().clone();
    event.insert("id", new_id());
    lost.extend(doc! { "_id": new_id(), "events": [event] });
    entries.insert_one(lost).await.unwrap();
    let found = case.found_in_time().await;
    assert_eq!(Case::kinds(&found), ["lost_event"]);
    eventually("nothing is found any more", async || case.found().await.is_empty()).await;
}

#[tokio::test]
async fn a_doubled_effect_is_found() {
    let case = Case::open("doubled").await;
    // As a consumer that applies an event a second time leaves it: line and statements agree with each other.
    let mut line = case.lines().find_one(doc! { "kind": "payment_captured" }).await.unwrap().unwrap();
    let doubled = new_id();
    line.insert("_id", doubled);
    case.lines().insert_one(&line).await.unwrap();
    let amount = line.get_i64("amount").unwrap();
    let again = doc! { "$inc": {
        "tallies.payment_captured.count": 1_i64, "tallies.payment_captured.amount": amount,
        "lines": 1_i64, "net": amount,
    } };
    let statement = doc! { "_id.userId": line.get("userId").unwrap() };
    case.collection("statements").update_one(statement, again).await.unwrap();
    let merchant = case.collection("merchant_days");
    merchant.update_one(doc! {}, doc! { "$inc": { "sales": amount } }).await.unwrap();
    let found = case.found_in_time().await;
    assert_eq!(Case::kinds(&found), ["doubled_effect"]);
    assert_eq!(found[0]["subject"], uuid::Uuid::from_bytes(doubled.bytes()).to_string());
    assert_eq!(found[0]["healing"], Value::Null);
    // It is still there in the next run, and was first seen in this one.
    let again = case.found().await;
    assert_eq!(again[0]["firstSeenAt"], found[0]["firstSeenAt"]);
}

#[tokio::test]
async fn a_movement_without_an_order_is_found() {
    let case = Case::open("movement").await;
    let movement = new_id();
    let moved = doc! {
        "_id": movement, "sku": "tea", "delta": -3_i64, "reason": "order_placed", "createdAt": DateTime::now(),
    };
    case.collection("stock_movements").insert_one(moved).await.unwrap();
    let found = case.found().await;
    // The counter was not moved with it.
    assert_eq!(Case::kinds(&found), ["counter_differs", "movement_without_order"]);
    assert_eq!(found[1]["subject"], uuid::Uuid::from_bytes(movement.bytes()).to_string());
    assert_eq!(found[1]["found"], "ledger: -3 pieces");
}

#[tokio::test]
async fn a_payment_without_an_order_is_found() {
    let case = Case::open("payment").await;
    let payments = case.collection("payments");
    let mut payment = payments.find_one(doc! {}).await.unwrap().unwrap();
    let id = new_id();
    payment.extend(doc! { "_id": id, "orderId": new_id(), "method": "card" });
    payments.insert_one(payment).await.unwrap();
    let found = case.found().await;
    assert_eq!(Case::kinds(&found), ["payment_without_order"]);
    assert_eq!(found[0]["subject"], uuid::Uuid::from_bytes(id.bytes()).to_string());
    assert_eq!(found[0]["healing"], Value::Null);
}

#[tokio::test]
async fn a_payment_that_was_captured_for_an_expired_order_is_refunded() {
    let case = Case::open("expired").await;
    let orders = case.collection("orders");
    // An order that is over, with its stock given back, and a payment from the account that nobody gave back.
    let order = case.customer.post_keyed("/orders", order_of(&[("tea", 1)])).await.expect_status(201).data();
    let path = format!("/orders/{}", order["id"].as_str().unwrap());
    case.customer.post_keyed(&format!("{path}/payments"), json!({ "method": "balance" })).await.expect_success();
    let id = id_of(order["id"].as_str().unwrap());
    let unpaid = doc! { "$set": { "status": "pending_payment" }, "$unset": { "paidAt": "" } };
    orders.update_one(doc! { "_id": id }, unpaid).await.unwrap();
    case.customer.post_empty(&format!("{path}/cancel")).await.expect_status(200);

    let found = case.found().await;
    assert_eq!(Case::kinds(&found), ["payment_without_order"]);
    let healing = &found[0]["healing"];
    assert_eq!((&healing["action"], &healing["done"]), (&json!("payment_refunded"), &json!(true)));
    assert_eq!(case.found().await, Vec::<Value>::new());
    let balance = case.customer.get("/users/me/balance").await.expect_status(200).data();
    assert_eq!(balance["amount"], 10_000 - 900, "{balance}");
}

#[tokio::test]
async fn an_entry_without_a_payment_is_found() {
    let case = Case::open("entry").await;
    let entries = case.collection("account_entries");
    let mut entry = entries.find_one(doc! { "kind": "payment" }).await.unwrap().unwrap();
    let id = new_id();
    let balance = entry.get_i64("balanceAfter").unwrap() - 5;
    entry
        .extend(doc! { "_id": id, "paymentId": new_id(), "sequence": 3_i64, "delta": -5_i64, "balanceAfter": balance });
    let account = doc! { "_id": entry.get("accountId").unwrap() };
    entries.insert_one(entry).await.unwrap();
    // The account follows it, so that nothing else differs.
    let update = doc! { "$set": { "version": 3_i64, "balance": balance } };
    case.collection("accounts").update_one(account, update).await.unwrap();
    let found = case.found().await;
    assert_eq!(Case::kinds(&found), ["entry_without_payment"]);
    assert_eq!(found[0]["subject"], uuid::Uuid::from_bytes(id.bytes()).to_string());
}

#[tokio::test]
async fn a_counter_that_is_off_by_one_is_found() {
    let case = Case::open("counter").await;
    case.collection("stock_levels")
        .update_one(doc! { "_id": "tea" }, doc! { "$inc": { "available": 1_i64 } })
        .await
        .unwrap();
    let found = case.found().await;
    assert_eq!(Case::kinds(&found), ["counter_differs"]);
    assert_eq!((&found[0]["subject"], &found[0]["found"]), (&json!("tea"), &json!("97 pieces")));
}

#[tokio::test]
async fn a_statement_that_does_not_add_up_is_found() {
    let case = Case::open("statement").await;
    case.collection("statements").update_one(doc! {}, doc! { "$inc": { "net": 1_i64 } }).await.unwrap();
    let found = case.found().await;
    assert_eq!(Case::kinds(&found), ["statement_differs"]);
}

#[tokio::test]
async fn a_poisoned_record_is_put_aside_and_delays_nothing() {
    let case = Case::open("poisoned").await;
    let entries = case.collection("outbox");
    let mut entry = entries.find_one(doc! { "source": "order" }).await.unwrap().unwrap();
    let mut event = entry.get_array("events").unwrap()[0].as_document().unwrap().clone();
    let garbage = Binary { subtype: BinarySubtype::Generic, bytes: vec![0xff; 8] };
    event.extend(doc! { "id": new_id(), "payload": garbage });
    entry.extend(doc! { "_id": new_id(), "events": [event], "unsent": true });
    entries.insert_one(entry).await.unwrap();
    let key = fresh_key();
    case.customer.post_with_key("/orders", order_of(&[("tea", 1)]), &key).await.expect_status(201);
    let placed = doc! { "kind": "order_placed" };
    eventually("the next is applied", async || case.lines().count_documents(placed.clone()).await.unwrap() == 3).await;
    // It counts as lost until a person has seen to it.
    assert_eq!(Case::kinds(&case.found_in_time().await), ["lost_event"]);
}

#[tokio::test]
async fn statements_show_what_a_customer_did() {
    let case = Case::open("statements").await;
    let statements = case.customer.get("/statements").await.expect_status(200).data();
    let statement = &statements["items"][0];
    assert_eq!(statement["net"], json!({ "amount": 900, "currency": "USD" }), "{statement}");
    let tally = |kind: &str| {
        let tallies = statement["tallies"].as_array().unwrap();
        tallies.iter().find(|tally| tally["kind"] == kind).cloned().unwrap_or_default()
    };
    assert_eq!(
        (&tally("order_placed")["count"], &tally("order_placed")["amount"]["amount"]),
        (&json!(2), &json!(1_800))
    );
    assert_eq!(tally("payment_captured")["amount"]["amount"], 900);
    assert_eq!(tally("account_deposit")["amount"]["amount"], 10_000);
    assert_eq!(statement["lines"], 6, "{statement}");
    let other = case.shop.customer().await;
    assert_eq!(other.get("/statements").await.expect_status(200).data()["items"], json!([]));
    case.customer.get("/statements?from=2026-13-01").await.expect_refusal(400, "VALIDATION_FAILED");
    case.admin.get(&format!("/reconciliations/{}", case.paid)).await.expect_refusal(404, "NOT_FOUND");
    let runs = case.admin.get("/reconciliations").await.expect_status(200).data();
    assert!(!runs["items"].as_array().unwrap().is_empty(), "{runs}");
}
