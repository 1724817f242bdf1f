//! Page tokens: opaque list cursors, signed with HMAC-SHA-256 (RFC 2104), so that a token that was not issued for the
//! same list is refused instead of returning a wrong page.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use envelope::{Error, Reason};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::ExposeSecret as _;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::config::{self, ConfigError};

/// The default number of items on a page.
pub const DEFAULT_SIZE: u32 = 50;
/// The most items on a page.
pub const MAX_SIZE: u32 = 200;

/// The lifetime of a token.
const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// The length of the signature in bytes: a whole SHA-256.
const SIGNATURE_LENGTH: usize = 32;
/// The least length of a key in bytes.
const MIN_KEY_LENGTH: usize = 32;

/// `[page_tokens]`: the key that page tokens are signed with.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageTokensConfig {
    /// A file with at least 32 bytes of secret text, the same for all replicas.
    pub key_file: PathBuf,
}

/// Issues and opens page tokens.
#[derive(Clone)]
pub struct PageTokens {
    key: Hmac<Sha256>,
}

#[derive(Serialize, Deserialize)]
struct Payload<C> {
    #[serde(rename = "t")]
    issued_at_seconds: i64,
    #[serde(rename = "c")]
    cursor: C,
}

impl PageTokens {
    /// Reads the key file.
    pub fn from_config(config: &PageTokensConfig) -> Result<Self, ConfigError> {
        let too_short = || ConfigError::Secret {
            path: config.key_file.clone(),
            source: std::io::Error::new(std::io::ErrorKind::InvalidData, "it needs at least 32 bytes"),
        };
        let secret = config::read_secret(&config.key_file)?;
        Self::new(secret.expose_secret().as_bytes()).ok_or_else(too_short)
    }

    /// Uses this key; `None` if it is shorter than 32 bytes.
    pub fn new(key: &[u8]) -> Option<Self> {
        (key.len() >= MIN_KEY_LENGTH).then(|| Hmac::new_from_slice(key).ok()).flatten().map(|key| Self { key })
    }

    /// Issues a token for the page after `cursor`. It is valid only for `list`, the name of the list and its filters.
    pub fn issue<C: Serialize>(&self, list: &str, cursor: &C) -> Result<String, Error> {
        self.issue_at(list, cursor, primitives::now().as_second())
    }

    fn issue_at<C: Serialize>(&self, list: &str, cursor: &C, issued_at_seconds: i64) -> Result<String, Error> {
        let mut bytes = serde_json::to_vec(&Payload { issued_at_seconds, cursor }).map_err(Error::internal)?;
        let signature = self.sign(list, &bytes).finalize().into_bytes();
        bytes.extend_from_slice(&signature);
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Opens a token for `list` and returns its cursor; `None` for the first page.
    ///
    /// # Errors
    /// `INVALID_PAGE_TOKEN` if the token is forged, of another list, or older than 24 hours.
    pub fn open<C: DeserializeOwned>(&self, list: &str, token: &str) -> Result<Option<C>, Error> {
        if token.is_empty() {
            return Ok(None);
        }
        let refused = || Error::new(Reason::InvalidPageToken, "the page token is not valid for this list");
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| refused())?;
        let split = bytes.len().checked_sub(SIGNATURE_LENGTH).ok_or_else(refused)?;
        let (payload, signature) = bytes.split_at(split);
        self.sign(list, payload).verify_slice(signature).map_err(|_| refused())?;
        let payload: Payload<C> = serde_json::from_slice(payload).map_err(|_| refused())?;
        let age_seconds = primitives::now().as_second() - payload.issued_at_seconds;
        if u64::try_from(age_seconds).is_ok_and(|age| age <= LIFETIME.as_secs()) {
            Ok(Some(payload.cursor))
        } else {
            Err(refused())
        }
    }

    /// Makes a page of at most `size` items from up to `size` + 1 that were read, with the token of the next page,
    /// which is empty if there is none.
    pub fn paginate<T, C: Serialize>(
        &self,
        list: &str,
        mut items: Vec<T>,
        size: u32,
        cursor: impl FnOnce(&T) -> C,
    ) -> Result<(Vec<T>, String), Error> {
        let size = usize::try_from(size).map_err(Error::internal)?;
        if items.len() <= size {
            return Ok((items, String::new()));
        }
        items.truncate(size);
        let token = items.last().map(|last| self.issue(list, &cursor(last))).transpose()?.unwrap_or_default();
        Ok((items, token))
    }

    fn sign(&self, list: &str, payload: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.key.clone();
        // The length separates list and payload.
        mac.update(&(list.len() as u64).to_be_bytes());
        mac.update(list.as_bytes());
        mac.update(payload);
        mac
    }
}

/// The number of items on a page: 1 to 200, and 50 when 0 is asked for.
pub fn size(requested: u32) -> Result<u32, Error> {
    match requested {
        0 => Ok(DEFAULT_SIZE),
        1..=MAX_SIZE => Ok(requested),
        _ => Err(Error::invalid("pageSize", "must be 1 to 200")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> PageTokens {
        PageTokens::new(&[7; 32]).unwrap()
    }

    #[test]
    fn a_token_opens_its_own_list_only() {
        let token = tokens().issue("orders/u1", &("a", 1)).unwrap();
        assert_eq!(tokens().open("orders/u1", &token).unwrap(), Some(("a".to_owned(), 1)));
        assert!(tokens().open::<(String, i32)>("orders/u2", &token).is_err());
        assert!(PageTokens::new(&[8; 32]).unwrap().open::<(String, i32)>("orders/u1", &token).is_err());
        assert_eq!(tokens().open::<(String, i32)>("orders/u1", "").unwrap(), None);
    }

    #[test]
    fn any_changed_character_is_noticed() {
        let token = tokens().issue("orders", &"cursor").unwrap();
        for at in 0..token.len() {
            let mut forged = token.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            assert!(tokens().open::<String>("orders", &forged).is_err(), "{at}");
        }
        for garbage in ["x", "====", "ä", &"A".repeat(10_000)] {
            assert!(tokens().open::<String>("orders", garbage).is_err());
        }
    }

    #[test]
    fn a_stale_token_is_refused() {
        let day_and_a_bit = primitives::now().as_second() - 24 * 60 * 60 - 60;
        let token = tokens().issue_at("orders", &"cursor", day_and_a_bit).unwrap();
        assert!(tokens().open::<String>("orders", &token).is_err());
    }

    #[test]
    fn short_keys_are_refused() {
        assert!(PageTokens::new(&[7; 31]).is_none());
    }
}
