//! Alertmanager's webhook payload (version 4), as far as it is forwarded.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A notification about the alerts of one group. Unknown fields are ignored.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Notification {
    /// `firing` as long as any of the alerts fires.
    pub(super) status: AlertStatus,
    /// The labels that the alerts are grouped by.
    #[serde(default)]
    pub(super) group_labels: BTreeMap<String, String>,
    pub(super) alerts: Vec<Alert>,
    /// The number of further alerts that Alertmanager has left out.
    #[serde(default)]
    pub(super) truncated_alerts: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum AlertStatus {
    Firing,
    Resolved,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Alert {
    pub(super) status: AlertStatus,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) annotations: BTreeMap<String, String>,
    /// RFC 3339.
    #[serde(default)]
    pub(super) starts_at: String,
}

impl Alert {
    pub(super) fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub(super) fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}
