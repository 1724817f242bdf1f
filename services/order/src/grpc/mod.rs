//! The gRPC server: protobuf to domain and back.

mod audit;
mod convert;
mod server;

pub(crate) use audit::AuditGrpc;
pub(crate) use server::OrderGrpc;
