//! Argon2id (RFC 9106) in a bounded pool: concurrent hashes and waiting requests are limited, and no request waits
//! beyond its deadline. Hashing is slow on purpose: unbounded, a burst of logins would take all memory and every core.

use std::sync::Arc;

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use secrecy::{ExposeSecret as _, SecretString};
use service::Deadline;
use tokio::sync::Semaphore;

use crate::config::PasswordsConfig;
use crate::domain::{Password, PasswordHash};
use crate::error::UserError;

type HashError = argon2::password_hash::Error;

/// Hashes and checks passwords. Cheap to clone; all clones are one pool.
#[derive(Clone)]
pub(crate) struct Passwords {
    argon2: Argon2<'static>,
    /// The hash that passwords of unknown accounts are checked against.
    dummy: PasswordHash,
    /// Permits of requests that hash or wait.
    admitted: Arc<Semaphore>,
    /// Permits of requests that hash.
    hashing: Arc<Semaphore>,
}

impl Passwords {
    /// Computes the dummy hash, which takes as long as any hash.
    ///
    /// # Errors
    /// When Argon2 rejects the parameters.
    pub(crate) fn new(config: &PasswordsConfig) -> Result<Self, HashError> {
        let params = Params::new(config.memory_kib, config.iterations, config.parallelism, None)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        // The dummy's password is random, and a match would be ignored.
        let dummy = hash(&argon2, &rand::random::<[u8; 32]>())?;
        let concurrency = config.concurrency.get();
        Ok(Self {
            argon2,
            dummy,
            admitted: Arc::new(Semaphore::new(concurrency.saturating_add(config.queue).min(Semaphore::MAX_PERMITS))),
            hashing: Arc::new(Semaphore::new(concurrency.min(Semaphore::MAX_PERMITS))),
        })
    }

    /// The hash of a password, with a new salt.
    ///
    /// # Errors
    /// `Overloaded` when the queue is full, `Expired` when the deadline passes.
    pub(crate) async fn hash(&self, password: Password, deadline: Deadline) -> Result<PasswordHash, UserError> {
        let argon2 = self.argon2.clone();
        self.run(deadline, move || hash(&argon2, password.into_secret().expose_secret().as_bytes())).await
    }

    /// Whether the password matches the hash. Without a hash (the account does not exist) the answer is no and takes as
    /// long, so that the time reveals nothing.
    ///
    /// # Errors
    /// As for [`Self::hash`].
    pub(crate) async fn verify(
        &self,
        password: SecretString,
        hash: Option<PasswordHash>,
        deadline: Deadline,
    ) -> Result<bool, UserError> {
        let exists = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.dummy.clone());
        let argon2 = self.argon2.clone();
        let matches = self.run(deadline, move || verify(&argon2, &password, &hash)).await?;
        Ok(matches && exists)
    }

    async fn run<T: Send + 'static>(
        &self,
        deadline: Deadline,
        work: impl FnOnce() -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, UserError> {
        let Ok(admitted) = Arc::clone(&self.admitted).try_acquire_owned() else {
            metrics::counter!("password_hashing_refused_total").increment(1);
            return Err(UserError::Overloaded);
        };
        let hashing = deadline.bound(Arc::clone(&self.hashing).acquire_owned()).await?.map_err(UserError::internal)?;
        // A hash keeps its permits until it is done, even when nobody waits for it any more.
        let hashed = tokio::task::spawn_blocking(move || {
            let _permits = (admitted, hashing);
            work()
        });
        deadline.bound(hashed).await?.map_err(UserError::internal)?.map_err(UserError::internal)
    }
}

fn hash(argon2: &Argon2<'_>, password: &[u8]) -> Result<PasswordHash, HashError> {
    let hash: phc::PasswordHash = argon2.hash_password(password)?;
    Ok(PasswordHash::new(hash.to_string()))
}

fn verify(argon2: &Argon2<'_>, password: &SecretString, hash: &PasswordHash) -> Result<bool, HashError> {
    match argon2.verify_password(password.expose_secret().as_bytes(), hash.expose()) {
        Ok(()) => Ok(true),
        Err(HashError::PasswordInvalid) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::time::Duration;

    use super::*;

    fn passwords(concurrency: usize, queue: usize) -> Passwords {
        let concurrency = NonZeroUsize::new(concurrency).unwrap();
        Passwords::new(&PasswordsConfig { memory_kib: 64, iterations: 1, parallelism: 1, concurrency, queue }).unwrap()
    }

    fn soon() -> Deadline {
        Deadline::after(Duration::from_secs(30))
    }

    fn password(text: &str) -> Password {
        Password::parse(text.into()).unwrap()
    }

    #[tokio::test]
    async fn a_password_matches_only_its_own_hash() {
        let passwords = passwords(1, 1);
        let hash = passwords.hash(password("correct horse"), soon()).await.unwrap();
        assert!(hash.expose().starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
        assert!(passwords.verify("correct horse".into(), Some(hash.clone()), soon()).await.unwrap());
        assert!(!passwords.verify("correct house".into(), Some(hash), soon()).await.unwrap());
        assert!(!passwords.verify("correct horse".into(), None, soon()).await.unwrap());
    }

    #[test]
    fn the_default_parameters_are_those_of_owasp() {
        let passwords = Passwords::new(&PasswordsConfig::default()).unwrap();
        assert!(passwords.dummy.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    }

    #[tokio::test]
    async fn waiting_is_bounded_in_number_and_time() {
        let passwords = passwords(1, 1);
        let hashing = Arc::clone(&passwords.hashing).acquire_owned().await.unwrap();
        let admitted = Arc::clone(&passwords.admitted).acquire_owned().await.unwrap();
        let brief = Deadline::after(Duration::from_millis(10));
        let waited = passwords.hash(password("correct horse"), brief).await;
        assert!(matches!(waited, Err(UserError::Expired(_))));
        let mut waiting = Box::pin(passwords.hash(password("correct horse"), soon()));
        assert!(futures::poll!(&mut waiting).is_pending());
        let refused = passwords.hash(password("correct horse"), soon()).await;
        assert!(matches!(refused, Err(UserError::Overloaded)));
        drop((hashing, admitted));
        assert!(waiting.await.is_ok());
    }
}
