//! Orders over gRPC, as a server and as a client: protobuf to domain and back, nothing else.

pub(crate) mod clients;
mod convert;
mod server;

pub(crate) use server::OrderGrpc;
