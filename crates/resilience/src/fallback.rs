//! The answer of a call that has a fallback.

/// An answer of the peer or of the fallback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer<T> {
    /// The answer.
    pub value: T,
    /// Whether it is from the fallback, because the peer did not answer.
    pub degraded: bool,
}
