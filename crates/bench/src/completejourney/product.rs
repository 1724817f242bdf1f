//! The products, with a name and a category for the catalogue.

use std::path::Path;

use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};

use super::column::Table;
use super::error::DataError;
use super::wheel::table;

/// The longest name that the catalogue accepts, in characters.
const MAX_NAME_CHARS: usize = 200;
/// The longest category that the catalogue accepts, in characters.
const MAX_CATEGORY_CHARS: usize = 100;

/// A product of the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// Its number in the data.
    pub id: u32,
    /// Such as `GROCERY`; never empty.
    pub department: String,
    /// Such as `FRZN ICE`.
    pub category: Option<String>,
    /// Such as `ICE - CRUSHED/CUBED`.
    pub kind: Option<String>,
    /// Such as `22 LB`.
    pub package_size: Option<String>,
}

/// The SKU of a product of the data, such as `cj-1082185`.
#[must_use]
pub fn sku(product: u32) -> String {
    format!("cj-{product}")
}

impl Product {
    /// The name: the kind, else the category or department, and the package size. 1 to 200 characters.
    #[must_use]
    pub fn name(&self) -> String {
        let kind = self.kind.as_ref().or(self.category.as_ref()).unwrap_or(&self.department);
        let name = match &self.package_size {
            Some(size) => format!("{kind}, {size}"),
            None => kind.clone(),
        };
        name.chars().take(MAX_NAME_CHARS).collect()
    }

    /// The category for the catalogue: `department/category`, or the department alone. 1 to 100 characters.
    #[must_use]
    pub fn shelf(&self) -> String {
        let shelf = match &self.category {
            Some(category) => format!("{}/{category}", self.department),
            None => self.department.clone(),
        };
        shelf.chars().take(MAX_CATEGORY_CHARS).collect()
    }
}

/// All 92,331 products, in the order of the data.
///
/// # Errors
/// When the wheel can't be read.
pub fn read_products(wheel: &Path) -> Result<Vec<Product>, DataError> {
    let table = Table::open(table(wheel, "products")?)?;
    let ids = table.values::<Int64Type, _>("product_id", |value| u32::try_from(*value).ok())?;
    let mut departments = table.values::<ByteArrayType, _>("department", text)?.into_iter();
    let mut categories = table.optional_values::<ByteArrayType, _>("product_category", text)?.into_iter();
    let mut kinds = table.optional_values::<ByteArrayType, _>("product_type", text)?.into_iter();
    let mut sizes = table.optional_values::<ByteArrayType, _>("package_size", text)?.into_iter();
    let products = ids.into_iter().map(|id| {
        Some(Product {
            id,
            department: departments.next()?,
            category: categories.next()?,
            kind: kinds.next()?,
            package_size: sizes.next()?,
        })
    });
    let products: Option<Vec<Product>> = products.collect();
    products.ok_or(DataError::Column { column: "product_id", problem: "is longer than another" })
}

/// A text without surrounding white space and control characters; `None` when nothing is left.
fn text(value: &ByteArray) -> Option<String> {
    let text: String = value.as_utf8().ok()?.chars().filter(|c| !c.is_control()).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_always_has_a_name_and_a_shelf() {
        let mut product = Product {
            id: 1,
            department: "GROCERY".into(),
            category: Some("FRZN ICE".into()),
            kind: Some("ICE".into()),
            package_size: Some("22 LB".into()),
        };
        assert_eq!((product.name().as_str(), product.shelf().as_str()), ("ICE, 22 LB", "GROCERY/FRZN ICE"));
        product.kind = None;
        assert_eq!(product.name(), "FRZN ICE, 22 LB");
        (product.category, product.package_size) = (None, None);
        assert_eq!((product.name().as_str(), product.shelf().as_str()), ("GROCERY", "GROCERY"));
        product.department = "x".repeat(300);
        assert_eq!((product.name().len(), product.shelf().len()), (200, 100));
    }

    #[test]
    fn texts_are_cleaned() {
        assert_eq!(text(&ByteArray::from(" a\u{0}b\n ")), Some("ab".into()));
        assert_eq!(text(&ByteArray::from(" \t")), None);
        assert_eq!(text(&ByteArray::from(vec![0xff, 0xfe])), None);
    }
}
