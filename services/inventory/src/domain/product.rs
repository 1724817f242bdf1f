//! A product of the catalogue.

use envelope::Detail;
use jiff::Timestamp;
use primitives::{Currency, Money, Sku};

const MAX_NAME_CHARS: usize = 200;
const MAX_CATEGORY_CHARS: usize = 100;
const MAX_DESCRIPTION_CHARS: usize = 2_000;
/// 10¹² minor units.
const MAX_PRICE: i64 = 1_000_000_000_000;

/// A product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Product {
    pub(crate) sku: Sku,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) category: String,
    pub(crate) price: Money,
    /// Starts at 1; each change adds 1.
    pub(crate) version: u64,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// A checked request to create a product.
#[derive(Debug, Clone)]
pub(crate) struct NewProduct {
    pub(crate) sku: Sku,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) category: String,
    pub(crate) price: Money,
}

/// A checked change of a product; fields that are `None` stay as they are.
#[derive(Debug, Clone, Default)]
pub(crate) struct ProductChange {
    pub(crate) name: Option<String>,
    /// `Some(None)` removes the description.
    pub(crate) description: Option<Option<String>>,
    pub(crate) category: Option<String>,
    pub(crate) price: Option<Money>,
}

/// Why a product was not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChangeRefusal {
    NotFound,
    /// The product has changed since the version that the caller has seen.
    VersionMismatch,
}

impl ChangeRefusal {
    /// A change applies only to the version that the caller has seen. `current` is the product after the change did not
    /// apply.
    pub(crate) fn of(current: Option<&Product>) -> Self {
        if current.is_some() { Self::VersionMismatch } else { Self::NotFound }
    }
}

impl NewProduct {
    /// Checks all fields and reports all violations together.
    pub(crate) fn check(
        sku: &str,
        name: &str,
        description: Option<&str>,
        category: &str,
        price: Money,
        shop: Currency,
    ) -> Result<Self, Vec<Detail>> {
        let mut wrong = Vec::new();
        let sku = sku.parse::<Sku>().map_err(|error| wrong.push(violation("sku", &error.to_string())));
        let description = description.map(str::trim).filter(|text| !text.is_empty());
        let change = ProductChange::check(Some(name), description, Some(category), Some(price), shop)
            .map_err(|more| wrong.extend(more));
        match (sku, change) {
            (Ok(sku), Ok(ProductChange { name: Some(name), description, category: Some(category), .. })) => {
                Ok(Self { sku, name, description: description.flatten(), category, price })
            }
            _ => Err(wrong),
        }
    }

    /// The product in its first version.
    pub(crate) fn into_product(self, at: Timestamp) -> Product {
        Product {
            sku: self.sku,
            name: self.name,
            description: self.description,
            category: self.category,
            price: self.price,
            version: 1,
            created_at: at,
            updated_at: at,
        }
    }
}

impl ProductChange {
    /// Checks the given fields and reports all violations together.
    pub(crate) fn check(
        name: Option<&str>,
        description: Option<&str>,
        category: Option<&str>,
        price: Option<Money>,
        shop: Currency,
    ) -> Result<Self, Vec<Detail>> {
        let mut wrong = Vec::new();
        let mut text = |field, text: &str, max_chars| {
            let text = text.trim();
            if !(1..=max_chars).contains(&text.chars().count()) || text.chars().any(char::is_control) {
                let rule = format!("must be 1 to {max_chars} characters without control characters");
                wrong.push(violation(field, &rule));
            }
            text.to_owned()
        };
        let change = Self {
            name: name.map(|name| text("name", name, MAX_NAME_CHARS)),
            category: category.map(|category| text("category", category, MAX_CATEGORY_CHARS)),
            description: description.map(|text| Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
            price,
        };
        let long = |text: &String| text.chars().count() > MAX_DESCRIPTION_CHARS;
        if change.description.as_ref().and_then(Option::as_ref).is_some_and(long) {
            wrong.push(violation("description", &format!("must be at most {MAX_DESCRIPTION_CHARS} characters")));
        }
        if price.is_some_and(|price| !(1..=MAX_PRICE).contains(&price.amount())) {
            wrong.push(violation("price.amount", "must be 1 to 10^12 minor units"));
        }
        if price.is_some_and(|price| price.currency() != shop) {
            wrong.push(violation("price.currency", &format!("must be {}", shop.code())));
        }
        if wrong.is_empty() { Ok(change) } else { Err(wrong) }
    }
}

fn violation(field: &str, description: &str) -> Detail {
    Detail::Field { field: field.to_owned(), description: description.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sku: &str, name: &str, category: &str, amount: i64, currency: &str) -> Result<NewProduct, Vec<Detail>> {
        let price = Money::new(amount, currency.parse().unwrap());
        NewProduct::check(sku, name, None, category, price, Currency::USD)
    }

    #[test]
    fn all_violations_are_reported_together() {
        assert!(check("a", "A", "c", 1, "USD").is_ok());
        assert_eq!(check("a b", " ", "c\n1", 0, "EUR").unwrap_err().len(), 5);
        assert_eq!(check("a", "A", "c", MAX_PRICE + 1, "USD").unwrap_err().len(), 1);
        assert_eq!(check("a", &"x".repeat(201), "c", -1, "USD").unwrap_err().len(), 2);
    }

    #[test]
    fn a_change_is_refused_for_another_version_or_for_a_missing_product() {
        let product = check("a", "A", "c", 1, "USD").unwrap().into_product(primitives::now());
        assert_eq!(product.version, 1);
        assert_eq!(ChangeRefusal::of(Some(&product)), ChangeRefusal::VersionMismatch);
        assert_eq!(ChangeRefusal::of(None), ChangeRefusal::NotFound);
    }

    #[test]
    fn an_empty_description_removes_it() {
        let change = ProductChange::check(None, Some(" "), None, None, Currency::USD).unwrap();
        assert_eq!(change.description, Some(None));
    }
}
