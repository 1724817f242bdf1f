//! The rules as they are served and replaced.

use std::sync::Arc;

use service::RequestContext;

use super::App;
use crate::domain::{Rules, VersionedRules};
use crate::error::RiskError;

impl App {
    /// The rules that hold.
    pub(crate) fn rules(&self) -> Result<Arc<VersionedRules>, RiskError> {
        self.board.rules()
    }

    /// Puts rules in the place of those of a version. They hold here at once, and at other replicas at their next look.
    pub(crate) async fn replace_rules(
        &self,
        context: &RequestContext,
        expected_version: u64,
        rules: Rules,
    ) -> Result<u64, RiskError> {
        let admin = context.require_admin()?;
        if self.newest_rules(context.deadline).await?.version != expected_version {
            return Err(RiskError::VersionMismatch);
        }
        let rules = VersionedRules { version: expected_version.saturating_add(1), rules };
        if !self.store.add_rules(&rules, admin.user_id, primitives::now(), context.deadline).await? {
            return Err(RiskError::VersionMismatch);
        }
        let version = rules.version;
        tracing::info!(version, by = %admin.user_id, "rules were replaced");
        self.board.set_rules(rules);
        Ok(version)
    }

    /// The rules of the highest version: those that were written down or, while there are none, the configured ones.
    pub(super) async fn newest_rules(&self, deadline: service::Deadline) -> Result<VersionedRules, RiskError> {
        let stored = self.store.newest_rules(deadline).await?;
        Ok(stored.unwrap_or_else(|| VersionedRules { version: 1, rules: self.first_rules.as_ref().clone() }))
    }
}
