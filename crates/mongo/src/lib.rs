//! MongoDB as Fournines uses it: named policies of read and write concerns, operations bounded by the caller's
//! deadline, transactions that complete even if their request is dropped, idempotency records, versioned migrations and
//! leases.

mod abandoned;
mod config;
mod conflicts;
mod convert;
mod cut;
mod db;
mod error;
pub mod idempotency;
mod lease;
pub mod migration;
mod observe;
pub mod schema;
mod transaction;

pub use config::MongoConfig;
pub use convert::{ConvertError, from_bson_time, from_bson_uuid, to_bson_time, to_bson_uuid, to_i64, to_u64};
pub use cut::{Cut, PAGE, Pages, one_of};
pub use db::{Db, Policy, bounded};
pub use error::{Error, duplicate_key_index};
pub use lease::Lease;
pub use transaction::{Abort, TransactError};
