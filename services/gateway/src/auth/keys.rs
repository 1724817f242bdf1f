//! The public keys of access tokens: fetched from the user service, kept while it is unavailable, and fetched again
//! when a token names an unknown key.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::VerifyingKey;
use envelope::{Error, Reason};
use proto::user::v1::GetJwksRequest;
use serde::{Deserialize, Serialize};
use service::{Caller, Deadline, OnFailure, Readiness, RequestContext, Shell};
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;
use utoipa::ToSchema;

use crate::auth::jws::Unverified;
use crate::auth::token;
use crate::auth::verified::{TokenDigest, VerifiedTokens};
use crate::upstreams::Upstreams;

/// How often keys are refreshed.
const REFRESH_PERIOD: Duration = Duration::from_secs(5 * 60);
/// The delay after a failed fetch.
const RETRY_PERIOD: Duration = Duration::from_secs(1);
/// How often unknown keys may trigger a fetch: anybody can forge a token that names one.
const UNKNOWN_KEY_PERIOD: Duration = Duration::from_secs(10);
const FETCH_BUDGET: Duration = Duration::from_secs(2);
/// How long a request waits for the first keys after start-up.
const FIRST_KEYS: Duration = Duration::from_secs(2);
/// The maximum number of keys taken from a key set.
const MAX_KEYS: usize = 32;
const CONDITION: &str = "token_keys";

/// The current keys, shared by all workers.
#[derive(Debug)]
pub(crate) struct Keys {
    upstreams: Arc<Upstreams>,
    current: watch::Sender<Option<Arc<KeySet>>>,
    /// When an unknown key last triggered a fetch. The holder of the lock may fetch.
    last_unknown: Mutex<Option<Instant>>,
}

struct KeySet {
    by_id: HashMap<String, VerifyingKey>,
    public: PublicKeys,
    /// The tokens that these keys have verified.
    verified: VerifiedTokens,
}

impl std::fmt::Debug for KeySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.by_id.keys()).finish()
    }
}

/// A JSON Web Key Set (RFC 7517) with public Ed25519 keys (RFC 8037).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = JsonWebKeySet)]
pub(crate) struct PublicKeys {
    keys: Vec<PublicKey>,
}

/// A public key. Other members are dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = JsonWebKey)]
struct PublicKey {
    #[schema(pattern = "^OKP$")]
    kty: String,
    #[schema(pattern = "^Ed25519$")]
    crv: String,
    /// The key id, as in the header of tokens.
    kid: String,
    /// The public key, 32 bytes in base64url.
    x: String,
    #[serde(rename = "use", default = "for_signatures")]
    #[schema(pattern = "^sig$")]
    usage: String,
    #[serde(default = "eddsa")]
    #[schema(pattern = "^EdDSA$")]
    alg: String,
}

fn for_signatures() -> String {
    "sig".to_owned()
}

fn eddsa() -> String {
    "EdDSA".to_owned()
}

