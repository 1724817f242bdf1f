//! Runs of the reconciliation: daily, on demand, and of recent changes every few seconds.

mod complete;
mod dependencies;
mod events;
mod full;
mod heal;
mod incremental;
mod lease;
mod reconciler;
mod report;

pub(crate) use dependencies::Dependencies;
pub(crate) use reconciler::Reconciler;
