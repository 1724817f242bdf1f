//! The purchases, and which of them can be order lines.

use std::path::Path;

use parquet::data_type::{DoubleType, Int64Type, Int96Type};
use primitives::Quantity;
use serde::Serialize;

use super::column::Table;
use super::error::DataError;
use super::wheel::table;

/// A purchase: one line of a receipt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Purchase {
    /// The number of the basket, which is one receipt.
    pub basket: u64,
    /// The number of the household.
    pub household: u32,
    /// The number of the product.
    pub product: u32,
    /// The number of pieces; for fuel, thousandths of a gallon.
    pub quantity: i64,
    /// What the shop was paid for all of them, in dollars.
    pub sales_value: f64,
    /// The time in seconds since 1970, by the shop's clock.
    pub at: i64,
}

/// Why a purchase can't be an order line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum SkipReason {
    /// Nothing was bought.
    QuantityZero,
    /// The shop was paid nothing.
    NoValue,
    /// More than an order line may have ([`Quantity::MAX`]), alone or together with other purchases of the same basket.
    QuantityTooLarge,
}

impl SkipReason {
    /// Every reason.
    pub const ALL: [Self; 3] = [Self::QuantityZero, Self::NoValue, Self::QuantityTooLarge];

    /// The reason as text.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::QuantityZero => "quantity 0",
            Self::NoValue => "no value",
            Self::QuantityTooLarge => "quantity over 100,000",
        }
    }
}

impl Purchase {
    /// The quantity of an order line.
    ///
    /// # Errors
    /// The first reason that applies, in the order of [`SkipReason`].
    pub fn quantity(&self) -> Result<Quantity, SkipReason> {
        if self.quantity <= 0 {
            return Err(SkipReason::QuantityZero);
        }
        // False for NaN too.
        let has_value = self.sales_value > 0.0;
        if !has_value {
            return Err(SkipReason::NoValue);
        }
        let pieces = u32::try_from(self.quantity).map_err(|_| SkipReason::QuantityTooLarge)?;
        Quantity::try_from(pieces).map_err(|_| SkipReason::QuantityTooLarge)
    }
}

/// All 1,469,307 purchases, in time order, in 70 MB of memory.
///
/// # Errors
/// When the wheel can't be read.
pub fn read_purchases(wheel: &Path) -> Result<Vec<Purchase>, DataError> {
    let table = Table::open(table(wheel, "transactions")?)?;
    let narrow = |value: &i64| u32::try_from(*value).ok();
    let baskets = table.values::<Int64Type, _>("basket_id", |value| u64::try_from(*value).ok())?;
    let households = table.values::<Int64Type, _>("household_id", narrow)?;
    let products = table.values::<Int64Type, _>("product_id", narrow)?;
    let quantities = table.values::<Int64Type, _>("quantity", |value| Some(*value))?;
    let values = table.values::<DoubleType, _>("sales_value", |value| Some(*value))?;
    let times = table.values::<Int96Type, _>("transaction_timestamp", |value| Some(value.to_seconds()))?;
    let purchases = (0..baskets.len()).map(|row| {
        Some(Purchase {
            basket: *baskets.get(row)?,
            household: *households.get(row)?,
            product: *products.get(row)?,
            quantity: *quantities.get(row)?,
            sales_value: *values.get(row)?,
            at: *times.get(row)?,
        })
    });
    let purchases: Option<Vec<Purchase>> = purchases.collect();
    purchases.ok_or(DataError::Column { column: "basket_id", problem: "is longer than another" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_distinguished() {
        let purchase =
            |quantity, sales_value| Purchase { basket: 1, household: 1, product: 1, quantity, sales_value, at: 0 };
        assert_eq!(purchase(3, 0.01).quantity().map(Quantity::get), Ok(3));
        assert_eq!(purchase(100_000, 1.0).quantity().map(Quantity::get), Ok(100_000));
        assert_eq!(purchase(0, 0.0).quantity(), Err(SkipReason::QuantityZero));
        assert_eq!(purchase(-1, 1.0).quantity(), Err(SkipReason::QuantityZero));
        assert_eq!(purchase(1, 0.0).quantity(), Err(SkipReason::NoValue));
        assert_eq!(purchase(1, f64::NAN).quantity(), Err(SkipReason::NoValue));
        assert_eq!(purchase(100_001, 1.0).quantity(), Err(SkipReason::QuantityTooLarge));
        assert_eq!(purchase(i64::MAX, 1.0).quantity(), Err(SkipReason::QuantityTooLarge));
    }
}