#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("the user service did not return keys")]
    Call(#[from] Error),
    #[error("the key set is not valid")]
    Json(#[from] serde_json::Error),
    #[error("the key set has no usable key")]
    Empty,
}

impl Keys {
    pub(crate) fn new(upstreams: Arc<Upstreams>) -> Self {
        Self { upstreams, current: watch::Sender::new(None), last_unknown: Mutex::new(None) }
    }

    /// Verifies a token and returns its caller. `UNAVAILABLE` if no keys have been fetched yet and none arrive within 2
    /// s.
    pub(crate) async fn verify(&self, token: &str, deadline: Deadline) -> Result<Caller, Error> {
        let keys = self.current();
        let digest = TokenDigest::of(token);
        if let Some(caller) = keys.as_ref().and_then(|keys| keys.verified.get(&digest)) {
            return Ok(caller);
        }
        let token = token::parse(token)?;
        let mut keys = match keys {
            Some(keys) => keys,
            None => self
                .first(deadline)
                .await
                .ok_or_else(|| Error::unavailable("the token keys have not been fetched yet"))?,
        };
        if !keys.by_id.contains_key(token.key_id()) {
            keys = deadline.bound(self.current_with(token.key_id(), keys)).await?;
        }
        keys.verify(&token, digest)
    }

    async fn first(&self, deadline: Deadline) -> Option<Arc<KeySet>> {
        let mut changes = self.current.subscribe();
        let waited = deadline.at_most(FIRST_KEYS).bound(changes.wait_for(Option::is_some)).await;
        waited.ok()?.ok()?.clone()
    }

    /// The caller of a token that is valid by the current keys; never waits for a fetch.
    pub(crate) fn recognise(&self, token: &str) -> Option<Caller> {
        let keys = self.current()?;
        let digest = TokenDigest::of(token);
        keys.verified.get(&digest).or_else(|| keys.verify(&token::parse(token).ok()?, digest).ok())
    }

    /// The key set as a document, once it has been fetched.
    pub(crate) fn public(&self) -> Option<PublicKeys> {
        self.current().map(|keys| keys.public.clone())
    }

    /// Fetches the keys and refreshes them until the process stops.
    pub(crate) fn keep_fresh(self: &Arc<Self>, shell: &Shell) {
        shell.readiness.set(CONDITION, false);
        let (keys, readiness, stop) = (Arc::clone(self), shell.readiness.clone(), shell.tasks.stop_signal());
        shell.tasks.spawn("token-keys", OnFailure::Stop, async move {
            let mut pause = Duration::ZERO;
            while stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
                pause = if keys.refresh(&readiness).await { REFRESH_PERIOD } else { RETRY_PERIOD };
            }
            Ok::<(), Infallible>(())
        });
    }

    async fn refresh(&self, readiness: &Readiness) -> bool {
        match self.fetch().await {
            Ok(()) => readiness.set(CONDITION, true),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "failed to fetch token keys");
                return false;
            }
        }
        true
    }

    /// Fetches the keys for an unknown one, unless such a fetch was recent. Concurrent callers wait for one fetch
    /// instead of making their own.
    async fn current_with(&self, key_id: &str, known: Arc<KeySet>) -> Arc<KeySet> {
        let mut last = self.last_unknown.lock().await;
        let current = self.current().unwrap_or(known);
        let recent = last.is_some_and(|last| last.elapsed() < UNKNOWN_KEY_PERIOD);
        if current.by_id.contains_key(key_id) || recent {
            return current;
        }
        *last = Some(Instant::now());
        if let Err(error) = self.fetch().await {
            tracing::warn!(error = &error as &dyn std::error::Error, "failed to fetch token keys");
        }
        self.current().unwrap_or(current)
    }

    async fn fetch(&self) -> Result<(), FetchError> {
        let services = self.upstreams.under(RequestContext::internal(FETCH_BUDGET));
        let response = services.get_jwks(GetJwksRequest {}).await?;
        let keys = Arc::new(parse(&response.into_inner().jwks)?);
        tracing::debug!(?keys, "token keys fetched");
        self.current.send_replace(Some(keys));
        Ok(())
    }

    fn current(&self) -> Option<Arc<KeySet>> {
        self.current.borrow().clone()
    }
}

impl KeySet {
    fn verify(&self, token: &Unverified<'_>, digest: TokenDigest) -> Result<Caller, Error> {
        let key = self.by_id.get(token.key_id()).ok_or_else(token::refused)?;
        let verified = token::verify(token, key)?;
        self.verified.insert(digest, verified);
        Ok(verified.caller)
    }
}

/// The public Ed25519 keys of a key set; others are dropped.
fn parse(jwks: &str) -> Result<KeySet, FetchError> {
    #[derive(Deserialize)]
    struct Document {
        keys: Vec<serde_json::Value>,
    }
    let document: Document = serde_json::from_str(jwks)?;
    let listed = document.keys.into_iter().take(MAX_KEYS).filter_map(|key| serde_json::from_value(key).ok());
    let mut by_id = HashMap::new();
    let mut public = Vec::new();
    for key in listed.filter(|key: &PublicKey| key.kty == "OKP" && key.crv == "Ed25519" && key.alg == "EdDSA") {
        if let Some(verifying) = verifying_key(&key.x) {
            by_id.insert(key.kid.clone(), verifying);
            public.push(key);
        }
    }
    if public.is_empty() {
        Err(FetchError::Empty)
    } else {
        Ok(KeySet { by_id, public: PublicKeys { keys: public }, verified: VerifiedTokens::new() })
    }
}

/// The key in the `x` of a JSON Web Key: 32 bytes in base64url.
fn verifying_key(x: &str) -> Option<VerifyingKey> {
    let bytes = URL_SAFE_NO_PAD.decode(x).ok()?;
    VerifyingKey::from_bytes(&bytes.try_into().ok()?).ok()
}

/// `UNAVAILABLE`: no keys have been fetched yet.
pub(crate) fn no_keys_yet() -> Error {
    Error::new(Reason::Unavailable, "the token keys have not been fetched yet").with_retry_after(RETRY_PERIOD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_public_parts_of_ed25519_keys_are_kept() {
        let jwks = r#"{"keys": [
            {"kty": "OKP", "crv": "Ed25519", "kid": "a", "d": "secret",
                "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
            {"kty": "OKP", "crv": "Ed25519", "kid": "short", "x": "11qYAYKxCrfVS_7TyWQH"},
            {"kty": "OKP", "crv": "X25519", "kid": "exchange", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
            {"kty": "RSA", "kid": "b", "n": "AQAB", "e": "AQAB"},
            {"kty": "oct", "kid": "c", "k": "AQAB"}
        ]}"#;
        let keys = parse(jwks).unwrap();
        assert_eq!(keys.by_id.keys().collect::<Vec<_>>(), ["a"]);
        assert!(!serde_json::to_string(&keys.public).unwrap().contains("secret"));
        for bad in ["", "{}", r#"{"keys": []}"#, r#"{"keys": [{"kty": "OKP"}]}"#] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
