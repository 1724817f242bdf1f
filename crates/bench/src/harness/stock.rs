//! Stocks the products of a fresh database, directly through the driver: an import through the inventory service would
//! take most of a cell's time.

use futures::future::try_join3;
use mongodb::bson::{DateTime, Document, Uuid, doc};
use mongodb::error::Result;
use mongodb::options::{CollectionOptions, WriteConcern};
use mongodb::{Collection, Database};

use super::workload::{Goods, StockedProduct};

/// The initial stock of each product: more than any run can sell, and a tenth of what a counter may hold.
const PIECES: i64 = 100_000_000_000;
/// Documents per insert.
const BATCH: usize = 5_000;

/// Writes products, counters and initial movements, as an import does. The collections' validators check them.
pub(crate) async fn fill(database: &Database, goods: &Goods) -> Result<()> {
    let at = DateTime::now();
    let (products, levels, movements) = (
        collection(database, "products"),
        collection(database, "stock_levels"),
        collection(database, "stock_movements"),
    );
    for batch in goods.products().chunks(BATCH) {
        try_join3(
            insert(&products, batch.iter().map(|new| product(new, at)).collect()),
            insert(&levels, batch.iter().map(|new| doc! { "_id": &new.sku, "available": PIECES }).collect()),
            insert(&movements, batch.iter().map(|new| initial_movement(new, at)).collect()),
        )
        .await?;
    }
    Ok(())
}

async fn insert(collection: &Collection<Document>, documents: Vec<Document>) -> Result<()> {
    collection.insert_many(documents).ordered(false).await.map(drop)
}

fn collection(database: &Database, name: &str) -> Collection<Document> {
    let options = CollectionOptions::builder().write_concern(WriteConcern::majority()).build();
    database.collection_with_options(name, options)
}

fn product(new: &StockedProduct, at: DateTime) -> Document {
    doc! {
        "_id": &new.sku,
        "name": &new.name,
        "category": &new.category,
        "price": new.cents,
        "currency": "USD",
        "searchKey": format!("{}\u{1}{}", new.name.to_lowercase(), new.sku),
        "version": 1_i64,
        "createdAt": at,
        "updatedAt": at,
    }
}

fn initial_movement(new: &StockedProduct, at: DateTime) -> Document {
    doc! { "_id": Uuid::new(), "sku": &new.sku, "delta": PIECES, "reason": "initial", "createdAt": at }
}
