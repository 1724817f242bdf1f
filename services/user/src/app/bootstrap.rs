//! Makes the first administrator, as soon as the database is there.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use mongo::Db;
use secrecy::SecretString;
use service::config::read_secret;
use service::{Deadline, OnFailure, Role, Shell};
use tokio::time::MissedTickBehavior;

use super::App;
use crate::config::BootstrapConfig;
use crate::domain::{DisplayName, Email, Password, Registration};
use crate::error::UserError;
use crate::store;

const CONDITION: &str = "bootstrap";
const NAME: &str = "Administrator";
/// How often it is tried, and how long a try may take.
const PERIOD: Duration = Duration::from_secs(2);

/// The administrator to be made.
#[derive(Clone)]
pub(crate) struct Bootstrap {
    name: DisplayName,
    email: Email,
    password: SecretString,
}

impl Bootstrap {
    /// Reads and checks what the configuration names.
    pub(crate) fn from_config(config: &BootstrapConfig) -> anyhow::Result<Self> {
        let email = Email::parse(&config.admin_email).context("[bootstrap] admin_email")?;
        let password = read_secret(&config.admin_password_file)?;
        Password::parse(password.clone()).context("[bootstrap] the password in admin_password_file")?;
        Ok(Self { name: DisplayName::parse(NAME)?, email, password })
    }

    /// Tries until it is done; the process is not ready before.
    pub(crate) fn start(self, shell: &Shell, app: Arc<App>, db: Db) {
        shell.readiness.set(CONDITION, false);
        let readiness = shell.readiness.clone();
        let stop = shell.tasks.stop_signal();
        shell.tasks.spawn("bootstrap", OnFailure::Stop, async move {
            let mut tries = tokio::time::interval(PERIOD);
            tries.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while stop.run_until_cancelled(tries.tick()).await.is_some() {
                match self.ensure(&app, &db, Deadline::after(PERIOD)).await {
                    Ok(()) => {
                        readiness.set(CONDITION, true);
                        break;
                    }
                    Err(error) => tracing::warn!(?error, "the administrator can't be made yet"),
                }
            }
            Ok::<(), Infallible>(())
        });
    }

    async fn ensure(&self, app: &App, db: &Db, deadline: Deadline) -> Result<(), UserError> {
        // Without the unique index, two replicas would make two.
        if let Some(missing) = mongo::migration::pending(db, store::MIGRATIONS, deadline).await?.first() {
            return Err(UserError::internal(format!("the migration {:?} is missing", missing.name)));
        }
        if app.users.find_login(&self.email, deadline).await?.is_some() {
            return Ok(());
        }
        let password = Password::parse(self.password.clone()).map_err(UserError::internal)?;
        let registration = Registration { name: self.name.clone(), email: self.email.clone(), password };
        match app.add_user(registration, Role::Admin, deadline).await {
            Ok(user) => tracing::info!(user_id = %user.id, "the administrator was made"),
            Err(UserError::EmailTaken) => {} // another replica was faster
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
