//! The keys of copies: the path and query of the request in canonical form. A request in that form finds its copy
//! without being parsed.

use std::fmt::Write as _;

use primitives::Sku;
use proto::inventory::v1::ListProductsRequest;
use service::page;

const PRODUCTS: &str = "/api/v1/products";

/// The key of a product.
pub(crate) fn product_key(sku: &Sku) -> String {
    format!("{PRODUCTS}/{}", sku.as_str())
}

/// The key of a page of the list; default values are omitted.
pub(crate) fn list_key(request: &ListProductsRequest) -> String {
    let mut key = KeyBuilder { key: PRODUCTS.to_owned(), parameters: 0 };
    let ListProductsRequest { page, category, name_prefix } = request;
    key.add("category", category.as_deref());
    key.add("q", name_prefix.as_deref());
    if let Some(page) = page {
        let size = (page.page_size != page::DEFAULT_SIZE).then(|| page.page_size.to_string());
        key.add("pageSize", size.as_deref());
        key.add("pageToken", Some(page.page_token.as_str()).filter(|token| !token.is_empty()));
    }
    key.key
}

struct KeyBuilder {
    key: String,
    parameters: usize,
}

impl KeyBuilder {
    fn add(&mut self, name: &str, value: Option<&str>) {
        let Some(value) = value else { return };
        self.key.push(if self.parameters == 0 { '?' } else { '&' });
        self.parameters += 1;
        self.key.push_str(name);
        self.key.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
                self.key.push(char::from(byte));
            } else {
                // Writing to a string can't fail.
                let _ = write!(self.key, "%{byte:02X}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proto::common::v1::PageRequest;

    use super::*;

    fn key(category: Option<&str>, name_prefix: Option<&str>, page_size: u32, page_token: &str) -> String {
        list_key(&ListProductsRequest {
            page: Some(PageRequest { page_size, page_token: page_token.to_owned() }),
            category: category.map(ToOwned::to_owned),
            name_prefix: name_prefix.map(ToOwned::to_owned),
        })
    }

    #[test]
    fn different_requests_have_different_keys() {
        assert_eq!(key(None, None, 50, ""), "/api/v1/products");
        assert_eq!(key(Some("drinks"), None, 50, ""), "/api/v1/products?category=drinks");
        assert_eq!(
            key(Some("a&q=b"), Some("T\u{e9} a"), 7, "x-_"),
            "/api/v1/products?category=a%26q%3Db&q=T%C3%A9%20a&pageSize=7&pageToken=x-_"
        );
        assert_ne!(key(Some("a"), None, 50, ""), key(None, Some("a"), 50, ""));
        assert_eq!(product_key(&"tea-1".parse().unwrap()), "/api/v1/products/tea-1");
    }
}
