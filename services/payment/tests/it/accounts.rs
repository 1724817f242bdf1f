//! Deposits and balances.

use envelope::Reason;
use futures::future::join_all;
use mongodb::bson::{DateTime, doc};
use primitives::{EntryId, UserId};
use proto::common::v1::Money;
use proto::payment::v1::{DepositResponse, GetBalanceRequest};
use tonic::Response;

use crate::world::{World, admin, customer, fields, from, is_reason, reason, usd};

const REPLAY_OF: &str = "x-idempotent-replay-of";

#[tokio::test(flavor = "multi_thread")]
async fn only_an_admin_may_deposit_and_only_a_caller_has_a_balance() {
    let world = World::start("deposit_roles").await;
    let user = UserId::new();
    let text = user.to_string();
    assert_eq!(reason(world.deposit(None, &text, usd(1), "k").await), Reason::Unauthenticated);
    assert_eq!(reason(world.deposit(Some(customer(user)), &text, usd(1), "k").await), Reason::Forbidden);
    let refused = world.accounts().get_balance(from(None, GetBalanceRequest {})).await.unwrap_err();
    assert!(is_reason(refused, Reason::Unauthenticated));
    assert!(world.all("account_entries").await.is_empty());
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deposit_opens_the_account_and_raises_the_balance() {
    let world = World::start("deposit_opens").await;
    let user = UserId::new();
    assert_eq!(world.balance(user).await, 0);
    for (number, amount) in [(1, 250), (2, 1), (3, 1_000_000_000_000)] {
        let key = format!("k{number}");
        world.deposit(Some(admin(world.admin)), &user.to_string(), usd(amount), &key).await.unwrap();
    }
    assert_eq!(world.balance(user).await, 1_000_000_000_251);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deposit_out_of_bounds_names_the_field_and_writes_nothing() {
    let world = World::start("deposit_bounds").await;
    let user = UserId::new().to_string();
    let euros = Money { amount: 1, currency: "EUR".into() };
    let nonsense = Money { amount: 1, currency: "usd".into() };
    let cases = [
        (user.as_str(), usd(0), "k", "amount"),
        (&user, usd(-1), "k", "amount"),
        (&user, usd(1_000_000_000_001), "k", "amount"),
        (&user, usd(i64::MAX), "k", "amount"),
        (&user, euros, "k", "currency"),
        (&user, nonsense, "k", "currency"),
        ("someone", usd(1), "k", "userId"),
        (&user, usd(1), "a b", "Idempotency-Key"),
        (&user, usd(1), "", "Idempotency-Key"),
    ];
    for (user, amount, key, field) in cases {
        let refused = world.deposit(Some(admin(world.admin)), user, amount, key).await.unwrap_err();
        assert_eq!((refused.reason(), fields(&refused)), (Reason::ValidationFailed, vec![field]));
    }
    assert!(world.all("accounts").await.is_empty() && world.all("idempotency_keys").await.is_empty());
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_deposits_once_for_each_admin() {
    let world = World::start("deposit_key").await;
    let user = UserId::new();
    let by = |admin_id, amount| {
        let (world, user) = (&world, user.to_string());
        async move { world.deposit(Some(admin(admin_id)), &user, usd(amount), "same-key").await }
    };
    let first = by(world.admin, 500).await.unwrap();
    assert!(first.metadata().get(REPLAY_OF).is_none());
    let again = by(world.admin, 500).await.unwrap();
    assert!(again.metadata().get(REPLAY_OF).is_some());
    assert_eq!(first.into_inner(), again.into_inner());
    assert_eq!(reason(by(world.admin, 501).await), Reason::IdempotencyKeyReused);
    assert_eq!(world.balance(user).await, 500);
    by(UserId::new(), 500).await.unwrap();
    assert_eq!(world.balance(user).await, 1_000);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_concurrent_duplicates_deposit_once() {
    let world = World::start("deposit_duplicates").await;
    let user = UserId::new();
    let duplicate = |_| async {
        loop {
            match world.deposit(Some(admin(world.admin)), &user.to_string(), usd(70), "same-key").await {
                Ok(answer) => return answer,
                Err(error) => assert_eq!(error.reason(), Reason::IdempotencyInFlight),
            }
        }
    };
    let answers: Vec<Response<DepositResponse>> = join_all((0..16).map(duplicate)).await;
    let firsts = answers.iter().filter(|answer| answer.metadata().get(REPLAY_OF).is_none()).count();
    assert_eq!(firsts, 1);
    assert!(answers.iter().all(|answer| answer.get_ref() == answers[0].get_ref()));
    assert_eq!(world.balance(user).await, 70);
    assert_eq!(world.all("account_entries").await.len(), 1);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_deposits_to_a_new_account_all_count() {
    let world = World::start("deposit_concurrent").await;
    let user = UserId::new();
    let deposit = |number: i64| {
        let (world, user) = (&world, user.to_string());
        async move { world.deposit(Some(admin(world.admin)), &user, usd(1 + number), &format!("k{number}")).await }
    };
    for answer in join_all((0..16).map(deposit)).await {
        answer.unwrap();
    }
    assert_eq!(world.balance(user).await, (1..=16).sum::<i64>());
    world.finish().await;
}

/// Writes an account and its only entry directly, bypassing the service.
async fn put_account(world: &World, user: UserId, balance: i64, balance_after: i64) {
    let key = mongo::to_bson_uuid(user.as_uuid());
    let account =
        doc! { "_id": key, "balance": balance, "currency": "USD", "version": 1_i64, "updatedAt": DateTime::now() };
    let entry = doc! {
        "_id": mongo::to_bson_uuid(EntryId::new().as_uuid()), "accountId": key, "sequence": 1_i64,
        "delta": balance_after, "kind": "deposit", "balanceAfter": balance_after, "createdAt": DateTime::now(),
    };
    world.documents("accounts").insert_one(account).await.unwrap();
    world.documents("account_entries").insert_one(entry).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_balance_has_an_upper_limit() {
    let world = World::start("deposit_limit").await;
    let user = UserId::new();
    put_account(&world, user, 999_999_999_999_995, 999_999_999_999_995).await;
    let refused = world.deposit(Some(admin(world.admin)), &user.to_string(), usd(6), "k").await.unwrap_err();
    assert_eq!((refused.reason(), fields(&refused)), (Reason::ValidationFailed, vec!["amount"]));
    world.deposit(Some(admin(world.admin)), &user.to_string(), usd(5), "k").await.unwrap();
    assert_eq!(world.balance(user).await, 1_000_000_000_000_000);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_to_an_account_that_disagrees_with_its_entries() {
    let world = World::start("ledger_disagrees").await;
    let user = UserId::new();
    put_account(&world, user, 600, 500).await;
    let refused = world.deposit(Some(admin(world.admin)), &user.to_string(), usd(1), "k").await;
    assert_eq!(reason(refused), Reason::Internal);
    assert_eq!(world.all("account_entries").await.len(), 1);
    assert!(world.all("idempotency_keys").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_refuses_a_negative_balance_and_a_repeated_sequence_number() {
    let world = World::start("ledger_validators").await;
    let user = world.user_with(10).await;
    let key = mongo::to_bson_uuid(user.as_uuid());
    let overdraw = doc! { "$inc": { "balance": -11_i64 } };
    assert!(world.documents("accounts").update_one(doc! { "_id": key }, overdraw).await.is_err());
    let mut twice = world.documents("account_entries").find_one(doc! { "accountId": key }).await.unwrap().unwrap();
    twice.insert("_id", mongo::to_bson_uuid(EntryId::new().as_uuid()));
    assert!(world.documents("account_entries").insert_one(twice).await.is_err());
    world.finish().await;
}
