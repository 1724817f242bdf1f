//! Lists the outbox entries of a time range from each service, and has each page republished before the next.

use std::iter::successors;
use std::time::Duration;

use anyhow::Context as _;
use cli::dial;
use envelope::Error;
use jiff::Timestamp;
use proto::messaging::v1::outbox_service_client::OutboxServiceClient;
use proto::messaging::v1::{ListEventsRequest, ListEventsResponse, RepublishRequest};
use service::tls::Tls;
use service::{Deadline, RequestContext};
use tonic::transport::Channel;

use super::publisher::Publisher;
use super::report::{Replayed, Report};

/// A listing reads one snapshot, which the database keeps for 300 s. So a long range is listed in slices, each of which
/// is republished within that time.
const SLICE: Duration = Duration::from_secs(60 * 60);
const SLICE_BOUND: Duration = Duration::from_secs(300);
/// How long the next page of a slice may take.
const PAGE_BOUND: Duration = Duration::from_secs(30);
/// How long a call to republish entries may take.
const REPUBLISH_BOUND: Duration = Duration::from_secs(15);
/// The most entries of such a call that the service accepts.
const MAX_ENTRIES: usize = 1_000;
/// The most bytes of a page: 1,000 entries of 1,000 events have 143 MB, with keys of 64 bytes.
const MAX_PAGE_BYTES: usize = 192 * 1_024 * 1_024;

/// A range of the times of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeRange {
    /// Inclusive.
    pub from: Timestamp,
    /// Exclusive.
    pub to: Timestamp,
}

impl TimeRange {
    fn slices(self) -> impl Iterator<Item = Self> {
        let end = move |from: Timestamp| from.checked_add(SLICE).map_or(self.to, |end| end.min(self.to));
        let is_within = move |from: &Timestamp| *from < self.to;
        let first = Some(self.from).filter(is_within);
        let starts = successors(first, move |from| Some(end(*from)).filter(is_within));
        starts.map(move |from| Self { from, to: end(from) })
    }
}

/// Has the services republish the events of a range that they still keep or, in a dry run, only lists them, one service
/// after the other. A failure of one does not affect the others, and is in the report. Memory is bounded by a page of
/// 1,000 entries. `tls` is for services with mutual TLS.
pub async fn replay(publishers: &[Publisher], range: TimeRange, dry_run: bool, tls: Option<&Tls>) -> Report {
    let mut services = Vec::with_capacity(publishers.len());
    for publisher in publishers {
        let mut replayed = Replayed::new(publisher);
        if let Err(error) = replay_one(publisher, range, dry_run, tls, &mut replayed).await {
            replayed.failed = Some(describe(&error));
        }
        services.push(replayed);
    }
    Report { from: range.from, to: range.to, dry_run, services }
}

async fn replay_one(
    publisher: &Publisher,
    range: TimeRange,
    dry_run: bool,
    tls: Option<&Tls>,
    replayed: &mut Replayed,
) -> anyhow::Result<()> {
    let channel = dial::channel(publisher.service.name(), &publisher.address, tls)?;
    let mut client = OutboxServiceClient::new(channel).max_decoding_message_size(MAX_PAGE_BYTES);
    for slice in range.slices() {
        replay_slice(&mut client, slice, dry_run, replayed).await?;
    }
    Ok(())
}

async fn replay_slice(
    client: &mut OutboxServiceClient<Channel>,
    slice: TimeRange,
    dry_run: bool,
    replayed: &mut Replayed,
) -> anyhow::Result<()> {
    let wanted = ListEventsRequest {
        from: Some(proto::from_timestamp(slice.from)),
        to: Some(proto::from_timestamp(slice.to)),
        as_of: None,
    };
    let context = RequestContext::internal(SLICE_BOUND);
    let (request, soon) = (context.request(wanted)?, || context.deadline.at_most(PAGE_BOUND));
    let listed = answer(soon(), client.list_events(request)).await.context("its events can't be listed")?;
    let mut pages = listed.into_inner();
    while let Some(page) = answer(soon(), pages.message()).await.context("its events can't be listed")? {
        replayed.add(&page).context("its answer is not valid")?;
        if !dry_run {
            republish(client, page, replayed).await.context("its events can't be republished")?;
        }
    }
    Ok(())
}

/// Has the published entries of a page republished; the others are yet to be published anyway.
async fn republish(
    client: &mut OutboxServiceClient<Channel>,
    page: ListEventsResponse,
    replayed: &mut Replayed,
) -> anyhow::Result<()> {
    let sent = page.entries.into_iter().filter(|entry| entry.sent);
    let entry_ids: Vec<String> = sent.map(|entry| entry.id).collect();
    for entry_ids in entry_ids.chunks(MAX_ENTRIES) {
        let context = RequestContext::internal(REPUBLISH_BOUND);
        let request = context.request(RepublishRequest { entry_ids: entry_ids.to_vec() })?;
        let again = answer(context.deadline, client.republish(request)).await?.into_inner();
        replayed.republished(entry_ids.len(), again.entries);
    }
    Ok(())
}

/// Bounds a call on this side too, in case the service does not answer at all.
async fn answer<T>(deadline: Deadline, call: impl Future<Output = Result<T, tonic::Status>>) -> Result<T, Error> {
    deadline.bound(call).await?.map_err(Error::from_status)
}

/// Describes a failure by its two outermost causes and its root cause; those in between repeat the same at length.
fn describe(error: &anyhow::Error) -> String {
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    let last = causes.last().filter(|_| causes.len() > 3);
    causes.iter().take(2).chain(last).map(String::as_str).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slices(from: &str, to: &str) -> Vec<(String, String)> {
        let range = TimeRange { from: from.parse().unwrap(), to: to.parse().unwrap() };
        range.slices().map(|slice| (slice.from.to_string(), slice.to.to_string())).collect()
    }

    #[test]
    fn slices_cover_the_range_without_a_gap() {
        let [first, second, third] =
            ["2026-01-01T00:30:00.5Z", "2026-01-01T01:30:00.5Z", "2026-01-01T02:00:00Z"].map(str::to_owned);
        let both = vec![(first.clone(), second.clone()), (second.clone(), third.clone())];
        assert_eq!(slices(&first, &third), both);
        assert_eq!(slices(&first, &second), [(first.clone(), second.clone())]);
        assert_eq!((slices(&first, &first), slices(&second, &first)), (vec![], vec![]));
        let (late, end) = ("9999-12-30T21:59:59Z", Timestamp::MAX.to_string());
        assert_eq!(slices(late, &end).last().unwrap().1, end);
    }
}
