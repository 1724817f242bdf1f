//! What this service does, one use case a file.

mod compare;
mod heal;
mod reconcile;
mod runs;
mod statements;

pub(crate) use reconcile::Reconciler;
pub(crate) use runs::RunsApp;
pub(crate) use statements::{Days, StatementsApp};
