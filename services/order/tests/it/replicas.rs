//! Several replicas that know nothing of each other sell one SKU to the last piece, and no more.

use envelope::Reason;
use futures::future::join_all;
use mongodb::bson::doc;

use crate::world::{Buyer, Told, World};

const STOCK: u32 = 400;
const REPLICAS: usize = 3;
const CLIENTS: usize = 8;

#[tokio::test]
async fn three_replicas_sell_a_hot_sku_to_the_last_piece() {
    let world = World::start("three_replicas", REPLICAS, &[("hot", STOCK)]).await;
    let clients = (0..REPLICAS * CLIENTS).map(|client| {
        let buyer = world.buyer(client % REPLICAS);
        async move { buy_all(&buyer, client).await }
    });
    let sold: Vec<_> = join_all(clients).await.into_iter().flatten().collect();
    assert_eq!(sold.iter().map(|(_, pieces, _)| pieces).sum::<u32>(), STOCK);
    assert_eq!(world.available("hot").await, 0);
    assert_eq!(world.count("orders", doc! {}).await, u64::try_from(sold.len()).unwrap());
    world.assert_placed_once(sold.iter().map(|(key, _, told)| (key.as_str(), told))).await;
    world.finish().await;
}

/// Orders up to three pieces at a time, and fewer when there are fewer, until nothing is left.
async fn buy_all(buyer: &Buyer, client: usize) -> Vec<(String, u32, Told)> {
    let mut bought = Vec::new();
    let mut pieces = 3;
    for number in 0.. {
        let key = format!("{client}-{number}");
        match buyer.place(&key, &[("hot", pieces)]).await {
            Ok(told) => bought.push((key, pieces, told)),
            Err(error) => {
                assert_eq!(error.reason(), Reason::InsufficientStock, "{error:?}");
                pieces -= 1;
            }
        }
        if pieces == 0 {
            break;
        }
    }
    bought
}
