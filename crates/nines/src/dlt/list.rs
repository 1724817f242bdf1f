//! `nines dlt list`: the latest dead letters.

use std::fmt;
use std::num::NonZeroU32;
use std::process::ExitCode;

use clap::Args;
use cli::terminal;
use jiff::Timestamp;
use messaging::Letter;
use serde::Serialize;

use super::broker::Broker;
use super::handle::{Handle, TopicName};
use super::text::{NOTHING, plain, plain_or_hex};

/// The most letters that are listed; each is held in memory without its payload.
const MAX_LIMIT: u32 = 10_000;

#[derive(Debug, Args)]
pub(super) struct List {
    /// Only this topic. May be repeated; all three by default.
    #[arg(long = "topic", value_name = "TOPIC")]
    topics: Vec<TopicName>,
    /// The most letters that are listed, the latest of all topics.
    #[arg(long, value_name = "N", default_value_t = 100)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_LIMIT)))]
    limit: u32,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    broker: Broker,
}

impl List {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let listing = {
            let _reading = terminal::spinner("reading dead letters");
            self.read().await?
        };
        terminal::print(&listing, self.json)?;
        Ok(ExitCode::SUCCESS)
    }

    async fn read(&self) -> anyhow::Result<Listing> {
        let (log, limit) = (self.broker.log()?, NonZeroU32::new(self.limit).unwrap_or(NonZeroU32::MIN));
        let (mut rows, mut earlier) = (Vec::new(), 0);
        for topic in TopicName::or_all(&self.topics) {
            let mut letters = log.last(topic, limit).await?;
            earlier += letters.earlier();
            while let Some(letter) = letters.next().await? {
                rows.push(Row::of(&letter));
            }
        }
        Ok(Listing::new(rows, earlier, usize::try_from(self.limit)?))
    }
}

/// The latest letters.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Listing {
    /// The oldest first.
    letters: Vec<Row>,
    /// The number of earlier letters.
    earlier: u64,
}

/// A letter as it is listed.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    at: Option<Timestamp>,
    handle: Handle,
    group: Option<String>,
    /// The topic that it came from; empty when unknown.
    topic: String,
    key: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    id: Option<String>,
    reason: Option<String>,
}

impl Row {
    fn of(letter: &Letter) -> Self {
        Self {
            at: letter.at(),
            handle: Handle(letter.position()),
            group: letter.group().map(plain),
            topic: plain(letter.origin().topic),
            key: letter.key().map(plain_or_hex),
            kind: letter.event_type().map(plain),
            id: letter.event_id().map(plain),
            reason: letter.reason().map(plain),
        }
    }

    fn cells(&self) -> [String; COLUMNS.len()] {
        let or_dash = |text: Option<&str>| text.filter(|text| !text.is_empty()).unwrap_or(NOTHING).to_owned();
        [
            self.at.map_or_else(|| NOTHING.to_owned(), |at| format!("{at:.3}")),
            self.handle.to_string(),
            or_dash(self.group.as_deref()),
            or_dash(Some(&self.topic)),
            or_dash(self.key.as_deref()),
            or_dash(self.kind.as_deref()),
            or_dash(self.id.as_deref()),
            or_dash(self.reason.as_deref()),
        ]
    }
}

const COLUMNS: [&str; 8] = ["WHEN", "HANDLE", "GROUP", "TOPIC", "KEY", "TYPE", "ID", "REASON"];

impl Listing {
    /// Keeps the latest of these letters.
    fn new(mut letters: Vec<Row>, mut earlier: u64, limit: usize) -> Self {
        letters.sort_by_key(|row| row.at);
        let too_many = letters.len().saturating_sub(limit);
        letters.drain(..too_many);
        earlier += u64::try_from(too_many).unwrap_or(u64::MAX);
        Self { letters, earlier }
    }
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.letters.is_empty() {
            return f.write_str("no dead letters");
        }
        let rows: Vec<_> = self.letters.iter().map(Row::cells).collect();
        let header = COLUMNS.map(ToOwned::to_owned);
        let mut widths = [0; COLUMNS.len()];
        for cells in rows.iter().chain([&header]) {
            for (width, cell) in widths.iter_mut().zip(cells) {
                *width = cell.chars().count().max(*width);
            }
        }
        for cells in [&header].into_iter().chain(&rows) {
            let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
            writeln!(f, "{}", padded.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        write!(f, "shown: {}", self.letters.len())?;
        if self.earlier > 0 {
            write!(f, "; earlier: {}, see --limit", self.earlier)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(at: &str, handle: &str, key: Option<&str>) -> Row {
        Row {
            at: at.parse().ok(),
            handle: handle.parse().unwrap(),
            group: Some("books".to_owned()),
            topic: "fournines.stock.events.v1".to_owned(),
            key: key.map(ToOwned::to_owned),
            kind: None,
            id: None,
            reason: Some("no number".to_owned()),
        }
    }

    #[test]
    fn the_latest_of_all_topics_are_listed_in_columns() {
        let rows = vec![
            row("2026-01-01T00:00:03Z", "stock:0:7", Some("tea")),
            row("2026-01-01T00:00:01Z", "order:0:1", None),
            row("2026-01-01T00:00:02.5Z", "order:0:12", Some("")),
        ];
        let listing = Listing::new(rows, 4, 2);
        assert_eq!(
            listing.to_string(),
            "\
WHEN                      HANDLE      GROUP  TOPIC                      KEY  TYPE  ID  REASON
2026-01-01T00:00:02.500Z  order:0:12  books  fournines.stock.events.v1  -    -     -   no number
2026-01-01T00:00:03.000Z  stock:0:7   books  fournines.stock.events.v1  tea  -     -   no number
shown: 2; earlier: 5, see --limit"
        );
        assert_eq!(Listing::new(Vec::new(), 0, 2).to_string(), "no dead letters");
    }
}
