//! The public keys of access tokens: fetched from the user service, kept while it is away, and fetched again when a
//! token names a key that is not among them.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use envelope::{Error, Reason};
use jsonwebtoken::DecodingKey;
use proto::user::v1::GetJwksRequest;
use serde::{Deserialize, Serialize};
use service::{Caller, Deadline, OnFailure, Readiness, RequestContext, Shell};
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;
use utoipa::ToSchema;

use crate::auth::token;
use crate::auth::verified::{TokenDigest, VerifiedTokens};
use crate::upstreams::Upstreams;

/// How old keys may get before they are fetched again.
const REFRESH_PERIOD: Duration = Duration::from_secs(5 * 60);
/// The pause after a failed fetch.
const RETRY_PERIOD: Duration = Duration::from_secs(1);
/// How often unknown keys may cause a fetch: anybody can make a token that names one.
const UNKNOWN_KEY_PERIOD: Duration = Duration::from_secs(10);
const FETCH_BUDGET: Duration = Duration::from_secs(2);
/// How long a request waits for the first keys of a gateway that has just started.
const FIRST_KEYS: Duration = Duration::from_secs(2);
/// The most keys that are taken from a key set.
const MAX_KEYS: usize = 32;
const CONDITION: &str = "token_keys";

/// The keys of the moment; one for all workers.
#[derive(Debug)]
pub(crate) struct Keys {
    upstreams: Arc<Upstreams>,
    current: watch::Sender<Option<Arc<KeySet>>>,
    /// When an unknown key last caused a fetch. Holding the lock is the right to fetch.
    last_unknown: Mutex<Option<Instant>>,
}

struct KeySet {
    by_id: HashMap<String, DecodingKey>,
    public: PublicKeys,
    /// What these keys have verified.
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

/// A public key. Whatever else a key set says is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = JsonWebKey)]
struct PublicKey {
    #[schema(pattern = "^OKP$")]
    kty: String,
    #[schema(pattern = "^Ed25519$")]
    crv: String,
    /// The id that tokens name it by.
    kid: String,
    /// The key, base64url.
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
    #[error("the user service gives no keys")]
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

    /// The caller that a token stands for. `UNAVAILABLE` when there was never a key, and none
    /// comes within 2 s.
    pub(crate) async fn verify(&self, token: &str, deadline: Deadline) -> Result<Caller, Error> {
        let keys = self.current();
        let digest = TokenDigest::of(token);
        if let Some(caller) = keys.as_ref().and_then(|keys| keys.verified.get(&digest)) {
            return Ok(caller);
        }
        let key_id = token::key_id(token)?;
        let mut keys = match keys {
            Some(keys) => keys,
            None => self.first(deadline).await.ok_or_else(|| Error::unavailable("no token keys yet"))?,
        };
        if !keys.by_id.contains_key(&key_id) {
            keys = deadline.bound(self.current_with(&key_id, keys)).await?;
        }
        keys.verify(token, &key_id, digest)
    }

    async fn first(&self, deadline: Deadline) -> Option<Arc<KeySet>> {
        let mut changes = self.current.subscribe();
        let waited = deadline.at_most(FIRST_KEYS).bound(changes.wait_for(Option::is_some)).await;
        waited.ok()?.ok()?.clone()
    }

    /// The caller that a token stands for by the keys at hand; nothing for any other token.
    pub(crate) fn recognise(&self, token: &str) -> Option<Caller> {
        let keys = self.current()?;
        let digest = TokenDigest::of(token);
        keys.verified.get(&digest).or_else(|| keys.verify(token, &token::key_id(token).ok()?, digest).ok())
    }

    /// The keys as a document, when there are any.
    pub(crate) fn public(&self) -> Option<PublicKeys> {
        self.current().map(|keys| keys.public.clone())
    }

    /// Fetches the keys and keeps them fresh until the process stops.
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
                tracing::warn!(error = &error as &dyn std::error::Error, "token keys can't be fetched");
                return false;
            }
        }
        true
    }

    /// The keys after a fetch for the sake of an unknown one, when it is time for a fetch. Whoever comes meanwhile
    /// waits for it rather than making another.
    async fn current_with(&self, key_id: &str, known: Arc<KeySet>) -> Arc<KeySet> {
        let mut last = self.last_unknown.lock().await;
        let current = self.current().unwrap_or(known);
        let recent = last.is_some_and(|last| last.elapsed() < UNKNOWN_KEY_PERIOD);
        if current.by_id.contains_key(key_id) || recent {
            return current;
        }
        *last = Some(Instant::now());
        if let Err(error) = self.fetch().await {
            tracing::warn!(error = &error as &dyn std::error::Error, "token keys can't be fetched");
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
    fn verify(&self, token: &str, key_id: &str, digest: TokenDigest) -> Result<Caller, Error> {
        let key = self.by_id.get(key_id).ok_or_else(token::refused)?;
        let verified = token::verify(token, key)?;
        self.verified.insert(digest, verified);
        Ok(verified.caller)
    }
}

/// The public Ed25519 keys of a key set; others are left out.
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
        if let Ok(decoding) = DecodingKey::from_ed_components(&key.x) {
            by_id.insert(key.kid.clone(), decoding);
            public.push(key);
        }
    }
    if public.is_empty() {
        Err(FetchError::Empty)
    } else {
        Ok(KeySet { by_id, public: PublicKeys { keys: public }, verified: VerifiedTokens::new() })
    }
}

/// `UNAVAILABLE`: there are no keys yet.
pub(crate) fn no_keys_yet() -> Error {
    Error::new(Reason::Unavailable, "the keys are not there yet").with_retry_after(RETRY_PERIOD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_ed25519_keys_are_taken_and_shown() {
        let jwks = r#"{"keys": [
            {"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "d": "secret"},
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
