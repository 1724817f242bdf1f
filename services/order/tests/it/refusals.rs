//! What the rules refuse is refused alone: the rest of its batch is committed, first come, first served.

use envelope::{Detail, Reason};

use crate::fail_point::FailPoint;
use crate::world::{World, reason};

#[tokio::test]
async fn of_a_batch_only_those_that_must_be_are_refused() {
    let world = World::start("refused_alone", 1, &[("hot", 13)]).await;
    let buyer = world.buyer(0);
    let known = buyer.place("known", &[("hot", 1)]).await.unwrap();
    buyer.place("reused", &[("hot", 1)]).await.unwrap();
    let point = FailPoint::hold(&world).await;
    let orders: [(&str, &[(&str, u32)]); 8] = [
        ("holder", &[("hot", 1)]),
        // Ten are left.
        ("four", &[("hot", 4)]),
        ("four-more", &[("hot", 4)]),
        ("too-many", &[("hot", 4)]),
        ("last-two", &[("hot", 2)]),
        ("not-in-stock", &[("ghost", 1), ("hot", 1)]),
        ("known", &[("hot", 1)]),
        ("reused", &[("hot", 2)]),
    ];
    let mut outcomes = Vec::new();
    for (number, (key, lines)) in (0..).zip(orders) {
        let buyer = buyer.clone();
        let place = async move { buyer.place(key, lines).await };
        match number {
            0 => {
                outcomes.push(world.begin(place));
                point.hit(1).await;
            }
            _ => outcomes.push(world.line_up(number - 1, place).await),
        }
    }
    let batches = world.batches();
    point.off().await;
    let outcomes = futures::future::join_all(outcomes).await;
    assert_eq!(world.batches(), batches + 1);
    let [holder, four, more, too_many, last, ghost, again, reused] = outcomes.try_into().unwrap();
    let (four, more, last) = (four.unwrap(), more.unwrap(), last.unwrap());
    let placed = [("four", &four), ("four-more", &more), ("last-two", &last), ("holder", &holder.unwrap())];
    world.assert_placed_once(placed).await;
    assert!(placed.iter().all(|(_, told)| told.replay_of.is_none()));
    let too_many = too_many.unwrap_err();
    assert_eq!(too_many.reason(), Reason::InsufficientStock);
    let short = Detail::Stock { sku: "hot".into(), requested: 4, available: 2 };
    assert_eq!(too_many.details(), [short]);
    let ghost = ghost.unwrap_err();
    assert_eq!((ghost.reason(), ghost.details()), unknown(&[Detail::UnknownSku { sku: "ghost".into() }]));
    let again = again.unwrap();
    assert_eq!((again.id, again.replay_of), (known.id, Some(known.request_id)));
    assert_eq!(reason(reused), Reason::IdempotencyKeyReused);
    assert_eq!(world.available("hot").await, 0);
    world.finish().await;
}

fn unknown(skus: &[Detail]) -> (Reason, &[Detail]) {
    (Reason::SkuNotFound, skus)
}

#[tokio::test]
async fn an_order_gets_all_of_its_lines_or_none() {
    let world = World::start("lines_or_none", 1, &[("plenty", 100), ("scarce", 1)]).await;
    let buyer = world.buyer(0);
    let refused = buyer.place("both", &[("plenty", 3), ("scarce", 2)]).await.unwrap_err();
    let short = Detail::Stock { sku: "scarce".into(), requested: 2, available: 1 };
    assert_eq!((refused.reason(), refused.details()), (Reason::InsufficientStock, [short].as_slice()));
    assert_eq!((world.available("plenty").await, world.available("scarce").await), (100, 1));
    // A refused key is as good as new.
    let placed = buyer.place("both", &[("plenty", 3), ("scarce", 1)]).await.unwrap();
    world.assert_placed_once([("both", &placed)]).await;
    assert_eq!((world.available("plenty").await, world.available("scarce").await), (97, 0));
    world.finish().await;
}

#[tokio::test]
async fn what_is_given_back_in_a_batch_is_sold_in_it() {
    let world = World::start("given_and_sold", 1, &[("hot", 3)]).await;
    let buyer = world.buyer(0);
    let returned = buyer.place("returned", &[("hot", 2)]).await.unwrap();
    let point = FailPoint::hold(&world).await;
    let (one, two, three) = (buyer.clone(), buyer.clone(), buyer.clone());
    let holder = world.begin(async move { one.place("holder", &[("hot", 1)]).await });
    point.hit(1).await;
    // The order comes first, and its two pieces come back in the same batch.
    let sold = world.line_up(0, async move { two.place("sold", &[("hot", 2)]).await }).await;
    let cancelled = world.line_up(1, async move { three.cancel("cancel", returned.id).await }).await;
    let batches = world.batches();
    point.off().await;
    holder.await.unwrap();
    let sold = sold.await.unwrap();
    assert_eq!(cancelled.await.unwrap().id, returned.id);
    assert_eq!(world.batches(), batches + 1);
    world.assert_placed_once([("sold", &sold)]).await;
    assert_eq!(world.available("hot").await, 0);
    world.finish().await;
}
