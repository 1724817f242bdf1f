//! MongoDB as Fournines uses it: concern policies by name, every call bounded by the caller's deadline, transactions
//! that outlive a dropped request, idempotency records, versioned migrations and leases.

mod abandoned;
mod config;
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
pub use cut::{Cut, PAGE};
pub use db::{Db, Policy, bounded};
pub use error::{Error, duplicate_key_index};
pub use lease::Lease;
pub use transaction::{Abort, TransactError};
