//! Amounts of money in minor units with their currency; arithmetic can't overflow or mix currencies.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{ParseError, Quantity};

/// An ISO 4217 currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// United States dollar, in cents.
    pub const USD: Self = Self(iso_currency::Currency::USD);

    /// The alphabetic code, such as `USD`.
    pub fn code(self) -> &'static str {
        self.0.code()
    }
}

impl FromStr for Currency {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        iso_currency::Currency::from_code(text).map(Self).ok_or(ParseError("must be an ISO 4217 code such as USD"))
    }
}

impl TryFrom<String> for Currency {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.code().to_owned()
    }
}

/// An amount in minor units (cents for USD). Sums and products are checked: they return `None` rather than overflow or
/// mix currencies.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    amount: i64,
    currency: Currency,
}

impl Money {
    /// An amount in minor units.
    pub const fn new(amount: i64, currency: Currency) -> Self {
        Self { amount, currency }
    }

    /// The amount in minor units.
    pub fn amount(self) -> i64 {
        self.amount
    }

    /// The currency.
    pub fn currency(self) -> Currency {
        self.currency
    }

    /// The sum; `None` if it overflows or the currencies differ.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        if self.currency != other.currency {
            return None;
        }
        self.amount.checked_add(other.amount).map(|amount| Self { amount, ..self })
    }

    /// The price of a quantity at this unit price; `None` if it overflows.
    pub fn checked_mul(self, quantity: Quantity) -> Option<Self> {
        self.amount.checked_mul(i64::from(quantity)).map(|amount| Self { amount, ..self })
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount, self.currency.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_never_overflows_and_never_mixes_currencies() {
        let cents = |amount| Money::new(amount, Currency::USD);
        assert_eq!(cents(1).checked_add(cents(2)), Some(cents(3)));
        assert_eq!(cents(i64::MAX).checked_add(cents(1)), None);
        assert_eq!(cents(1).checked_add(Money::new(1, "EUR".parse().unwrap())), None);
        assert_eq!(cents(i64::MAX / 2).checked_mul(Quantity::try_from(3).unwrap()), None);
    }

    #[test]
    fn only_iso_4217_codes_parse() {
        assert_eq!("USD".parse(), Ok(Currency::USD));
        for bad in ["", "usd", "US", "XXXX", "ABC"] {
            assert!(bad.parse::<Currency>().is_err(), "{bad}");
        }
    }
}
