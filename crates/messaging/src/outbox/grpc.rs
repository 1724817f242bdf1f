//! The outbox for other services and operators: lists kept events, and publishes them again.

use std::num::NonZeroU32;

use envelope::Error;
use futures::stream::{self, BoxStream, StreamExt as _};
use jiff::Timestamp;
use mongo::{ConvertError, Cut, bounded, from_bson_time, from_bson_uuid, to_bson_time, to_bson_uuid};
use mongodb::bson::{DateTime, Uuid, doc};
use primitives::EventId;
use proto::messaging::v1::outbox_service_server::OutboxService;
use proto::messaging::v1::{
    Entry, KeptEvent, ListEventsRequest, ListEventsResponse, RepublishRequest, RepublishResponse,
};
use serde::Deserialize;
use service::grpc::stream_pages;
use service::{Deadline, RequestContext};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::{COLLECTION, Outbox};

/// Entries of a page. An entry may have 1,000 events.
const LISTED: NonZeroU32 = NonZeroU32::new(50).unwrap();
/// The most events of a message, unless one entry has more; an event takes about 120 bytes, and a message 4 MiB.
const MAX_LISTED: usize = 10_000;
/// The most entries that one call has published again.
const MAX_REPUBLISHED: usize = 1_000;

/// Serves `OutboxService`.
#[derive(Debug, Clone)]
pub struct OutboxGrpc {
    outbox: Outbox,
    drain: CancellationToken,
}

impl OutboxGrpc {
    /// For an outbox. Listings end when `drain` is cancelled.
    pub fn new(outbox: Outbox, drain: CancellationToken) -> Self {
        Self { outbox, drain }
    }
}

impl Outbox {
    /// The entries of a time range, as of a cut or as of now, by time.
    fn list(
        &self,
        from: Timestamp,
        to: Timestamp,
        cut: Option<Cut>,
    ) -> BoxStream<'static, Result<Vec<Entry>, mongo::Error>> {
        let range = doc! { "$gte": to_bson_time(from), "$lt": to_bson_time(to) };
        let of_range = doc! { "$match": { "source": self.source, "at": range } };
        let in_order = doc! { "$sort": { "source": 1, "at": 1, "_id": 1 } };
        let without_payloads =
            doc! { "$project": { "at": 1, "unsent": 1, "events.id": 1, "events.kind": 1, "events.key": 1 } };
        self.db.pages::<ListedEntry, _>(cut, COLLECTION, vec![of_range, in_order, without_payloads], LISTED)
    }

    /// Marks entries as not sent; returns how many of them are still kept.
    async fn republish(&self, entries: Vec<Uuid>, deadline: Deadline) -> Result<u64, mongo::Error> {
        let filter = doc! { "_id": { "$in": entries }, "source": self.source };
        let update = doc! { "$set": { "unsent": true }, "$unset": { "sentAt": "", "forgetAt": "" } };
        let updated = bounded(deadline, |_| self.entries.update_many(filter, update)).await?;
        Ok(updated.matched_count)
    }
}

#[tonic::async_trait]
impl OutboxService for OutboxGrpc {
    type ListEventsStream = BoxStream<'static, Result<ListEventsResponse, Status>>;

    async fn list_events(
        &self,
        request: Request<ListEventsRequest>,
    ) -> Result<Response<Self::ListEventsStream>, Status> {
        let request = request.into_inner();
        let time =
            |name, time| proto::to_timestamp(name, time).map_err(|error| Error::invalid(name, error.to_string()));
        let from = time("from", request.from).map_err(service::grpc::reject)?;
        let to = time("to", request.to).map_err(service::grpc::reject)?;
        let cut = request.as_of.map(|cut| Cut::from((cut.seconds, cut.increment)));
        let to_message = |entries: Vec<Entry>| ListEventsResponse { entries };
        let pages = self.outbox.list(from, to, cut).flat_map(|page| match page {
            Ok(entries) => stream::iter(split(entries)).map(Ok).boxed(),
            Err(error) => stream::once(async { Err(error) }).boxed(),
        });
        Ok(stream_pages(pages, self.drain.clone(), to_message))
    }

    async fn republish(&self, request: Request<RepublishRequest>) -> Result<Response<RepublishResponse>, Status> {
        let context = RequestContext::from_request(&request);
        let ids = request.into_inner().entry_ids;
        if ids.len() > MAX_REPUBLISHED {
            let most = format!("must be at most {MAX_REPUBLISHED}");
            return Err(service::grpc::reject(Error::invalid("entryIds", most)));
        }
        let ids = ids.iter().map(|id| id.parse::<EventId>().map(|id| to_bson_uuid(id.as_uuid())));
        let ids = ids.collect::<Result<Vec<_>, _>>();
        let ids = ids.map_err(|error| service::grpc::reject(Error::invalid("entryIds", error.to_string())))?;
        let entries = self.outbox.republish(ids, context.deadline).await.map_err(reject)?;
        Ok(Response::new(RepublishResponse { entries: u32::try_from(entries).unwrap_or(u32::MAX) }))
    }
}

/// Splits a page by its number of events, so that each part fits into a message.
fn split(entries: Vec<Entry>) -> Vec<Vec<Entry>> {
    let mut pages = vec![Vec::new()];
    let mut events = 0;
    for entry in entries {
        events += entry.events.len();
        if events > MAX_LISTED {
            pages.push(Vec::new());
            events = entry.events.len();
        }
        if let Some(page) = pages.last_mut() {
            page.push(entry);
        }
    }
    pages
}

/// The listed fields of an entry.
#[derive(Deserialize)]
struct ListedEntry {
    #[serde(rename = "_id")]
    id: Uuid,
    at: DateTime,
    #[serde(default)]
    unsent: bool,
    events: Vec<ListedEvent>,
}

#[derive(Deserialize)]
struct ListedEvent {
    id: Uuid,
    kind: String,
    key: String,
}

impl TryFrom<ListedEntry> for Entry {
    type Error = ConvertError;

    fn try_from(entry: ListedEntry) -> Result<Self, ConvertError> {
        let text = |id| EventId::from(from_bson_uuid(id)).to_string();
        let event = |event: ListedEvent| KeptEvent { id: text(event.id), kind: event.kind, key: event.key };
        Ok(Self {
            id: text(entry.id),
            occurred_at: Some(proto::from_timestamp(from_bson_time(entry.at)?)),
            sent: !entry.unsent,
            events: entry.events.into_iter().map(event).collect(),
        })
    }
}

fn reject(error: mongo::Error) -> Status {
    service::grpc::reject(Error::from(error))
}
