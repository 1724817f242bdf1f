//! The layers around the handlers, one file each. Their order stands in `app.rs`.

mod access_log;
mod authentication;
mod body_limit;
mod compression;
mod cors;
mod envelope;
mod negotiation;
mod recovery;
mod request_id;
mod security_headers;

pub(crate) use access_log::log_access;
pub(crate) use authentication::authenticate;
pub(crate) use body_limit::limit_body;
pub(crate) use compression::{compress_large_only, unmark_uncompressed};
pub(crate) use cors::cors;
pub(crate) use envelope::envelope;
pub(crate) use negotiation::{negotiate, wants_problem};
pub(crate) use recovery::recover;
pub(crate) use request_id::identify;
pub(crate) use security_headers::{secure, set_security_headers};
