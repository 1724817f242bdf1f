//! Prometheus' rule file as text. Not written by a YAML library, so that queries stay readable.

use std::fmt::Write as _;

use super::span::Span;

/// Rules that are evaluated together, in order.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) interval: Span,
    pub(super) rules: Vec<Rule>,
}

#[derive(Debug)]
pub(super) struct Rule {
    pub(super) kind: Kind,
    /// PromQL, of one line or more.
    pub(super) expr: String,
    pub(super) labels: Vec<(&'static str, String)>,
    pub(super) annotations: Vec<(&'static str, String)>,
}

#[derive(Debug)]
pub(super) enum Kind {
    Record(String),
    Alert(String),
}

/// The file of one group, with a comment at the top.
pub(super) fn file(comment: &str, group: &Group) -> String {
    let mut text = String::new();
    for line in comment.lines() {
        put(&mut text, 0, &format!("# {line}"));
    }
    put(&mut text, 0, "groups:");
    put(&mut text, 2, &format!("- name: {}", group.name));
    put(&mut text, 4, &format!("interval: {}", group.interval));
    put(&mut text, 4, "rules:");
    for rule in &group.rules {
        match &rule.kind {
            Kind::Record(name) => put(&mut text, 6, &format!("- record: {name}")),
            Kind::Alert(name) => put(&mut text, 6, &format!("- alert: {name}")),
        }
        put(&mut text, 8, "expr: |-");
        rule.expr.lines().for_each(|line| put(&mut text, 10, line));
        pairs(&mut text, "labels", &rule.labels);
        pairs(&mut text, "annotations", &rule.annotations);
    }
    text
}

fn pairs(text: &mut String, name: &str, pairs: &[(&'static str, String)]) {
    if pairs.is_empty() {
        return;
    }
    put(text, 8, &format!("{name}:"));
    for (key, value) in pairs {
        put(text, 10, &format!("{key}: {}", quoted(value)));
    }
}

/// Quotes a string as JSON, which YAML includes.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn put(text: &mut String, indent: usize, line: &str) {
    // Writing to a string can't fail.
    let _written = writeln!(text, "{:indent$}{line}", "");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_the_format_of_prometheus() {
        let alert = Rule {
            kind: Kind::Alert("X".into()),
            expr: "a\n  > 1".into(),
            labels: vec![("severity", "page".into())],
            annotations: vec![("summary", "it's \"bad\": {{ $value }}".into())],
        };
        let record = Rule { kind: Kind::Record("a:b".into()), expr: "1".into(), labels: vec![], annotations: vec![] };
        let group = Group { name: "g".into(), interval: Span::seconds(30), rules: vec![record, alert] };
        let text = file("Made.\nTwice.", &group);
        assert_eq!(
            text,
            r#"# Made.
# Twice.
groups:
  - name: g
    interval: 30s
    rules:
      - record: a:b
        expr: |-
          1
      - alert: X
        expr: |-
          a
            > 1
        labels:
          severity: "page"
        annotations:
          summary: "it's \"bad\": {{ $value }}"
"#
        );
    }
}
