//! The secrets of a local stack: random, created once, in private files. For a developer's machine only; a real
//! deployment has its own.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::Context;
use crate::{Result, files};

/// The e-mail address of the admin that the user service creates at its first start.
pub const ADMIN_EMAIL: &str = "admin@example.com";

/// The prefix of every PKCS#8 Ed25519 private key, before the 32 bytes of the key (RFC 8410, section 7).
const ED25519_PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// The files of the secrets, each with mode 0600.
#[derive(Debug, Clone)]
pub struct Secrets {
    /// The password of [`ADMIN_EMAIL`].
    pub admin_password: PathBuf,
    /// 32 bytes in hex; signs page tokens, the same for all services.
    pub page_tokens: PathBuf,
    /// A PKCS#8 PEM Ed25519 private key; signs access tokens.
    pub token_signing: PathBuf,
    /// The key with which payment authenticates at the card sandbox.
    pub card_api_key: PathBuf,
}

impl Secrets {
    /// Opens the folder and creates missing files.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        files::create_dir(folder)?;
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))
            .context(|| format!("can't make {} private", folder.display()))?;
        let secrets = Self {
            admin_password: folder.join("admin_password"),
            page_tokens: folder.join("page_tokens.key"),
            token_signing: folder.join("token_signing.pem"),
            card_api_key: folder.join("card_api.key"),
        };
        make(&secrets.admin_password, || hex(&rand::random::<[u8; 12]>()))?;
        make(&secrets.page_tokens, || hex(&rand::random::<[u8; 32]>()))?;
        make(&secrets.token_signing, || ed25519_pem(rand::random()))?;
        make(&secrets.card_api_key, || hex(&rand::random::<[u8; 16]>()))?;
        Ok(secrets)
    }

    /// The admin's password.
    ///
    /// # Errors
    /// [`crate::Error::Io`] when the file can't be read.
    pub fn read_admin_password(&self) -> Result<String> {
        let path = &self.admin_password;
        let text = std::fs::read_to_string(path).context(|| format!("can't read {}", path.display()))?;
        Ok(text.trim_end().to_owned())
    }
}

/// Existing keys are kept, so that issued tokens and page tokens survive a restart.
fn make(path: &Path, content: impl FnOnce() -> String) -> Result<()> {
    if path.is_file() {
        return Ok(());
    }
    files::write_atomically(path, content().as_bytes(), 0o600)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn ed25519_pem(key: [u8; 32]) -> String {
    let der = [&ED25519_PKCS8_PREFIX[..], &key].concat();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_private_and_stay_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("secrets");
        let first = Secrets::open(&folder).unwrap().read_admin_password().unwrap();
        let secrets = Secrets::open(&folder).unwrap();
        assert_eq!(secrets.read_admin_password().unwrap(), first);
        for path in [&secrets.admin_password, &secrets.page_tokens, &secrets.token_signing, &secrets.card_api_key] {
            assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(std::fs::read(&secrets.page_tokens).unwrap().len(), 64);
    }

    #[test]
    fn the_signing_key_has_the_form_of_rfc_8410() {
        let pem = ed25519_pem([7; 32]);
        let body = pem.lines().nth(1).unwrap();
        assert_eq!(STANDARD.decode(body).unwrap().len(), 48);
        assert!(body.starts_with("MC4CAQAwBQYDK2VwBCIEI"), "{body}");
    }
}
