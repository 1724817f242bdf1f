//! Content negotiation: the API responds in JSON, so requests that do not accept it are rejected before any effect.

use actix_web::http::header::{self, HeaderMap};

const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";

/// Whether the request accepts JSON.
pub(crate) fn takes_json(headers: &HeaderMap) -> bool {
    quality(headers, JSON).max(quality(headers, PROBLEM)) > 0
}

/// Whether the request names problem details, with a quality of at least that of plain JSON.
pub(crate) fn wants_problem(headers: &HeaderMap) -> bool {
    let named = ranges(headers).any(|(range, _)| range.eq_ignore_ascii_case(PROBLEM));
    let problem = quality(headers, PROBLEM);
    named && problem > 0 && problem >= quality(headers, JSON)
}

/// The quality of a media type in thousandths, by RFC 9110, section 12.5.1: the most specific range decides. Without
/// `Accept`, every type is acceptable.
fn quality(headers: &HeaderMap, media_type: &str) -> u16 {
    if !headers.contains_key(header::ACCEPT) {
        return 1_000;
    }
    let specificity = |range: &str| match range {
        "*/*" => Some(0),
        "application/*" => Some(1),
        _ if range.eq_ignore_ascii_case(media_type) => Some(2),
        _ => None,
    };
    let fitting = ranges(headers).filter_map(|(range, quality)| Some((specificity(range)?, quality)));
    fitting.max().map_or(0, |(_, quality)| quality)
}

/// The media ranges in `Accept`, each with its quality in thousandths.
fn ranges(headers: &HeaderMap) -> impl Iterator<Item = (&str, u16)> {
    let values = headers.get_all(header::ACCEPT).filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|entry| {
        let mut parts = entry.split(';').map(str::trim);
        let range = parts.next().unwrap_or_default();
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        (range, weight.map_or(1_000, thousandths))
    })
}

/// A malformed weight counts as 0.
fn thousandths(weight: &str) -> u16 {
    let (whole, fraction) = weight.split_once('.').unwrap_or((weight, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return 0;
    }
    match whole {
        "1" => 1_000,
        "0" => format!("{fraction:0<3}").parse().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn accept(value: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static(value));
        headers
    }

    #[test]
    fn the_most_specific_range_decides() {
        for taken in [
            "*/*",
            "application/json",
            "text/html, */*;q=0.1",
            "application/*",
            "application/problem+json",
            "application/json;q=0.001",
            "Application/JSON",
        ] {
            assert!(takes_json(&accept(taken)), "{taken}");
        }
        for not_taken in [
            "text/html",
            "application/xml",
            "*/*;q=0",
            "application/json;q=0, application/*;q=0",
            "",
            "application/json;q=0, application/problem+json;q=0, */*",
        ] {
            assert!(!takes_json(&accept(not_taken)), "{not_taken}");
        }
        assert_eq!(quality(&HeaderMap::new(), JSON), 1_000);
    }

    #[test]
    fn problem_details_must_be_named() {
        for wanted in [
            "application/problem+json",
            "application/json, application/problem+json",
            "application/json;q=0.5, application/problem+json",
        ] {
            assert!(wants_problem(&accept(wanted)), "{wanted}");
        }
        for other in [
            "*/*",
            "application/json",
            "application/json, application/problem+json;q=0.5",
            "application/problem+json;q=0",
        ] {
            assert!(!wants_problem(&accept(other)), "{other}");
        }
    }
}
