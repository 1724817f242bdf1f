//! The envelope of every response, and the registry of error codes. Errors cross process boundaries only as [`Error`],
//! which has a gRPC form ([`Error::into_status`], [`Error::from_status`]) and a JSON form ([`Failure`], [`Problem`]).
//! Neither exposes internal details.

mod error;
mod json;
mod reason;
mod status;

pub use error::{Detail, Error};
pub use json::{Failure, Problem, Success};
pub use reason::Reason;
pub use status::{is_unanswered, was_never_sent};
