//! The template that every outgoing call runs under, and the limiters that protect what is called.

mod deadline;

pub use deadline::{Deadline, Expired};
