//! More is offered than the lanes take in: the surplus is refused at once, and what was taken in is done.

use std::time::{Duration, Instant};

use envelope::Reason;
use futures::future::join_all;
use mongodb::bson::doc;

use crate::fail_point::FailPoint;
use crate::world::{Told, World, reason};

const WAITING: u32 = 4;

async fn world(test: &str) -> World {
    World::start_with(test, 1, &[("hot", 100), ("cold", 100)], |config| {
        config.lanes.max_waiting_orders = usize::try_from(WAITING).unwrap();
    })
    .await
}

#[tokio::test]
async fn the_surplus_is_refused_at_once_and_the_rest_is_kept() {
    let world = world("overload").await;
    let buyer = world.buyer(0);
    let point = FailPoint::hold(&world).await;
    let place = |number: u32| {
        let buyer = buyer.clone();
        async move { buyer.place(&number.to_string(), &[("hot", 1)]).await }
    };
    let holder = world.begin(place(0));
    point.hit(1).await;
    let mut taken = vec![holder];
    for number in 1..=WAITING {
        taken.push(world.line_up(number - 1, place(number)).await);
    }
    let offered = Instant::now();
    for refused in join_all((WAITING + 1..=40).map(place)).await {
        let error = refused.unwrap_err();
        assert_eq!(error.reason(), Reason::Overloaded);
        assert!(error.retry_after().is_some());
    }
    // Nobody has waited for the batch that is held.
    assert!(offered.elapsed() < Duration::from_secs(10), "{:?}", offered.elapsed());
    assert!((world.waiting() - f64::from(WAITING)).abs() < 0.1);
    point.off().await;
    let told: Vec<Told> = join_all(taken).await.into_iter().map(Result::unwrap).collect();
    let keys: Vec<_> = (0..=WAITING).map(|number| number.to_string()).collect();
    world.assert_placed_once(keys.iter().map(String::as_str).zip(&told)).await;
    assert_eq!(world.count("orders", doc! {}).await, u64::from(WAITING) + 1);
    // Those that were refused may come again.
    let again = buyer.place_surely("40", &[("hot", 1)]).await;
    assert_eq!(again.replay_of, None);
    world.finish().await;
}

#[tokio::test]
async fn orders_that_fill_the_lanes_are_all_there_in_the_end() {
    let world = world("overload_in_the_end").await;
    let orders = (0..60).map(|number| {
        let buyer = world.buyer(0);
        async move { (number.to_string(), buyer.place_surely(&number.to_string(), &[("hot", 1)]).await) }
    });
    let told = join_all(orders).await;
    world.assert_placed_once(told.iter().map(|(key, told)| (key.as_str(), told))).await;
    assert!(world.meters.counter("order_lanes_refused_total") > 0);
    assert_eq!(world.available("hot").await, 40);
    world.finish().await;
}

#[tokio::test]
async fn an_order_whose_time_runs_out_while_it_waits_leaves_nothing_behind() {
    let world = world("late").await;
    let buyer = world.buyer(0);
    let point = FailPoint::hold(&world).await;
    let (one, two) = (buyer.clone(), buyer.clone());
    let holder = world.begin(async move { one.place("holder", &[("hot", 1)]).await });
    point.hit(1).await;
    let hasty = buyer.within(Duration::from_millis(300));
    let late = world.line_up(0, async move { hasty.place("late", &[("hot", 7)]).await }).await;
    let patient = world.line_up(1, async move { two.place("patient", &[("hot", 1)]).await }).await;
    assert_eq!(reason(late.await), Reason::DeadlineExceeded);
    // Other SKUs have a lane of their own.
    point.off().await;
    let told = [holder.await.unwrap(), patient.await.unwrap()];
    world.assert_placed_once(["holder", "patient"].into_iter().zip(&told)).await;
    assert_eq!(world.available("hot").await, 98);
    // Its key is as good as new, whatever it asks for.
    let again = buyer.place("late", &[("hot", 2)]).await.unwrap();
    assert_eq!(again.replay_of, None);
    assert_eq!(world.available("hot").await, 96);
    world.finish().await;
}

#[tokio::test]
async fn a_request_that_is_dropped_while_it_waits_leaves_nothing_behind() {
    let world = world("dropped").await;
    let buyer = world.buyer(0);
    let point = FailPoint::hold(&world).await;
    let (one, two) = (buyer.clone(), buyer.clone());
    let holder = world.begin(async move { one.place("holder", &[("hot", 1)]).await });
    point.hit(1).await;
    {
        let dropped = two.place("dropped", &[("hot", 1)]);
        tokio::select! {
            _ = dropped => panic!("it is held"),
            () = world.until("it is lined up", async || world.waiting() > 0.0) => {}
        }
    }
    point.off().await;
    holder.await.unwrap();
    world.until("it is left out", async || world.waiting() == 0.0).await;
    assert_eq!(world.count("orders", doc! { "idempotencyKey": "dropped" }).await, 0);
    let again = buyer.place("dropped", &[("hot", 1)]).await.unwrap();
    assert_eq!(again.replay_of, None);
    assert_eq!(world.available("hot").await, 98);
    world.finish().await;
}
