//! The number of pieces in an order line.

use serde::{Deserialize, Serialize};

use crate::ParseError;

/// A number of pieces: 1 to 100,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Quantity(u32);

impl Quantity {
    /// The maximum number of pieces in an order line.
    pub const MAX: u32 = 100_000;

    /// The number of pieces.
    pub fn get(self) -> u32 {
        self.0
    }

    /// The sum; `None` above [`Quantity::MAX`].
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).and_then(|sum| Self::try_from(sum).ok())
    }
}

impl TryFrom<u32> for Quantity {
    type Error = ParseError;

    fn try_from(pieces: u32) -> Result<Self, ParseError> {
        if (1..=Self::MAX).contains(&pieces) { Ok(Self(pieces)) } else { Err(ParseError("must be 1 to 100000")) }
    }
}

impl From<Quantity> for u32 {
    fn from(quantity: Quantity) -> Self {
        quantity.0
    }
}

impl From<Quantity> for i64 {
    fn from(quantity: Quantity) -> Self {
        i64::from(quantity.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parsing_and_adding_keep_the_bounds() {
        assert!(Quantity::try_from(0).is_err());
        assert!(Quantity::try_from(100_001).is_err());
        let most = Quantity::try_from(Quantity::MAX).unwrap();
        let one = Quantity::try_from(1).unwrap();
        assert_eq!(most.checked_add(one), None);
        assert_eq!(one.checked_add(one).map(Quantity::get), Some(2));
    }
}
