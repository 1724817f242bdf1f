//! What is sold out is refused from memory, and sold again as soon as stock returns, by whatever path.

use std::time::{Duration, Instant};

use envelope::{Detail, Reason};
use mongodb::bson::doc;

use crate::world::{Buyer, Told, World, reason};

/// Within a second, and some more for a busy machine.
const SOON: Duration = Duration::from_secs(5);

fn refused_from_memory(world: &World) -> u64 {
    world.meters.counter("orders_refused_from_memory_total")
}

/// Orders one piece until there is one. What is refused on the way must be refused for its stock.
async fn sells_again(world: &World, buyer: &Buyer, key: &str) -> Told {
    let returned = Instant::now();
    let told = std::cell::RefCell::new(None);
    world
        .until("it is sold again", async || match buyer.place(key, &[("hot", 1)]).await {
            Ok(order) => told.replace(Some(order)).is_none(),
            Err(error) => {
                assert_eq!(error.reason(), Reason::InsufficientStock, "{error:?}");
                false
            }
        })
        .await;
    assert!(returned.elapsed() < SOON, "sold again only after {:?}", returned.elapsed());
    assert_eq!(reason(buyer.place("more", &[("hot", 1)]).await), Reason::InsufficientStock);
    told.into_inner().unwrap()
}

#[tokio::test]
async fn it_is_refused_without_a_transaction() {
    let world = World::start("sold_out", 1, &[("hot", 2), ("cold", 5)]).await;
    let buyer = world.buyer(0);
    let placed = buyer.place("placed", &[("hot", 2)]).await.unwrap();
    assert_eq!(reason(buyer.place("first", &[("hot", 1)]).await), Reason::InsufficientStock);
    world
        .until("twenty in a row are refused from memory", {
            let (world, buyer) = (&world, &buyer);
            async || {
                let (batches, before) = (world.batches(), refused_from_memory(world));
                for number in 0..20 {
                    let error = buyer.place(&format!("late-{number}"), &[("hot", 1), ("cold", 1)]).await;
                    let error = error.unwrap_err();
                    assert_eq!(error.reason(), Reason::InsufficientStock);
                    let short = Detail::Stock { sku: "hot".into(), requested: 1, available: 0 };
                    assert_eq!(error.details(), [short]);
                }
                world.batches() == batches && refused_from_memory(world) == before + 20
            }
        })
        .await;
    // Other stock is sold, and an order that was placed is answered.
    buyer.place("cold", &[("cold", 1)]).await.unwrap();
    let again = buyer.place("placed", &[("hot", 2)]).await.unwrap();
    assert_eq!((again.id, again.replay_of), (placed.id, Some(placed.request_id)));
    assert_eq!(reason(buyer.place("placed", &[("hot", 1)]).await), Reason::IdempotencyKeyReused);
    assert_eq!(world.count("orders", doc! {}).await, 2);
    world.finish().await;
}

#[tokio::test]
async fn it_is_sold_again_after_an_adjustment_elsewhere() {
    let world = World::start("adjusted", 1, &[("hot", 0)]).await;
    let buyer = world.buyer(0);
    assert_eq!(reason(buyer.place("early", &[("hot", 1)]).await), Reason::InsufficientStock);
    world.adjust("hot", 1).await;
    let told = sells_again(&world, &buyer, "early").await;
    // And when less is there than before.
    world.adjust("hot", 3).await;
    let more = sells_one_of_three(&world, &buyer).await;
    world.assert_placed_once([("early", &told), ("three", &more)]).await;
    world.finish().await;
}

/// Three have come back, and two have gone again meanwhile: what is left is sold, and no more than that.
async fn sells_one_of_three(world: &World, buyer: &Buyer) -> Told {
    world.adjust("hot", -2).await;
    let told = sells_again(world, buyer, "three").await;
    assert_eq!(world.available("hot").await, 0);
    told
}

#[tokio::test]
async fn it_is_sold_again_after_a_cancellation_here_at_once() {
    let world = World::start("cancelled_here", 1, &[("hot", 1)]).await;
    let buyer = world.buyer(0);
    let placed = buyer.place("placed", &[("hot", 1)]).await.unwrap();
    assert_eq!(reason(buyer.place("early", &[("hot", 1)]).await), Reason::InsufficientStock);
    buyer.cancel("cancel", placed.id).await.unwrap();
    let next = buyer.place("next", &[("hot", 1)]).await.unwrap();
    world.assert_placed_once([("next", &next)]).await;
    world.finish().await;
}

#[tokio::test]
async fn it_is_sold_again_after_a_cancellation_at_another_replica() {
    let world = World::start("cancelled_there", 2, &[("hot", 1)]).await;
    let (here, there) = (world.buyer(0), world.buyer(1));
    let placed = here.place("placed", &[("hot", 1)]).await.unwrap();
    assert_eq!(reason(here.place("early", &[("hot", 1)]).await), Reason::InsufficientStock);
    there.cancel("cancel", placed.id).await.unwrap();
    let next = sells_again(&world, &here, "early").await;
    world.assert_placed_once([("early", &next)]).await;
    world.finish().await;
}

#[tokio::test]
async fn it_is_sold_again_after_an_expiry() {
    let world = World::start_with("expired_elsewhere", 2, &[("hot", 1)], |config| {
        config.orders.payment_window_ms = 1_500;
    })
    .await;
    let placed = world.buyer(0).place("placed", &[("hot", 1)]).await.unwrap();
    for replica in [0, 1] {
        let early = world.buyer(replica).place("early", &[("hot", 1)]).await;
        assert_eq!(reason(early), Reason::InsufficientStock);
    }
    let is_over = async || primitives::now().as_millisecond() >= placed.expires_at_ms;
    world.until("the time to pay is over", is_over).await;
    let next = sells_again(&world, &world.buyer(1), "early").await;
    assert!(next.replay_of.is_none());
    world.until("that has expired too", async || world.available("hot").await == 1).await;
    assert_eq!(world.count("orders", doc! { "status": "expired" }).await, 2);
    world.finish().await;
}
