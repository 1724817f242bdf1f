//! The gRPC server: protobuf to domain and back.

mod reconciliations;
mod statements;

pub(crate) use reconciliations::ReconciliationGrpc;
pub(crate) use statements::StatementGrpc;
