//! Protobuf to domain and back: what is served, and what is asked of other services.

mod books;
mod reconciliations;
mod statements;

pub(crate) use books::Books;
pub(crate) use reconciliations::ReconciliationGrpc;
pub(crate) use statements::Grpc as StatementGrpc;
