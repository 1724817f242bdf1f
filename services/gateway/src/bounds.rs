//! Bounds of values. Texts are measured in characters, tokens in bytes. The services enforce the same bounds or wider
//! ones.

/// The largest amount in a request, in minor units: 10¹².
pub(crate) const MAX_AMOUNT: i64 = 1_000_000_000_000;
/// The largest quantity that one stock adjustment adds or removes.
pub(crate) const MAX_DELTA: i64 = 1_000_000_000;
pub(crate) const MAX_ADJUSTMENT_REASON: usize = 200;
pub(crate) const MIN_USER_NAME: usize = 2;
pub(crate) const MAX_USER_NAME: usize = 100;
/// As in RFC 5321.
pub(crate) const MAX_EMAIL: usize = 254;
pub(crate) const MIN_PASSWORD: usize = 8;
pub(crate) const MAX_PASSWORD: usize = 128;
pub(crate) const MAX_REFRESH_TOKEN: usize = 512;
pub(crate) const MAX_CARD_TOKEN: usize = 255;
pub(crate) const MAX_PRODUCT_NAME: usize = 200;
pub(crate) const MAX_CATEGORY: usize = 100;
pub(crate) const MAX_DESCRIPTION: usize = 2_000;
/// The longest accepted page token; ours are far shorter. They are base64url, without padding.
pub(crate) const MAX_PAGE_TOKEN_LENGTH: usize = 2_048;
