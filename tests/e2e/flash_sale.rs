//! Many buyers, few pieces.

use std::collections::BTreeMap;

use end_to_end::{Shop, order_of};

const BUYERS: usize = 64;
const PIECES: i64 = 100;

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_clients_buy_exactly_the_last_hundred_pieces() {
    let shop = Shop::open("flash_sale").await;
    let admin = shop.admin().await;
    shop.product(&admin, "hot", 999, PIECES).await;
    let customer = shop.customer().await;
    let buyers = (0..BUYERS).map(|_| {
        let customer = customer.clone();
        async move {
            let mut outcomes = Vec::new();
            loop {
                let reply = customer.post_keyed("/orders", order_of(&[("hot", 1)])).await;
                let status = reply.status.as_u16();
                outcomes.push((status, reply.reason()));
                if status != 201 {
                    return outcomes;
                }
            }
        }
    });
    let outcomes = futures::future::join_all(buyers).await.into_iter().flatten();
    let counted = outcomes.fold(BTreeMap::<_, i64>::new(), |mut counted, outcome| {
        *counted.entry(outcome).or_default() += 1;
        counted
    });
    let sold_out = (409, "INSUFFICIENT_STOCK".to_owned());
    let buyers = i64::try_from(BUYERS).unwrap();
    assert_eq!(counted, BTreeMap::from([((201, String::new()), PIECES), (sold_out, buyers)]));
    assert_eq!(shop.available("hot").await, 0);
    shop.verify_books().await;
}
