//! Products: lists, changes of a version, imports and the watch of prices.

use envelope::Reason;
use proto::common::v1::PageRequest;
use proto::inventory::v1::{
    GetProductRequest, ImportProductsRequest, ImportedProduct, ListProductsRequest, UpdateProductRequest,
    WatchPricesRequest,
};

use crate::world::{World, anyone, dollars, product, reason};

/// The SKUs of a list, page by page.
async fn pages(world: &mut World, category: Option<&str>, name_prefix: Option<&str>, size: u32) -> Vec<Vec<String>> {
    let (mut pages, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListProductsRequest {
            page: Some(PageRequest { page_size: size, page_token }),
            category: category.map(str::to_owned),
            name_prefix: name_prefix.map(str::to_owned),
        };
        let page = world.catalogue.list_products(anyone(request)).await.unwrap().into_inner();
        pages.push(page.products.into_iter().map(|product| product.sku).collect());
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return pages;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered_sorted_and_paged() {
    let mut world = World::start("lists").await;
    for (sku, name, category) in
        [("c", "Tea", "drinks"), ("a", "tea", "drinks"), ("b", "Teapot", "pots"), ("d", "Coffee", "drinks")]
    {
        world.create(sku, name, category).await;
    }
    assert_eq!(pages(&mut world, None, None, 3).await, [vec!["a", "b", "c"], vec!["d"]]);
    assert_eq!(pages(&mut world, Some("drinks"), None, 2).await, [vec!["a", "c"], vec!["d"]]);
    assert_eq!(pages(&mut world, None, Some("TEA"), 1).await.concat(), ["a", "c", "b"]);
    assert_eq!(pages(&mut world, Some("drinks"), Some("tea"), 9).await, [vec!["a", "c"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_applies_only_to_the_expected_version() {
    let mut world = World::start("change").await;
    let created = world.create("a", "Tea", "drinks").await;
    assert_eq!(created.version, 1);
    let change = |sku: &str, expected_version, name: &str| UpdateProductRequest {
        sku: sku.to_owned(),
        expected_version,
        name: Some(name.to_owned()),
        price: Some(dollars(7)),
        ..UpdateProductRequest::default()
    };
    let request = world.admin(change("a", 1, "Green tea"));
    let changed = world.catalogue.update_product(request).await.unwrap().into_inner().product.unwrap();
    assert_eq!((changed.version, changed.name.as_str(), &changed.price), (2, "Green tea", &Some(dollars(7))));
    let request = world.admin(change("a", 1, "Black tea"));
    assert_eq!(reason(world.catalogue.update_product(request).await), Reason::VersionMismatch);
    let request = world.admin(change("b", 1, "Black tea"));
    assert_eq!(reason(world.catalogue.update_product(request).await), Reason::SkuNotFound);
    let request = anyone(change("a", 2, "Black tea"));
    assert_eq!(reason(world.catalogue.update_product(request).await), Reason::Unauthenticated);
    let request = anyone(GetProductRequest { sku: "a".to_owned() });
    assert_eq!(world.catalogue.get_product(request).await.unwrap().into_inner().product, Some(changed));
    // A search finds the product by its new name only.
    assert_eq!(pages(&mut world, None, Some("green"), 9).await, [vec!["a"]]);
    assert_eq!(pages(&mut world, None, Some("tea"), 9).await, [vec![""; 0]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_creates_only_missing_products() {
    let mut world = World::start("import").await;
    world.create("a", "Tea", "drinks").await;
    let import = || {
        let imported = |sku: &str, initial_stock| {
            let product = Some(product(sku, "Imported", "drinks"));
            ImportedProduct { product, initial_stock }
        };
        ImportProductsRequest { products: vec![imported("a", 9), imported("b", 0), imported("c", 7)] }
    };
    for expected in [(2, 1), (0, 3)] {
        let request = world.admin(import());
        let counted = world.catalogue.import_products(request).await.unwrap().into_inner();
        assert_eq!((counted.created, counted.existing), expected);
    }
    let stock = (world.available("a").await, world.available("b").await, world.available("c").await);
    assert_eq!(stock, (0, 0, 7));
    assert_eq!(pages(&mut world, None, Some("imported"), 9).await, [vec!["b", "c"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_returns_all_prices_then_an_empty_page_then_changes() {
    let mut world = World::start("watch").await;
    world.create("a", "Tea", "drinks").await;
    let mut watch = world.catalogue.watch_prices(anyone(WatchPricesRequest {})).await.unwrap().into_inner();
    let all = watch.message().await.unwrap().unwrap().prices;
    assert_eq!(all.iter().map(|price| (price.sku.as_str(), price.version)).collect::<Vec<_>>(), [("a", 1)]);
    assert_eq!(watch.message().await.unwrap().unwrap().prices, []);
    world.create("b", "Coffee", "drinks").await;
    let changed = loop {
        let page = watch.message().await.unwrap().unwrap().prices;
        if !page.is_empty() {
            break page;
        }
    };
    assert_eq!((changed[0].sku.as_str(), &changed[0].price), ("b", &Some(dollars(5))));
}
