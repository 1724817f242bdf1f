//! The stock ledger on a real replica set.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a failing test stops

use std::collections::BTreeMap;
use std::time::Duration;

use futures::FutureExt as _;
use mongo::{Abort, Db, MongoConfig, TransactError};
use primitives::{OrderId, Quantity, Sku};
use service::{Deadline, Shell};
use stock::{Ledger, Posting, Reason, StockRefusal};

type Outcome = Result<(), TransactError<StockRefusal>>;

struct Shop {
    db: Db,
    ledger: Ledger,
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(30))
}

fn sku(text: &str) -> Sku {
    text.parse().unwrap()
}

fn lines<const N: usize>(lines: [(&str, u32); N]) -> BTreeMap<Sku, Quantity> {
    lines.into_iter().map(|(name, pieces)| (sku(name), Quantity::try_from(pieces).unwrap())).collect()
}

impl Shop {
    async fn open<const N: usize>(test: &str, stock: [(&str, u32); N]) -> Self {
        let uri = devstack::testing::backing().await.mongo_uri().to_owned();
        let config = MongoConfig::new(uri, devstack::testing::database_name(test));
        let db = Db::connect(&config, &Shell::without_admin().tasks).await.unwrap();
        mongo::migration::migrate(&db, stock::MIGRATIONS, soon()).await.unwrap();
        let ledger = Ledger::new(&db);
        let initial: Vec<_> = stock.into_iter().map(|(name, pieces)| (sku(name), pieces)).collect();
        let opening = ledger.clone();
        let opened: Outcome = db
            .transact(soon(), move |session| {
                let (ledger, initial) = (opening.clone(), initial.clone());
                async move { ledger.open(session, &initial, primitives::now()).await.map(drop) }.boxed()
            })
            .await;
        opened.unwrap();
        Self { db, ledger }
    }

    /// Reads the levels first, so that shortages can be reported.
    async fn take(&self, id: OrderId, lines: BTreeMap<Sku, Quantity>) -> Outcome {
        let ledger = self.ledger.clone();
        let taken = self.db.transact(soon(), move |session| {
            let (ledger, lines) = (ledger.clone(), lines.clone());
            async move {
                let mut levels = ledger.levels(session, lines.keys()).await?;
                levels.take(&lines).map_err(Abort::Refused)?;
                let mut posting = Posting::new(primitives::now());
                posting.take(id, &lines);
                assert!(ledger.post(session, &posting).await?.is_some());
                Ok(())
            }
            .boxed()
        });
        taken.await
    }

    /// Posts without reading the levels: only the condition of each counter refuses.
    async fn post(&self, posting: Posting) -> Outcome {
        let ledger = self.ledger.clone();
        let posted = self.db.transact(soon(), move |session| {
            let (ledger, posting) = (ledger.clone(), posting.clone());
            async move {
                let covered = ledger.post(session, &posting).await?.is_some();
                covered.then_some(()).ok_or(Abort::Refused(StockRefusal::Insufficient(Vec::new())))
            }
            .boxed()
        });
        posted.await
    }

    async fn available(&self, name: &str) -> u64 {
        self.ledger.available(&sku(name), soon()).await.unwrap().unwrap()
    }

    async fn sum_of_movements(&self, name: &str) -> i64 {
        let movements = self.ledger.movements(&sku(name), None, 10_000, soon()).await.unwrap();
        movements.iter().map(|movement| movement.delta.get()).sum()
    }
}

