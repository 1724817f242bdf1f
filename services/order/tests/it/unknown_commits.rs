//! Commits that were sent and not answered: whether they happened is found by the idempotency keys.

use std::time::Duration;

use envelope::Reason;
use futures::future::join_all;
use mongodb::bson::doc;

use crate::fail_point::{FailPoint, always, no_such_transaction, unconfirmed, unheard};
use crate::world::{Told, World, reason};

const BUYERS: u32 = 24;
/// Well within the time of a request, so that only the outcome of a commit is waited for beyond it.
const SHORT: Duration = Duration::from_secs(1);

fn commits_asked_again(world: &World) -> u64 {
    world.meters.counter("mongo_commit_retries_total")
}

#[tokio::test]
async fn that_happened_are_found_for_the_whole_batch() {
    let world = World::start("unknown_done", 1, &[("hot", 100)]).await;
    let buyer = world.buyer(0);
    let point = FailPoint::hold(&world).await;
    let place = |number: u32| {
        let buyer = buyer.clone();
        async move { buyer.place(&number.to_string(), &[("hot", 1)]).await }
    };
    let first = world.begin(place(0));
    point.hit(1).await;
    let others: Vec<_> = (1..=BUYERS).map(|number| world.begin(place(number))).collect();
    world.until("all wait", async || world.waiting() == f64::from(BUYERS)).await;
    // The answer after one that left it open proves nothing.
    point.change(always(), no_such_transaction()).await;
    let first = first.await.unwrap();
    // Nor does it for the next batch, which holds all the others.
    let before = commits_asked_again(&world);
    point.change(always(), unconfirmed()).await;
    world.until("a commit is open", async || commits_asked_again(&world) > before).await;
    point.change(always(), no_such_transaction()).await;
    let told: Vec<Told> = join_all(others).await.into_iter().map(Result::unwrap).collect();
    point.off().await;
    assert_eq!(world.batches(), 2);
    assert!(told.iter().chain([&first]).all(|told| told.replay_of.is_none()));
    let keys: Vec<_> = (0..=BUYERS).map(|number| number.to_string()).collect();
    world.assert_placed_once(keys.iter().map(String::as_str).zip([&first].into_iter().chain(&told))).await;
    assert_eq!(world.available("hot").await, 100 - u64::from(BUYERS) - 1);
    world.finish().await;
}

#[tokio::test]
async fn that_did_not_happen_leave_nothing_behind() {
    let world = World::start("unknown_lost", 1, &[("hot", 10)]).await;
    let buyer = world.buyer(0);
    let point = FailPoint::set(&world, always(), unheard()).await;
    let (one, two) = (buyer.clone(), buyer.clone());
    let lost = world.begin(async move { one.place("lost", &[("hot", 1)]).await });
    point.hit(2).await;
    let next = world.line_up(0, async move { two.place("next", &[("hot", 1)]).await }).await;
    assert_eq!(point.abort_transactions().await, 1);
    point.off().await;
    assert_eq!(reason(lost.await), Reason::DeadlineExceeded);
    assert_eq!(world.count("orders", doc! { "idempotencyKey": "lost" }).await, 0);
    let next = next.await.unwrap();
    let again = buyer.place("lost", &[("hot", 1)]).await.unwrap();
    assert_eq!(again.replay_of, None);
    world.assert_placed_once([("lost", &again), ("next", &next)]).await;
    assert_eq!(world.available("hot").await, 8);
    world.finish().await;
}

#[tokio::test]
async fn that_happened_and_stay_unanswered_are_found_by_who_asks_again() {
    let world = World::start("unknown_late", 1, &[("hot", 10)]).await;
    let buyer = world.buyer(0);
    let point = FailPoint::hold(&world).await;
    assert_eq!(reason(buyer.within(SHORT).place("late", &[("hot", 1)]).await), Reason::DeadlineExceeded);
    // The commit is still asked about.
    assert_eq!(reason(buyer.place("late", &[("hot", 1)]).await), Reason::IdempotencyInFlight);
    world.until("the lanes give up", async || world.ended_batches() == 1).await;
    assert!(point.off().await > 1);
    let found = buyer.place("late", &[("hot", 1)]).await.unwrap();
    assert!(found.replay_of.is_some());
    let other = buyer.place("other", &[("hot", 1)]).await.unwrap();
    world.assert_placed_once([("late", &found), ("other", &other)]).await;
    assert_eq!(world.available("hot").await, 8);
    world.finish().await;
}

#[tokio::test]
async fn that_never_reached_the_server_do_not_keep_the_sku() {
    let world = World::start("unknown_open", 1, &[("hot", 10)]).await;
    let buyer = world.buyer(0);
    let point = FailPoint::set(&world, always(), unheard()).await;
    assert_eq!(reason(buyer.within(SHORT).place("open", &[("hot", 1)]).await), Reason::DeadlineExceeded);
    world.until("the lanes give up", async || world.ended_batches() == 1).await;
    assert!(point.off().await > 1);
    let other = buyer.place("other", &[("hot", 1)]).await.unwrap();
    let again = buyer.place("open", &[("hot", 1)]).await.unwrap();
    assert_eq!(again.replay_of, None);
    world.assert_placed_once([("open", &again), ("other", &other)]).await;
    assert_eq!(world.available("hot").await, 8);
    world.finish().await;
}
