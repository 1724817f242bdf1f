//! The answer of a call that has something to fall back on.

/// An answer that may be second best.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer<T> {
    /// The answer.
    pub value: T,
    /// Whether it is the fallback's, because the peer did not answer.
    pub degraded: bool,
}