fn refusal(outcome: Outcome) -> StockRefusal {
    match outcome.unwrap_err() {
        TransactError::Refused(refusal) => refusal,
        TransactError::Store(error) => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn an_order_takes_all_of_its_lines_or_none() {
    let shop = Shop::open("all_or_none", [("a", 8), ("b", 1), ("c", 0)]).await;
    // `a` covers this order, though not two of them: it must not be reported.
    let refused = refusal(shop.take(OrderId::new(), lines([("a", 5), ("b", 2), ("c", 1)])).await);
    let StockRefusal::Insufficient(shortages) = refused else { panic!("{refused:?}") };
    let short: Vec<_> = shortages.iter().map(|s| (s.sku.as_str(), s.requested, s.available)).collect();
    assert_eq!(short, [("b", 2, 1), ("c", 1, 0)]);
    assert_eq!((shop.available("a").await, shop.available("b").await), (8, 1));
    shop.take(OrderId::new(), lines([("a", 8), ("b", 1)])).await.unwrap();
    assert_eq!((shop.available("a").await, shop.available("b").await), (0, 0));
}

#[tokio::test]
async fn a_sku_without_a_counter_is_named() {
    let shop = Shop::open("unknown", [("a", 8)]).await;
    let refused = refusal(shop.take(OrderId::new(), lines([("a", 1), ("x", 1), ("y", 9)])).await);
    assert_eq!(refused, StockRefusal::UnknownSkus(vec![sku("x"), sku("y")]));
    assert_eq!(shop.ledger.available(&sku("x"), soon()).await.unwrap(), None);
}

#[tokio::test]
async fn returned_stock_can_be_sold_again() {
    let shop = Shop::open("given_back", [("a", 3)]).await;
    let id = OrderId::new();
    shop.take(id, lines([("a", 3)])).await.unwrap();
    let mut posting = Posting::new(primitives::now());
    posting.give_back(id, &lines([("a", 3)]), &Reason::OrderCancelled);
    shop.post(posting).await.unwrap();
    assert_eq!(shop.available("a").await, 3);
    let movements = shop.ledger.movements(&sku("a"), None, 10, soon()).await.unwrap();
    let story: Vec<_> = movements.iter().map(|m| (m.delta.get(), m.reason.clone(), m.order_id)).collect();
    let expected =
        [(3, Reason::OrderCancelled, Some(id)), (-3, Reason::OrderPlaced, Some(id)), (3, Reason::Initial, None)];
    assert_eq!(story, expected);
}

#[tokio::test]
async fn a_posting_is_all_or_nothing_and_nets_returned_stock() {
    let shop = Shop::open("posting", [("a", 3), ("b", 3)]).await;
    let mut posting = Posting::new(primitives::now());
    posting.take(OrderId::new(), &lines([("a", 3), ("b", 2)]));
    posting.take(OrderId::new(), &lines([("b", 2)]));
    assert!(shop.post(posting.clone()).await.is_err());
    assert_eq!((shop.available("a").await, shop.sum_of_movements("a").await), (3, 3));
    posting.give_back(OrderId::new(), &lines([("b", 1)]), &Reason::OrderExpired);
    shop.post(posting).await.unwrap();
    assert_eq!((shop.available("a").await, shop.available("b").await), (0, 0));
    assert_eq!((shop.sum_of_movements("a").await, shop.sum_of_movements("b").await), (0, 0));
    let mut unknown = Posting::new(primitives::now());
    unknown.take(OrderId::new(), &lines([("x", 1)]));
    assert!(shop.post(unknown).await.is_err());
}

#[tokio::test]
async fn movements_come_page_by_page_newest_first() {
    let shop = Shop::open("pages", [("a", 100), ("b", 100)]).await;
    for _ in 0..9 {
        shop.take(OrderId::new(), lines([("a", 1), ("b", 1)])).await.unwrap();
    }
    let mut seen = Vec::new();
    let mut before = None;
    loop {
        let page = shop.ledger.movements(&sku("a"), before, 4, soon()).await.unwrap();
        before = page.last().map(|movement| movement.id);
        seen.extend(page.iter().map(|movement| movement.id));
        if page.len() < 4 {
            break;
        }
    }
    assert_eq!(seen.len(), 10);
    assert!(seen.is_sorted_by(|newer, older| newer > older));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_buyers_never_take_more_than_there_is() {
    let shop = Shop::open("oversell", [("hot", 20), ("cold", 1_000)]).await;
    let buying = (0..64).map(|_| {
        let mut posting = Posting::new(primitives::now());
        posting.take(OrderId::new(), &lines([("cold", 1), ("hot", 1)]));
        shop.post(posting)
    });
    let outcomes = futures::future::join_all(buying).await;
    let sold = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(sold, 20);
    for outcome in outcomes.into_iter().filter(Result::is_err) {
        assert!(matches!(refusal(outcome), StockRefusal::Insufficient(_)));
    }
    assert_eq!((shop.available("hot").await, shop.available("cold").await), (0, 980));
    assert_eq!((shop.sum_of_movements("hot").await, shop.sum_of_movements("cold").await), (0, 980));
}
