//! `[tls]`: the identity of this process, and the peers that it trusts.

use std::path::PathBuf;
use std::time::Duration;

use resilience::within;
use rustls::pki_types::ServerName;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// `[tls]`: mutual TLS between services. The gRPC server accepts only callers with a certificate, and outgoing calls
/// present one. Without this section both are plain. The admin port is always plain.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificates of the trusted authorities, PEM. They should be dedicated to this platform.
    pub ca: PathBuf,
    /// The certificate of this process, PEM, followed by intermediate certificates, if any. It must have the name of
    /// the service, such as `order`, as a DNS name, and be valid for servers and clients.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// The services that may call this one, at least one: the certificate of a caller must have one of these names. By
    /// default every certificate of the authority is accepted.
    #[serde(default, deserialize_with = "callers")]
    pub callers: Option<Vec<ServerName<'static>>>,
    /// How often the files are checked for changes, in ms; 10,000 by default, 10 to 600,000.
    #[serde(default = "default_refresh_ms", deserialize_with = "within::<10, 600_000, _, _>")]
    pub refresh_ms: u64,
}

impl TlsConfig {
    /// The defaults, with these files.
    pub fn new(ca: PathBuf, certificate: PathBuf, key: PathBuf) -> Self {
        Self { ca, certificate, key, callers: None, refresh_ms: default_refresh_ms() }
    }

    pub(super) fn refresh(&self) -> Duration {
        Duration::from_millis(self.refresh_ms)
    }
}

fn default_refresh_ms() -> u64 {
    10_000
}

fn callers<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<ServerName<'static>>>, D::Error> {
    let names = Vec::<String>::deserialize(from)?;
    if names.is_empty() {
        return Err(D::Error::custom("callers must have at least one name"));
    }
    let parse = |name: String| {
        let parsed = ServerName::try_from(name.clone());
        parsed.map_err(|_| D::Error::custom(format_args!("{name:?} in callers is not a DNS name")))
    };
    names.into_iter().map(parse).collect::<Result<_, _>>().map(Some)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn load(more: serde_json::Value) -> Result<TlsConfig, serde_json::Error> {
        let mut section = json!({ "ca": "ca.crt", "certificate": "tls.crt", "key": "tls.key" });
        section.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(section)
    }

    #[test]
    fn values_out_of_bounds_do_not_load() {
        let usual = load(json!({})).unwrap();
        assert_eq!((usual.callers, usual.refresh_ms), (None, 10_000));
        assert_eq!(load(json!({ "callers": ["gateway", "order"] })).unwrap().callers.unwrap().len(), 2);
        for bad in [
            json!({ "callers": [] }),
            json!({ "callers": ["not a name"] }),
            json!({ "refresh_ms": 9 }),
            json!({ "refresh_ms": 600_001 }),
            json!({ "password": "x" }),
        ] {
            assert!(load(bad.clone()).is_err(), "{bad}");
        }
    }
}
