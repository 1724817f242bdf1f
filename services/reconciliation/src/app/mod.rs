//! The use cases, one a file.

mod compare;
mod reconcile;
mod runs;
mod statements;

pub(crate) use reconcile::{Dependencies, Reconciler};
pub(crate) use runs::RunsApp;
pub(crate) use statements::{DayFilter, StatementsApp};
