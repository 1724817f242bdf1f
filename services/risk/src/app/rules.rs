//! Serves and replaces the rules.

use std::sync::Arc;

use service::{Deadline, RequestContext};

use super::App;
use crate::domain::{Rules, VersionedRules};
use crate::error::RiskError;

impl App {
    /// The current rules.
    pub(crate) fn rules(&self) -> Result<Arc<VersionedRules>, RiskError> {
        self.board.rules()
    }

    /// Replaces the rules of a version. The new ones apply here at once, at other replicas after their next exchange.
    pub(crate) async fn replace_rules(
        &self,
        context: &RequestContext,
        expected_version: u64,
        rules: Rules,
    ) -> Result<u64, RiskError> {
        let admin = context.require_admin()?;
        let newest = self.newest_rules(context.deadline).await?;
        let rules = newest.replaced(expected_version, rules).ok_or(RiskError::VersionMismatch)?;
        // Another administrator may have added the version meanwhile.
        if !self.store.add_rules(&rules, admin.user_id, primitives::now(), context.deadline).await? {
            return Err(RiskError::VersionMismatch);
        }
        let version = rules.version;
        tracing::info!(version, by = %admin.user_id, "rules were replaced");
        self.board.set_rules(rules);
        Ok(version)
    }

    /// The rules of the highest version: the stored ones or, as long as there are none, the configured ones.
    pub(super) async fn newest_rules(&self, deadline: Deadline) -> Result<VersionedRules, RiskError> {
        let stored = self.store.newest_rules(deadline).await?;
        Ok(stored.unwrap_or_else(|| VersionedRules::configured(self.configured_rules.as_ref().clone())))
    }
}
