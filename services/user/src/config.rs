//! The configuration of the user service.

use std::num::{NonZeroU16, NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use mongo::MongoConfig;
use serde::Deserialize;
use service::config::ServerConfig;
use service::page::PageTokensConfig;

service::process_config! {
    /// The configuration of the user service.
    pub struct Config {
        /// The gRPC server.
        pub server: ServerConfig,
        /// The database.
        pub mongo: MongoConfig,
        /// The key of page tokens.
        pub page_tokens: PageTokensConfig,
        /// The keys and lifetimes of tokens.
        pub tokens: TokensConfig,
        /// Password hashing.
        #[serde(default)]
        pub passwords: PasswordsConfig,
        /// The limits of failed logins.
        #[serde(default)]
        pub throttle: ThrottleConfig,
        /// The audit log of logins.
        #[serde(default)]
        pub audit: AuditConfig,
        /// The first administrator; without this section none is created.
        pub bootstrap: Option<BootstrapConfig>,
    }
}

/// `[tokens]`: access and refresh tokens.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokensConfig {
    /// A PEM file with the Ed25519 private key (PKCS#8 version 1, as `openssl genpkey -algorithm ed25519` writes it),
    /// the same for all replicas.
    pub signing_key_file: PathBuf,
    /// PEM files with other public keys (SPKI) whose tokens are accepted. To rotate: list the new public key here on
    /// all replicas, then make it the signing key and list the old one, then, after the lifetime of an access token,
    /// remove the old one.
    #[serde(default)]
    pub previous_public_key_files: Vec<PathBuf>,
    /// The lifetime of an access token, in seconds; 900. A user who logs out or loses a role keeps the rights of the
    /// token for this long.
    #[serde(default = "default_access_lifetime_seconds")]
    pub access_lifetime_seconds: NonZeroU32,
    /// The lifetime of a refresh token, in days; 30. Each refresh issues a new one, so this is the longest time between
    /// two visits of a user who stays logged in.
    #[serde(default = "default_refresh_lifetime_days")]
    pub refresh_lifetime_days: NonZeroU16,
}

impl TokensConfig {
    pub(crate) fn refresh_lifetime(&self) -> Duration {
        days(self.refresh_lifetime_days)
    }
}

fn default_access_lifetime_seconds() -> NonZeroU32 {
    const { NonZeroU32::new(15 * 60).unwrap() }
}

fn default_refresh_lifetime_days() -> NonZeroU16 {
    const { NonZeroU16::new(30).unwrap() }
}

/// `[passwords]`: Argon2id, with the parameters that OWASP's password storage cheat sheet recommends.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PasswordsConfig {
    /// Memory of one hash, in KiB; 19,456. A change applies to new passwords; old hashes keep their parameters.
    pub memory_kib: u32,
    /// Passes over the memory; 2.
    pub iterations: u32,
    /// Lanes of one hash; 1.
    pub parallelism: u32,
    /// The most hashes computed at once; 2. Each takes a core for tens of ms, and its memory.
    pub concurrency: NonZeroUsize,
    /// The most requests that wait for a hash; 64. More are refused with `OVERLOADED`.
    pub queue: usize,
}

impl Default for PasswordsConfig {
    fn default() -> Self {
        Self {
            memory_kib: 19_456,
            iterations: 2,
            parallelism: 1,
            concurrency: const { NonZeroUsize::new(2).unwrap() },
            queue: 64,
        }
    }
}

/// `[throttle]`: limits of failed logins. They are counted in the database, so that replicas share the counts and
/// restarts keep them. A window begins with its first attempt.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ThrottleConfig {
    /// Failures of one account in its window, whether the account exists or not; 10.
    pub account_limit: NonZeroU32,
    /// The window of an account, in seconds; 900.
    pub account_window_seconds: NonZeroU32,
    /// Failures from one client address (an IPv6 /64) in its window; 100, since a whole office may share one address.
    pub address_limit: NonZeroU32,
    /// The window of an address, in seconds; 900.
    pub address_window_seconds: NonZeroU32,
}

impl Default for ThrottleConfig {
    fn default() -> Self {
        const QUARTER_OF_AN_HOUR: NonZeroU32 = NonZeroU32::new(15 * 60).unwrap();
        Self {
            account_limit: const { NonZeroU32::new(10).unwrap() },
            account_window_seconds: QUARTER_OF_AN_HOUR,
            address_limit: const { NonZeroU32::new(100).unwrap() },
            address_window_seconds: QUARTER_OF_AN_HOUR,
        }
    }
}

/// `[audit]`: the audit log of logins, written asynchronously.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditConfig {
    /// The most records that wait to be written; 1,024. More are dropped and counted.
    pub queue: NonZeroUsize,
    /// How long a record is kept, in days; 90.
    pub retention_days: NonZeroU16,
}

impl AuditConfig {
    pub(crate) fn retention(&self) -> Duration {
        days(self.retention_days)
    }
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self {
            queue: const { NonZeroUsize::new(1_024).unwrap() },
            retention_days: const { NonZeroU16::new(90).unwrap() },
        }
    }
}

/// `[bootstrap]`: an administrator, created at the start unless a user has this email. An existing user is not changed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootstrapConfig {
    /// The email to log in with.
    pub admin_email: String,
    /// A file with the first password, 8 to 128 characters.
    pub admin_password_file: PathBuf,
}

fn days(days: NonZeroU16) -> Duration {
    Duration::from_secs(u64::from(days.get()) * 24 * 60 * 60)
}
