//! Orders over gRPC, as a server and as a client: protobuf to domain and back, nothing else.

mod audit;
mod catalogue;
mod convert;
mod payments;
mod risk;
mod server;

pub(crate) use audit::AuditGrpc;
pub(crate) use catalogue::Catalogue;
pub(crate) use payments::{Payments, Uncharged};
pub(crate) use risk::RiskService;
pub(crate) use server::OrderGrpc;
