//! Idempotent creation of collections, validators and indexes.

use mongodb::bson::{Document, doc};
use mongodb::error::ErrorKind;
use mongodb::options::{IndexOptions, ValidationAction, ValidationLevel};
use mongodb::{Database, IndexModel};

const NAMESPACE_EXISTS: i32 = 48;

/// Creates a collection whose documents must match the `$jsonSchema`, or sets the schema of an existing one.
pub async fn collection(database: &Database, name: &str, json_schema: Document) -> mongodb::error::Result<()> {
    let validator = doc! { "$jsonSchema": json_schema };
    let made = database
        .create_collection(name)
        .validator(validator.clone())
        .validation_level(ValidationLevel::Strict)
        .validation_action(ValidationAction::Error)
        .await;
    match made {
        Err(error) if matches!(&*error.kind, ErrorKind::Command(command) if command.code == NAMESPACE_EXISTS) => {
            let change = doc! {
                "collMod": name, "validator": validator, "validationLevel": "strict", "validationAction": "error",
            };
            database.run_command(change).await.map(drop)
        }
        other => other,
    }
}

/// Creates indexes; existing ones with the same name and definition are kept.
pub async fn indexes(
    database: &Database,
    collection: &str,
    models: impl IntoIterator<Item = IndexModel>,
) -> mongodb::error::Result<()> {
    #[allow(clippy::disallowed_methods)] // indexes have no read or write concern
    let collection = database.collection::<Document>(collection);
    collection.create_indexes(models).await.map(drop)
}

/// An index.
pub fn index(name: &str, keys: Document) -> IndexModel {
    model(keys, IndexOptions::builder().name(name.to_owned()).build())
}

/// A unique index.
pub fn unique(name: &str, keys: Document) -> IndexModel {
    model(keys, IndexOptions::builder().name(name.to_owned()).unique(true).build())
}

/// An index of the documents that match `filter`.
pub fn partial(name: &str, keys: Document, filter: Document) -> IndexModel {
    model(keys, IndexOptions::builder().name(name.to_owned()).partial_filter_expression(filter).build())
}

/// A unique index of the documents that match `filter`.
pub fn partial_unique(name: &str, keys: Document, filter: Document) -> IndexModel {
    let options = IndexOptions::builder().name(name.to_owned()).unique(true).partial_filter_expression(filter);
    model(keys, options.build())
}

/// A TTL index: documents are removed at the time in `field`.
pub fn ttl(name: &str, field: &str) -> IndexModel {
    let at_that_time = std::time::Duration::ZERO;
    model(doc! { field: 1 }, IndexOptions::builder().name(name.to_owned()).expire_after(at_that_time).build())
}

/// The same for the documents that fit `filter`.
pub fn partial_ttl(name: &str, field: &str, filter: Document) -> IndexModel {
    let at_that_time = std::time::Duration::ZERO;
    let options = IndexOptions::builder().name(name.to_owned()).expire_after(at_that_time);
    model(doc! { field: 1 }, options.partial_filter_expression(filter).build())
}

fn model(keys: Document, options: IndexOptions) -> IndexModel {
    IndexModel::builder().keys(keys).options(options).build()
}
