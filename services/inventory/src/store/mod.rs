//! The catalogue in MongoDB, and the transactions that write it together with the stock ledger.

mod adjustments;
mod document;
mod imports;
mod prices;
mod products;
mod schema;

use messaging::Outbox;
use mongo::idempotency::Records;
use mongo::{Abort, Db, Policy, duplicate_key_index};
use mongodb::Collection;
use stock::{Ledger, MovementDocument};

use crate::error::InventoryError;
use document::ProductDocument;
pub(crate) use prices::PriceWatch;
pub(crate) use schema::migrations;

const PRODUCTS: &str = "products";

/// The catalogue's store. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    db: Db,
    /// For display: may be read from a secondary while there is no primary.
    shown: Collection<ProductDocument>,
    products: Collection<ProductDocument>,
    pub(crate) ledger: Ledger,
    outbox: Outbox,
    adjustments: Records<MovementDocument>,
}

impl Store {
    pub(crate) fn new(db: &Db, outbox: Outbox) -> Self {
        Self {
            db: db.clone(),
            shown: db.collection(Policy::Shown, PRODUCTS),
            products: db.collection(Policy::Ledger, PRODUCTS),
            ledger: Ledger::new(db),
            outbox,
            adjustments: Records::new(db),
        }
    }
}

fn taken_or(error: mongodb::error::Error) -> Abort<InventoryError> {
    if duplicate_key_index(&error).is_some() { Abort::Refused(InventoryError::SkuTaken) } else { Abort::Driver(error) }
}
