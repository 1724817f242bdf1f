//! The report of a replay.

use std::fmt;

use jiff::Timestamp;
use proto::ConvertError;
use proto::messaging::v1::ListEventsResponse;
use serde::Serialize;

use super::publisher::{Publisher, Service};

/// The result of a replay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The start of the range, inclusive.
    pub from: Timestamp,
    /// The end of the range, exclusive.
    pub to: Timestamp,
    /// Whether the events were only listed.
    pub dry_run: bool,
    /// The services, in the order in which they were asked.
    pub services: Vec<Replayed>,
}

/// The result for one service. An entry holds events that were committed together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Replayed {
    /// The service.
    pub service: Service,
    /// Its gRPC address.
    pub address: String,
    /// The number of entries in the range that it still keeps, and of their events.
    pub entries: u64,
    /// See `entries`.
    pub events: u64,
    /// The times of the first and the last event.
    pub first: Option<Timestamp>,
    /// See `first`.
    pub last: Option<Timestamp>,
    /// The number of entries that are yet to be published anyway.
    pub waiting: u64,
    /// The number of other entries that will be republished; 0 in a dry run.
    pub again: u64,
    /// The number of other entries that were no longer kept when they were to be republished.
    pub gone: u64,
    /// Why the service did not answer completely.
    pub failed: Option<String>,
}

impl Replayed {
    pub(super) fn new(publisher: &Publisher) -> Self {
        Self {
            service: publisher.service,
            address: publisher.address.clone(),
            entries: 0,
            events: 0,
            first: None,
            last: None,
            waiting: 0,
            again: 0,
            gone: 0,
            failed: None,
        }
    }

    /// Adds a page of the listing.
    pub(super) fn add(&mut self, page: &ListEventsResponse) -> Result<(), ConvertError> {
        for entry in &page.entries {
            let at = proto::to_timestamp("occurred_at", entry.occurred_at)?;
            self.first.get_or_insert(at);
            self.last = Some(at);
            self.entries += 1;
            self.events += count(entry.events.len());
            self.waiting += u64::from(!entry.sent);
        }
        Ok(())
    }

    /// Adds a call that was to republish `asked` entries, of which `kept` still existed.
    pub(super) fn republished(&mut self, asked: usize, kept: u32) {
        self.again += u64::from(kept);
        self.gone += count(asked).saturating_sub(u64::from(kept));
    }
}

fn count(of: usize) -> u64 {
    u64::try_from(of).unwrap_or(u64::MAX)
}

impl Report {
    /// Whether every service answered completely.
    pub fn all_answered(&self) -> bool {
        self.services.iter().all(|service| service.failed.is_none())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "events from {} to {}", self.from, self.to)?;
        for replayed in &self.services {
            write!(f, "\n{:<9} ", replayed.service)?;
            write_listed(f, replayed)?;
            if self.dry_run {
                let would = replayed.entries.saturating_sub(replayed.waiting);
                write!(f, "\n          {would} entries would be published again")?;
            } else {
                write!(f, "\n          {} entries will be published again", replayed.again)?;
            }
            write!(f, ", {} wait to be published anyway", replayed.waiting)?;
            if replayed.gone > 0 {
                write!(f, ", {} were no longer kept", replayed.gone)?;
            }
            if let Some(error) = &replayed.failed {
                write!(f, "\n          did not answer completely: {error}")?;
            }
        }
        Ok(())
    }
}

fn write_listed(f: &mut fmt::Formatter<'_>, replayed: &Replayed) -> fmt::Result {
    let Replayed { address, entries, events, .. } = replayed;
    write!(f, "{entries} entries with {events} events at {address}")?;
    if let (Some(first), Some(last)) = (replayed.first, replayed.last) {
        write!(f, ", {first} to {last}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proto::messaging::v1::{Entry, KeptEvent};

    use super::*;

    fn entry(at: &str, sent: bool, events: usize) -> Entry {
        let occurred_at = Some(proto::from_timestamp(at.parse().unwrap()));
        Entry { id: "id".to_owned(), occurred_at, sent, events: vec![KeptEvent::default(); events] }
    }

    fn report(dry_run: bool) -> Report {
        let address = "http://127.0.0.1:7003".to_owned();
        let mut order = Replayed::new(&Publisher { service: Service::Order, address: address.clone() });
        let (first, last) = ("2026-01-01T00:00:01Z", "2026-01-01T00:00:09Z");
        order.add(&ListEventsResponse { entries: vec![entry(first, true, 3)] }).unwrap();
        order.add(&ListEventsResponse { entries: vec![entry(first, true, 1), entry(last, false, 1)] }).unwrap();
        if !dry_run {
            order.republished(2, 1);
        }
        let payment = Publisher { service: Service::Payment, address };
        let payment = Replayed { failed: Some("it is away".to_owned()), ..Replayed::new(&payment) };
        let (from, to) = ("2026-01-01T00:00:00Z".parse().unwrap(), "2026-01-01T00:00:10Z".parse().unwrap());
        Report { from, to, dry_run, services: vec![order, payment] }
    }

    #[test]
    fn entries_and_events_are_counted_and_printed() {
        let report = report(false);
        assert!(!report.all_answered());
        assert_eq!(
            report.to_string(),
            "events from 2026-01-01T00:00:00Z to 2026-01-01T00:00:10Z\n\
             order     3 entries with 5 events at http://127.0.0.1:7003, 2026-01-01T00:00:01Z to 2026-01-01T00:00:09Z\n\
             \x20         1 entries will be published again, 1 wait to be published anyway, 1 were no longer kept\n\
             payment   0 entries with 0 events at http://127.0.0.1:7003\n\
             \x20         0 entries will be published again, 0 wait to be published anyway\n\
             \x20         did not answer completely: it is away"
        );
    }

    #[test]
    fn a_dry_run_prints_what_would_be_done() {
        assert!(report(true).to_string().contains("2 entries would be published again, 1 wait"));
    }

    #[test]
    fn an_entry_without_a_time_is_an_error() {
        let mut replayed = report(false).services.remove(0);
        let page = ListEventsResponse { entries: vec![Entry::default()] };
        assert!(replayed.add(&page).is_err());
    }
}
