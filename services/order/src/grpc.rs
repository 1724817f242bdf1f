//! Orders over gRPC, as a server and as a client: protobuf to domain and back, nothing else.

mod catalogue;
mod convert;
mod payments;
mod server;

pub(crate) use catalogue::Catalogue;
pub(crate) use payments::Payments;
pub(crate) use server::OrderGrpc;
