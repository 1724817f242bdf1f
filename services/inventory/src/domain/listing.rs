//! Lists of products: filters, and the order that pages follow.

use primitives::Sku;

use super::Product;

/// The products that a list shows.
#[derive(Debug, Clone, Default)]
pub(crate) struct ProductFilter {
    pub(crate) category: Option<String>,
    /// A prefix of the name, compared without regard to case.
    pub(crate) name_prefix: Option<String>,
}

/// The key that a list is sorted by. It is unique for each product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListKey {
    Sku,
    /// [`name_key`].
    Name,
}

/// The keys of a page and of those after it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Range {
    /// Keys above this one.
    pub(crate) above: Option<String>,
    /// Keys from this one on.
    pub(crate) from: Option<String>,
    /// Keys below this one.
    pub(crate) below: Option<String>,
}

/// The key of searches by name: the name in lower case, made unique by the SKU so that a page can begin after any
/// product even if many share a name.
pub(crate) fn name_key(name: &str, sku: &Sku) -> String {
    format!("{}\u{1}{sku}", name.to_lowercase())
}

impl ProductFilter {
    /// Searches by name are sorted by name, other lists by SKU.
    pub(crate) fn key(&self) -> ListKey {
        if self.name_prefix.is_some() { ListKey::Name } else { ListKey::Sku }
    }

    /// The key of a product: the cursor of the page after it.
    pub(crate) fn key_of(&self, product: &Product) -> String {
        match self.key() {
            ListKey::Name => name_key(&product.name, &product.sku),
            ListKey::Sku => product.sku.as_str().to_owned(),
        }
    }

    /// The keys that match, from the first page on or after a cursor.
    pub(crate) fn range(&self, after: Option<&str>) -> Range {
        let above = after.map(str::to_owned);
        let Some(prefix) = self.name_prefix.as_deref().map(str::to_lowercase) else {
            return Range { above, ..Range::default() };
        };
        let below = Some(format!("{prefix}{}", char::MAX));
        // A cursor matches the prefix, so it is the higher of the two bounds.
        let from = above.is_none().then_some(prefix);
        Range { above, from, below }
    }
}

#[cfg(test)]
mod tests {
    use primitives::{Currency, Money};

    use super::*;
    use crate::domain::NewProduct;

    fn product(sku: &str, name: &str) -> Product {
        let price = Money::new(5, Currency::USD);
        NewProduct::check(sku, name, None, "c", price, Currency::USD).unwrap().into_product(primitives::now())
    }

    fn contains(range: &Range, key: &str) -> bool {
        range.above.as_deref().is_none_or(|above| key > above)
            && range.from.as_deref().is_none_or(|from| key >= from)
            && range.below.as_deref().is_none_or(|below| key < below)
    }

    /// The SKUs of a list, page by page.
    fn pages(filter: &ProductFilter, products: &[Product], size: usize) -> Vec<Vec<String>> {
        let mut after = None;
        let mut pages = Vec::new();
        loop {
            let range = filter.range(after.as_deref());
            let mut matching: Vec<_> = products
                .iter()
                .map(|product| (filter.key_of(product), product.sku.to_string()))
                .filter(|(key, _)| contains(&range, key))
                .collect();
            matching.sort();
            matching.truncate(size);
            let Some((last, _)) = matching.last() else { return pages };
            after = Some(last.clone());
            pages.push(matching.into_iter().map(|(_, sku)| sku).collect());
        }
    }

    #[test]
    fn a_list_without_a_prefix_is_sorted_by_sku() {
        let products = [product("c", "A"), product("a", "B"), product("b", "C")];
        let listed = pages(&ProductFilter::default(), &products, 2);
        assert_eq!(listed, [vec!["a".to_owned(), "b".to_owned()], vec!["c".to_owned()]]);
        assert_eq!(ProductFilter::default().key(), ListKey::Sku);
    }

    #[test]
    fn a_search_by_name_ignores_case_and_pages_through_equal_names() {
        let names = [("1", "Tea"), ("2", "tea"), ("3", "TEAPOT"), ("4", "Te"), ("5", "Team tea"), ("6", "Coffee")];
        let products = names.map(|(sku, name)| product(sku, name));
        let filter = ProductFilter { name_prefix: Some("tEa".to_owned()), ..ProductFilter::default() };
        assert_eq!(filter.key(), ListKey::Name);
        assert_eq!(pages(&filter, &products, 1).concat(), ["1", "2", "5", "3"]);
        assert_eq!(pages(&filter, &products, 9).concat(), ["1", "2", "5", "3"]);
    }
}
