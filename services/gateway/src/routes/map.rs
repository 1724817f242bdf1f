//! Maps a path to its endpoints. The router does so too, but only behind all layers, and by trying one regular
//! expression after the other; the layers need the result earlier and cheaper.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::endpoint::Resource;
use crate::routes::table::endpoints;

/// The resources of the table, in the order of their paths.
pub(super) fn resources() -> &'static [Resource] {
    static RESOURCES: LazyLock<Vec<Resource>> = LazyLock::new(|| {
        let mut resources: Vec<Resource> = Vec::new();
        for endpoint in endpoints() {
            match resources.iter_mut().find(|resource| resource.pattern == endpoint.path) {
                Some(resource) => resource.endpoints.push(endpoint),
                None => resources.push(Resource { pattern: endpoint.path, endpoints: vec![endpoint] }),
            }
        }
        resources.sort_by_key(|resource| resource.pattern);
        resources
    });
    &RESOURCES
}

/// The resource of a path, which must be percent-decoded as the router does it.
pub(super) fn find(path: &str) -> Option<&'static Resource> {
    static FIXED: LazyLock<HashMap<&'static str, &'static Resource>> =
        LazyLock::new(|| resources().iter().map(|resource| (resource.pattern, resource)).collect());
    static PARAMETRIZED: LazyLock<Vec<&'static Resource>> =
        LazyLock::new(|| resources().iter().filter(|resource| resource.pattern.contains('{')).collect());
    let fixed = FIXED.get(path).filter(|resource| !resource.pattern.contains('{')).copied();
    fixed.or_else(|| PARAMETRIZED.iter().find(|resource| matches(resource.pattern, path)).copied())
}

/// A parameter matches any non-empty segment.
fn matches(pattern: &str, path: &str) -> bool {
    let (mut expected, mut found) = (pattern.split('/'), path.split('/'));
    loop {
        match (expected.next(), found.next()) {
            (None, None) => return true,
            (Some(part), Some(text)) if part.starts_with('{') && !text.is_empty() => {}
            (Some(part), Some(text)) if part == text => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_endpoint_is_found_by_its_path() {
        for endpoint in endpoints() {
            let path = endpoint.path.replace("{id}", "0190").replace("{sku}", "a-b.c");
            let resource = find(&path).unwrap();
            assert_eq!(resource.pattern, endpoint.path);
            assert!(resource.endpoints.iter().any(|found| std::ptr::eq(*found, endpoint)));
        }
    }

    #[test]
    fn other_paths_are_not_found() {
        for path in [
            "",
            "/",
            "/api/v1/products/",
            "/api/v1/products//stock",
            "/api/v1/products/tea/stock/",
            "/api/v1/products/{sku}/x",
            "//api/v1/products",
            "/api/v1/Products",
            "/api/v1/orders/1/2",
        ] {
            assert!(find(path).is_none(), "{path}");
        }
        assert_eq!(find("/api/v1/products/{sku}").unwrap().pattern, "/api/v1/products/{sku}");
    }
}
