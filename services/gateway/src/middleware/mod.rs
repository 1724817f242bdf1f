//! The layers between the outermost one and the handlers. `app.rs` defines their order.

mod admission;
mod compression;
mod cors;
mod envelope;
mod negotiation;
mod recovery;

pub(crate) use admission::admit;
pub(crate) use compression::COMPRESS_FROM;
pub(crate) use cors::{allow_origin, cors};
pub(crate) use envelope::envelope;
pub(crate) use negotiation::{takes_json, wants_problem};
pub(crate) use recovery::recover;
