//! Statements and runs in MongoDB.

mod audit;
mod documents;
mod effects;
mod exceptions;
mod names;
mod run_document;
mod runs;
mod schema;
mod statements;

pub use audit::AuditPage;
pub(crate) use exceptions::Exceptions;
pub(crate) use runs::Runs;
pub(crate) use schema::migrations;
pub use statements::Statements;
