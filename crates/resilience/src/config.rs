//! Bounds of numbers in the configuration.

use serde::{Deserialize as _, Deserializer, de::Error as _};

/// Deserializes a whole number from `MIN` to `MAX`; any other is an error. For serde's `deserialize_with`.
pub fn within<'de, const MIN: u64, const MAX: u64, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<u64>,
{
    let number = u64::deserialize(from)?;
    let checked = (MIN..=MAX).contains(&number).then(|| T::try_from(number).ok()).flatten();
    checked.ok_or_else(|| D::Error::custom(format_args!("{number} is not between {MIN} and {MAX}")))
}
