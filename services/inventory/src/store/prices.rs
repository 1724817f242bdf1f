//! Reads all prices and then their changes. The change stream is opened before the prices are read, so that no change
//! is missed in between.

use std::time::Duration;

use mongo::{ConvertError, to_u64};
use mongodb::Cursor;
use mongodb::bson::{Document, doc};
use mongodb::change_stream::ChangeStream;
use mongodb::options::FullDocumentType;
use primitives::Money;
use serde::Deserialize;
use service::Deadline;

use super::Store;
use crate::domain::ListedPrice;

/// The maximum number of prices in a page.
const PAGE: usize = 1_000;
/// How long to wait for a change before returning an empty page.
const CHANGE_WAIT: Duration = Duration::from_millis(500);
/// The time limit for a page, and for opening the stream.
const PAGE_TIMEOUT: Duration = Duration::from_secs(10);

/// Returns all prices and then their changes.
pub(crate) struct PriceWatch {
    changes: ChangeStream<Change>,
    /// `None` once all prices have been returned.
    all: Option<Cursor<PriceDocument>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    /// `None` if the product was removed right after its change.
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
    /// Opens a watch.
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
    /// The next page of prices. An empty page follows the last of all prices, and later each half second without a
    /// change.
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
