//! Entity tags for conditional requests (RFC 9110, section 13): versions and digests.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use envelope::Error;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// Data with a version.
pub(crate) trait Versioned {
    fn version(&self) -> u64;
}

/// The entity tag of a version, such as `"v3"`.
pub(crate) fn version_tag(version: u64) -> String {
    format!("\"v{version}\"")
}

/// The version in `If-Match`: exactly one strong tag. `*` is rejected: it would change a version that the client has
/// not seen.
pub(crate) fn parse_version_tag(text: &str) -> Result<u64, Error> {
    let digits = text.strip_prefix("\"v").and_then(|rest| rest.strip_suffix('"'));
    let version = digits.and_then(|digits| digits.parse().ok());
    // Comparing the text rejects signs and leading zeros.
    version
        .filter(|&version| version_tag(version) == text)
        .ok_or_else(|| Error::invalid("If-Match", "must be one entity tag of the form \"v1\""))
}

/// The entity tag of data without a version: its digest.
pub(crate) fn digest_tag(data: &impl Serialize) -> Result<String, Error> {
    let bytes = serde_json::to_vec(data).map_err(Error::internal)?;
    Ok(format!("\"{}\"", URL_SAFE_NO_PAD.encode(Sha256::digest(&bytes))))
}

/// Whether `If-None-Match` names this tag, by weak comparison.
pub(crate) fn is_match(if_none_match: &str, tag: &str) -> bool {
    if_none_match.trim() == "*"
        || if_none_match.split(',').map(str::trim).any(|listed| listed.strip_prefix("W/").unwrap_or(listed) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_strong_tag_is_a_version() {
        assert_eq!(parse_version_tag("\"v12\"").unwrap(), 12);
        for bad in [
            "*",
            "v1",
            "\"1\"",
            "W/\"v1\"",
            "\"v1\", \"v2\"",
            "\"v01\"",
            "\"v+1\"",
            "\"v-1\"",
            "\"v\"",
            "",
            "\"v18446744073709551616\"",
        ] {
            assert!(parse_version_tag(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn tags_are_compared_weakly() {
        for matching in ["\"v1\"", "W/\"v1\"", "\"v0\", \"v1\"", "*"] {
            assert!(is_match(matching, "\"v1\""), "{matching}");
        }
        for other in ["\"v2\"", "v1", ""] {
            assert!(!is_match(other, "\"v1\""), "{other}");
        }
    }
}
