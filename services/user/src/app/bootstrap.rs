//! Creates the first administrator as soon as the database is available.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use secrecy::SecretString;
use service::config::read_secret;
use service::{Deadline, OnFailure, Role, Shell};
use tokio::time::MissedTickBehavior;

use super::App;
use crate::config::BootstrapConfig;
use crate::domain::{DisplayName, Email, Password, Registration};
use crate::error::UserError;
use crate::store::Schema;

const CONDITION: &str = "bootstrap";
const NAME: &str = "Administrator";
/// The interval between attempts, and the time limit of each.
const PERIOD: Duration = Duration::from_secs(2);

/// The administrator to create.
#[derive(Clone)]
pub(crate) struct Bootstrap {
    name: DisplayName,
    email: Email,
    password: SecretString,
}

impl Bootstrap {
    /// Reads and validates the configured email and password.
    pub(crate) fn from_config(config: &BootstrapConfig) -> anyhow::Result<Self> {
        let email = Email::parse(&config.admin_email).context("[bootstrap] admin_email")?;
        let password = read_secret(&config.admin_password_file)?;
        Password::parse(password.clone()).context("[bootstrap] the password in admin_password_file")?;
        Ok(Self { name: DisplayName::parse(NAME)?, email, password })
    }

    /// Retries until the administrator exists; the process is not ready before.
    pub(crate) fn start(self, shell: &Shell, app: Arc<App>, schema: Schema) {
        shell.readiness.set(CONDITION, false);
        let readiness = shell.readiness.clone();
        let stop = shell.tasks.stop_signal();
        shell.tasks.spawn("bootstrap", OnFailure::Stop, async move {
            let mut attempts = tokio::time::interval(PERIOD);
            attempts.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while stop.run_until_cancelled(attempts.tick()).await.is_some() {
                match self.ensure(&app, &schema, Deadline::after(PERIOD)).await {
                    Ok(()) => {
                        readiness.set(CONDITION, true);
                        break;
                    }
                    Err(error) => tracing::warn!(?error, "can't create the administrator yet"),
                }
            }
            Ok::<(), Infallible>(())
        });
    }

    async fn ensure(&self, app: &App, schema: &Schema, deadline: Deadline) -> Result<(), UserError> {
        // Without the unique index, two replicas would create two.
        if let Some(missing) = schema.missing(deadline).await? {
            return Err(UserError::internal(format!("the migration {missing:?} has not been applied")));
        }
        if app.users.find_login(&self.email, deadline).await?.is_some() {
            return Ok(());
        }
        let password = Password::parse(self.password.clone()).map_err(UserError::internal)?;
        let registration = Registration { name: self.name.clone(), email: self.email.clone(), password };
        match app.add_user(registration, Role::Admin, deadline).await {
            Ok(user) => tracing::info!(user_id = %user.id, "created the administrator"),
            Err(UserError::EmailTaken) => {} // by another replica
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
