//! Maps a path to its endpoints. The router does so too, but only behind all layers, and by trying one regular
//! expression after the other; the layers need the result earlier and cheaper.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::endpoint::Endpoint;
use crate::routes::endpoints;

/// A path of the table, and what can be done there.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) pattern: &'static str,
    pub(super) calls: Vec<&'static Endpoint>,
}

/// The table by path, in the order of the paths.
pub(super) fn places() -> &'static [Place] {
    static PLACES: LazyLock<Vec<Place>> = LazyLock::new(|| {
        let mut places: Vec<Place> = Vec::new();
        for endpoint in endpoints() {
            match places.iter_mut().find(|place| place.pattern == endpoint.path) {
                Some(place) => place.calls.push(endpoint),
                None => places.push(Place { pattern: endpoint.path, calls: vec![endpoint] }),
            }
        }
        places.sort_by_key(|place| place.pattern);
        places
    });
    &PLACES
}

/// The place of a path, whose percent-encoding has been undone as the router does it.
pub(super) fn find(path: &str) -> Option<&'static Place> {
    static FIXED: LazyLock<HashMap<&'static str, &'static Place>> =
        LazyLock::new(|| places().iter().map(|place| (place.pattern, place)).collect());
    static OPEN: LazyLock<Vec<&'static Place>> =
        LazyLock::new(|| places().iter().filter(|place| place.pattern.contains('{')).collect());
    let fixed = FIXED.get(path).filter(|place| !place.pattern.contains('{')).copied();
    fixed.or_else(|| OPEN.iter().find(|place| fits(place.pattern, path)).copied())
}

/// A parameter matches any non-empty segment.
fn fits(pattern: &str, path: &str) -> bool {
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
            let place = find(&path).unwrap();
            assert_eq!(place.pattern, endpoint.path);
            assert!(place.calls.iter().any(|call| std::ptr::eq(*call, endpoint)));
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
