//! Calls to other services: domain to protobuf and back.

mod catalogue;
mod payments;
mod prices;
mod risk;

pub(crate) use catalogue::Catalogue;
pub(crate) use payments::{Payments, Uncharged};
pub(crate) use risk::RiskService;
