//! `nines dlt show`: a letter with its headers and payload.

use std::fmt;
use std::process::ExitCode;

use clap::Args;
use cli::terminal;
use jiff::Timestamp;
use messaging::{Letter, Origin};
use serde::Serialize;

use super::broker::Broker;
use super::handle::Handle;
use super::text::{NOTHING, hex, plain, plain_or_hex};

#[derive(Debug, Args)]
pub(super) struct Show {
    /// The letter, as `nines dlt list` names it, such as stock:0:17.
    handle: Handle,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    broker: Broker,
}

impl Show {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let letter = {
            let _reading = terminal::spinner("reading the dead letter");
            self.broker.log()?.get(self.handle.0).await?
        };
        terminal::print(&Shown::of(&letter), self.json)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A letter as it is shown, without control characters.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    handle: Handle,
    at: Option<Timestamp>,
    group: Option<String>,
    reason: Option<String>,
    /// The topic that it came from; empty when unknown.
    topic: String,
    partition: Option<i32>,
    offset: Option<i64>,
    key: Option<String>,
    /// In their order; names may repeat.
    headers: Vec<Header>,
    payload: Payload,
}

#[derive(Debug, Serialize)]
struct Header {
    name: String,
    value: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    bytes: usize,
    /// The event, if the bytes can be decoded.
    event: Option<String>,
    /// The bytes as hexadecimal digits, and why they can't be decoded.
    hex: Option<String>,
    unreadable: Option<String>,
}

impl Shown {
    fn of(letter: &Letter) -> Self {
        let Origin { topic, position } = letter.origin();
        let (partition, offset) = position.unzip();
        let header =
            |(name, value): (&str, Option<&[u8]>)| Header { name: plain(name), value: value.map(plain_or_hex) };
        Self {
            handle: Handle(letter.position()),
            at: letter.at(),
            group: letter.group().map(plain),
            reason: letter.reason().map(plain),
            topic: plain(topic),
            partition,
            offset,
            key: letter.key().map(plain_or_hex),
            headers: letter.headers().map(header).collect(),
            payload: Payload::of(letter),
        }
    }
}

impl Payload {
    fn of(letter: &Letter) -> Self {
        let bytes = letter.payload().unwrap_or_default();
        let (event, hex, unreadable) = match letter.decoded() {
            Ok(event) => (Some(format!("{event:#?}")), None, None),
            Err(error) => (None, Some(hex(bytes)), Some(plain(&error.to_string()))),
        };
        Self { bytes: bytes.len(), event, hex, unreadable }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_dash = |text: Option<&str>| text.unwrap_or(NOTHING).to_owned();
        writeln!(f, "handle  {}", self.handle)?;
        writeln!(f, "when    {}", self.at.map_or_else(|| NOTHING.to_owned(), |at| at.to_string()))?;
        writeln!(f, "group   {}", or_dash(self.group.as_deref()))?;
        writeln!(f, "reason  {}", or_dash(self.reason.as_deref()))?;
        write!(f, "topic   {}", if self.topic.is_empty() { NOTHING } else { &self.topic })?;
        match self.partition.zip(self.offset) {
            Some((partition, offset)) => writeln!(f, ", partition {partition}, offset {offset}")?,
            None => writeln!(f)?,
        }
        writeln!(f, "key     {}", or_dash(self.key.as_deref()))?;
        writeln!(f, "headers")?;
        for Header { name, value } in &self.headers {
            writeln!(f, "  {name}: {}", or_dash(value.as_deref()))?;
        }
        let Payload { bytes, event, hex, unreadable } = &self.payload;
        write!(f, "payload, {bytes} bytes")?;
        if let Some(event) = event {
            write!(f, "\n{event}")?;
        }
        if let (Some(hex), Some(unreadable)) = (hex, unreadable) {
            write!(f, ": {unreadable}\n{hex}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_values_are_dashes_and_bytes_are_hexadecimal_digits() {
        let header =
            |name: &str, value: Option<&str>| Header { name: name.to_owned(), value: value.map(ToOwned::to_owned) };
        let shown = Shown {
            handle: "stock:0:17".parse().unwrap(),
            at: "2026-01-01T00:00:01Z".parse().ok(),
            group: Some("books".to_owned()),
            reason: None,
            topic: String::new(),
            partition: None,
            offset: None,
            key: Some("tea".to_owned()),
            headers: vec![header("ce_id", Some("no id")), header("x", None)],
            payload: Payload {
                bytes: 2,
                event: None,
                hex: Some("ffff".to_owned()),
                unreadable: Some("the type \"\" is not known".to_owned()),
            },
        };
        let expected = r#"handle  stock:0:17
when    2026-01-01T00:00:01Z
group   books
reason  -
topic   -
key     tea
headers
  ce_id: no id
  x: -
payload, 2 bytes: the type "" is not known
ffff"#;
        assert_eq!(shown.to_string(), expected);
        let located = Shown { topic: "t".to_owned(), partition: Some(3), offset: Some(9), ..shown };
        assert!(located.to_string().contains("topic   t, partition 3, offset 9\n"));
    }
}
