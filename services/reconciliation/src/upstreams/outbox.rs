//! The outboxes of all publishers.

use balancer::Upstream;
use envelope::Error;
use mongo::Cut;
use primitives::EventId;
use proto::messaging::v1 as pb;
use proto::messaging::v1::outbox_service_client::OutboxServiceClient;
use service::RequestContext;

use super::pages::{CALL_TIMEOUT, MAX_MESSAGE, Pages, as_of, background, bounds, internal, pages, parse, texts};
use crate::domain::checks::KeptEvent;
use crate::domain::{Publisher, TimeRange, TimedEvent};

/// The events of a time range in a publisher's outbox, by time.
pub(super) fn events(upstream: &Upstream, publisher: Publisher, cut: Cut, range: TimeRange) -> Pages<TimedEvent> {
    let (from, to) = bounds(Some(range));
    let request = pb::ListEventsRequest { from, to, as_of: as_of(cut) };
    let mut client = OutboxServiceClient::new(upstream.channel()).max_decoding_message_size(MAX_MESSAGE);
    let call = async move { client.list_events(internal(request)?).await };
    pages(call, move |page| {
        let events = page.entries.into_iter().map(|entry| to_events(publisher, entry));
        Ok(events.collect::<Result<Vec<_>, Error>>()?.into_iter().flatten().collect())
    })
}

/// Has entries published again; returns how many of them are still kept. At most 1,000.
pub(super) async fn publish_again(upstream: &Upstream, entries: &[EventId]) -> Result<u32, Error> {
    let again = pb::RepublishRequest { entry_ids: texts(entries) };
    let context = RequestContext::internal(CALL_TIMEOUT);
    let answer = upstream.ask(&context, again, background(), |channel, request| async move {
        OutboxServiceClient::new(channel).republish(request).await
    });
    Ok(answer.await?.into_inner().entries)
}

fn to_events(publisher: Publisher, entry: pb::Entry) -> Result<Vec<TimedEvent>, Error> {
    let at = proto::to_timestamp("occurred_at", entry.occurred_at).map_err(Error::internal)?;
    let id: EventId = parse(&entry.id)?;
    let event = |event: pb::KeptEvent| {
        let kept = KeptEvent { id: parse(&event.id)?, kind: event.kind, sent: entry.sent, publisher, entry: id };
        Ok(TimedEvent { at, event: kept })
    };
    entry.events.into_iter().map(event).collect()
}
