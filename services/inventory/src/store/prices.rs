//! All prices, and then their changes: a change stream that is opened before everything is read, so that nothing falls
//! between the two.

use std::time::Duration;

use mongo::{ConvertError, to_u64};
use mongodb::Cursor;
use mongodb::bson::{Document, doc};
use mongodb::change_stream::ChangeStream;
use mongodb::options::FullDocumentType;
use primitives::{Money, Sku};
use serde::Deserialize;
use service::Deadline;

use super::Store;

/// The most prices of a page.
const PAGE: usize = 1_000;
/// How long a change is waited for before it is said that there is none.
const CHANGE_WAIT: Duration = Duration::from_millis(500);
/// How long a page may take, or to open the stream.
const PAGE_TIMEOUT: Duration = Duration::from_secs(10);

/// The price of a product.
#[derive(Debug)]
pub(crate) struct ListedPrice {
    pub(crate) sku: Sku,
    pub(crate) price: Money,
    pub(crate) version: u64,
}

/// Gives all prices, and then their changes.
pub(crate) struct PriceWatch {
    changes: ChangeStream<Change>,
    /// Until all prices have been given.
    all: Option<Cursor<PriceDocument>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    /// Nothing when the product was removed right after its change.
    full_document: Option<PriceDocument>,
}

#[derive(Debug, Deserialize)]
struct PriceDocument {
    #[serde(rename = "_id")]
    sku: String,
    price: i64,
    currency: String,
    version: i64,
}

impl Store {
    /// Begins to watch.
    pub(crate) async fn watch_prices(&self) -> Result<PriceWatch, mongo::Error> {
        let deadline = Deadline::after(PAGE_TIMEOUT);
        let fields = doc! { "price": 1, "currency": 1, "version": 1 };
        let changed = doc! { "operationType": { "$in": ["insert", "update", "replace"] } };
        let nested: Document = ["_id", "price", "currency", "version"]
            .map(|field| (format!("fullDocument.{field}"), 1.into()))
            .into_iter()
            .collect();
        let changes = mongo::bounded(deadline, |_| {
            self.products
                .watch()
                .pipeline([doc! { "$match": changed }, doc! { "$project": nested }])
                .full_document(FullDocumentType::UpdateLookup)
                .max_await_time(CHANGE_WAIT)
        });
        let changes = changes.await?.with_type();
        let all = self.products.clone_with_type::<PriceDocument>();
        let all = mongo::bounded(deadline, |left| all.find(doc! {}).projection(fields).max_time(left)).await?;
        Ok(PriceWatch { changes, all: Some(all) })
    }
}

impl PriceWatch {
    /// The next prices. After the last page of all prices an empty one; later, whenever there was no change for half a
    /// second.
    pub(crate) async fn next_page(&mut self) -> Result<Vec<ListedPrice>, mongo::Error> {
        let page = mongo::bounded(Deadline::after(PAGE_TIMEOUT), |_| self.read_page()).await?;
        Ok(page.into_iter().map(ListedPrice::try_from).collect::<Result<_, _>>()?)
    }

    async fn read_page(&mut self) -> Result<Vec<PriceDocument>, mongodb::error::Error> {
        let Some(all) = &mut self.all else {
            let change = self.changes.next_if_any().await?;
            return Ok(change.and_then(|change| change.full_document).into_iter().collect());
        };
        let mut page = Vec::new();
        while page.len() < PAGE && all.advance().await? {
            page.push(all.deserialize_current()?);
        }
        if page.is_empty() {
            self.all = None;
        }
        Ok(page)
    }
}

impl TryFrom<PriceDocument> for ListedPrice {
    type Error = ConvertError;

    fn try_from(document: PriceDocument) -> Result<Self, ConvertError> {
        let invalid = |_| ConvertError { what: "product" };
        let currency = document.currency.parse().map_err(invalid)?;
        Ok(Self {
            sku: document.sku.parse().map_err(invalid)?,
            price: Money::new(document.price, currency),
            version: to_u64("version", document.version)?,
        })
    }
}
