//! Adjustments of stock and the list of movements.

use envelope::Reason;
use proto::common::v1::PageRequest;
use proto::inventory::v1::{AdjustStockRequest, GetStockRequest, ListStockMovementsRequest};

use crate::world::{World, anyone, reason};

fn adjustment(sku: &str, delta: i64, key: &str) -> AdjustStockRequest {
    let reason = "inventory count".to_owned();
    AdjustStockRequest { sku: sku.to_owned(), delta, reason, idempotency_key: key.to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adjustment_takes_effect_once_for_each_key() {
    let mut world = World::start("adjust").await;
    world.create("a", "Tea", "drinks").await;
    let request = world.admin(adjustment("a", 10, "k-1"));
    let first = world.stock.adjust_stock(request).await.unwrap().into_inner().movement.unwrap();
    assert_eq!((first.delta, first.reason.as_str(), &first.order_id), (10, "inventory count", &None));
    let request = world.admin(adjustment("a", 10, "k-1"));
    assert_eq!(world.stock.adjust_stock(request).await.unwrap().into_inner().movement, Some(first));
    assert_eq!(world.available("a").await, 10);
    let request = world.admin(adjustment("a", 11, "k-1"));
    assert_eq!(reason(world.stock.adjust_stock(request).await), Reason::IdempotencyKeyReused);
    assert_eq!(reason(world.stock.adjust_stock(anyone(adjustment("a", 1, "k-2"))).await), Reason::Unauthenticated);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_adjustment_names_its_cause_and_changes_nothing() {
    let mut world = World::start("refused").await;
    world.create("a", "Tea", "drinks").await;
    for (sku, delta, expected) in [
        ("a", -1, Reason::InsufficientStock),
        ("b", 1, Reason::SkuNotFound),
        ("a", 0, Reason::ValidationFailed),
        ("a", 1_000_000_001, Reason::ValidationFailed),
    ] {
        let request = world.admin(adjustment(sku, delta, "k"));
        assert_eq!(reason(world.stock.adjust_stock(request).await), expected, "{sku} {delta}");
    }
    assert_eq!(world.available("a").await, 0);
    let unknown = anyone(GetStockRequest { sku: "b".to_owned() });
    assert_eq!(reason(world.stock.get_stock(unknown).await), Reason::SkuNotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn movements_are_listed_newest_first() {
    let mut world = World::start("movements").await;
    world.create("a", "Tea", "drinks").await;
    for delta in 1..=3 {
        let request = world.admin(adjustment("a", delta, &format!("k-{delta}")));
        world.stock.adjust_stock(request).await.unwrap();
    }
    let list = |sku: &str, page_token| {
        let page = Some(PageRequest { page_size: 2, page_token });
        ListStockMovementsRequest { sku: sku.to_owned(), page }
    };
    let request = world.admin(list("a", String::new()));
    let first = world.stock.list_stock_movements(request).await.unwrap().into_inner();
    let request = world.admin(list("a", first.next_page_token));
    let second = world.stock.list_stock_movements(request).await.unwrap().into_inner();
    let deltas = first.movements.iter().chain(&second.movements).map(|movement| movement.delta);
    assert_eq!((deltas.collect::<Vec<_>>(), second.next_page_token.as_str()), (vec![3, 2, 1], ""));
    let request = world.admin(list("b", String::new()));
    assert_eq!(reason(world.stock.list_stock_movements(request).await), Reason::SkuNotFound);
}
