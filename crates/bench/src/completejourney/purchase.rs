//! The lines of the receipts, and which of them can be lines of an order.

use std::path::Path;

use parquet::data_type::{DoubleType, Int64Type, Int96Type};
use primitives::Quantity;
use serde::Serialize;

use super::column::Table;
use super::{DataError, table};

/// A line of a receipt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// The receipt.
    pub basket: u64,
    /// Who bought.
    pub household: u32,
    /// What was bought.
    pub product: u32,
    /// How many; for fuel, thousandths of a gallon.
    pub quantity: i64,
    /// What the shop got for all of them, in dollars.
    pub sales_value: f64,
    /// When, in seconds since 1970, by the shop's clock.
    pub at: i64,
}

/// Why a line of a receipt is no line of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum NoOrder {
    /// Nothing was bought.
    QuantityZero,
    /// The shop got nothing for it.
    NoValue,
    /// More than an order line may ask for ([`Quantity::MAX`]), alone or with other lines of the same basket.
    QuantityTooLarge,
}

impl NoOrder {
    /// Every reason.
    pub const ALL: [Self; 3] = [Self::QuantityZero, Self::NoValue, Self::QuantityTooLarge];

    /// The reason in words.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::QuantityZero => "quantity 0",
            Self::NoValue => "no value",
            Self::QuantityTooLarge => "quantity over 100,000",
        }
    }
}

impl Line {
    /// How many an order would ask for.
    ///
    /// # Errors
    /// The first reason that applies, in the order of [`NoOrder`].
    pub fn quantity(&self) -> Result<Quantity, NoOrder> {
        if self.quantity <= 0 {
            return Err(NoOrder::QuantityZero);
        }
        // What is not a number is no value either.
        let has_value = self.sales_value > 0.0;
        if !has_value {
            return Err(NoOrder::NoValue);
        }
        let pieces = u32::try_from(self.quantity).map_err(|_| NoOrder::QuantityTooLarge)?;
        Quantity::try_from(pieces).map_err(|_| NoOrder::QuantityTooLarge)
    }
}

/// All lines: 1,469,307 of them, in time order, in 70 MB of memory.
///
/// # Errors
/// When the wheel is not what it should be.
pub fn read_lines(wheel: &Path) -> Result<Vec<Line>, DataError> {
    let table = Table::open(table(wheel, "transactions")?)?;
    let narrow = |value: &i64| u32::try_from(*value).ok();
    let baskets = table.values::<Int64Type, _>("basket_id", |value| u64::try_from(*value).ok())?;
    let households = table.values::<Int64Type, _>("household_id", narrow)?;
    let products = table.values::<Int64Type, _>("product_id", narrow)?;
    let quantities = table.values::<Int64Type, _>("quantity", |value| Some(*value))?;
    let values = table.values::<DoubleType, _>("sales_value", |value| Some(*value))?;
    let times = table.values::<Int96Type, _>("transaction_timestamp", |value| Some(value.to_seconds()))?;
    let lines = (0..baskets.len()).map(|row| {
        Some(Line {
            basket: *baskets.get(row)?,
            household: *households.get(row)?,
            product: *products.get(row)?,
            quantity: *quantities.get(row)?,
            sales_value: *values.get(row)?,
            at: *times.get(row)?,
        })
    });
    let lines: Option<Vec<Line>> = lines.collect();
    lines.ok_or(DataError::Column { column: "basket_id", problem: "is longer than another" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_told_apart() {
        let line = |quantity, sales_value| Line { basket: 1, household: 1, product: 1, quantity, sales_value, at: 0 };
        assert_eq!(line(3, 0.01).quantity().map(Quantity::get), Ok(3));
        assert_eq!(line(100_000, 1.0).quantity().map(Quantity::get), Ok(100_000));
        assert_eq!(line(0, 0.0).quantity(), Err(NoOrder::QuantityZero));
        assert_eq!(line(-1, 1.0).quantity(), Err(NoOrder::QuantityZero));
        assert_eq!(line(1, 0.0).quantity(), Err(NoOrder::NoValue));
        assert_eq!(line(1, f64::NAN).quantity(), Err(NoOrder::NoValue));
        assert_eq!(line(100_001, 1.0).quantity(), Err(NoOrder::QuantityTooLarge));
        assert_eq!(line(i64::MAX, 1.0).quantity(), Err(NoOrder::QuantityTooLarge));
    }
}
