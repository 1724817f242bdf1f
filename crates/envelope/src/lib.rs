//! The envelope of every answer and the one registry of error codes. An [`Error`] is what crosses a process
//! boundary: it has one gRPC form ([`Error::into_status`], [`Error::from_status`]) and one JSON form
//! ([`Failure`], [`Problem`]), and nothing internal in either.

mod error;
mod json;
mod reason;
mod status;

pub use error::{Detail, Error};
pub use json::{Failure, Problem, Success};
pub use reason::Reason;
pub use status::{is_unanswered, was_never_sent};
