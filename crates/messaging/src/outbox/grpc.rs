//! The outbox for other services and for operators: what is kept, and publishing it again.

use std::time::Duration;

use envelope::Error;
use futures::TryStreamExt as _;
use futures::stream::{self, BoxStream, StreamExt as _};
use ids::EventId;
use jiff::Timestamp;
use mongo::{bounded, from_bson_uuid, to_bson_time, to_bson_uuid};
use mongodb::bson::{Uuid, doc};
use proto::messaging::v1::outbox_service_server::OutboxService;
use proto::messaging::v1::{
    Entry, KeptEvent, ListEventsRequest, ListEventsResponse, RepublishRequest, RepublishResponse,
};
use service::{Deadline, RequestContext};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::Outbox;
use super::entry::EntryDocument;

/// The most entries of a page.
const PAGE: i64 = 500;
/// How long a page may take.
const PAGE_TIMEOUT: Duration = Duration::from_secs(10);
/// The most entries that one call has published again.
const MAX_REPUBLISHED: usize = 1_000;

/// Serves `OutboxService`.
#[derive(Debug, Clone)]
pub struct OutboxGrpc {
    outbox: Outbox,
    drain: CancellationToken,
}

/// Where a listing is: what comes next.
struct Listing {
    outbox: Outbox,
    from: Timestamp,
    to: Timestamp,
    after: Option<EntryDocument>,
}

impl OutboxGrpc {
    /// For an outbox; listings end when `drain` fires.
    pub fn new(outbox: Outbox, drain: CancellationToken) -> Self {
        Self { outbox, drain }
    }
}

impl Outbox {
    /// Marks entries as not sent; gives how many of them are kept.
    async fn republish(&self, entries: Vec<Uuid>, deadline: Deadline) -> Result<u64, mongo::Error> {
        let filter = doc! { "_id": { "$in": entries }, "source": self.source };
        let update = doc! { "$set": { "unsent": true }, "$unset": { "sentAt": "", "forgetAt": "" } };
        let updated = bounded(deadline, |_| self.entries.update_many(filter, update)).await?;
        Ok(updated.matched_count)
    }
}

impl Listing {
    /// The next page, in the order of time; empty at the end.
    async fn next_page(&mut self) -> Result<Vec<EntryDocument>, mongo::Error> {
        let mut filter = doc! {
            "source": self.outbox.source,
            "at": { "$gte": to_bson_time(self.from), "$lt": to_bson_time(self.to) },
        };
        if let Some(after) = &self.after {
            filter.insert(
                "$or",
                [doc! { "at": { "$gt": after.at } }, doc! { "at": after.at, "_id": { "$gt": after.id } }]
                    .to_vec(),
            );
        }
        let order = doc! { "source": 1, "at": 1, "_id": 1 };
        let deadline = Deadline::after(PAGE_TIMEOUT);
        let find = |left| self.outbox.entries.find(filter).sort(order).limit(PAGE).max_time(left);
        let cursor = bounded(deadline, find).await?;
        let page: Vec<EntryDocument> = bounded(deadline, |_| cursor.try_collect()).await?;
        if let Some(last) = page.last() {
            self.after = Some(last.clone());
        }
        Ok(page)
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
        let time = |name, time| {
            proto::to_timestamp(name, time).map_err(|error| Error::invalid(name, error.to_string()))
        };
        let from = time("from", request.from).map_err(service::grpc::reject)?;
        let to = time("to", request.to).map_err(service::grpc::reject)?;
        let listing = Listing { outbox: self.outbox.clone(), from, to, after: None };
        let pages = stream::try_unfold(listing, async |mut listing| {
            let page = listing.next_page().await.map_err(reject)?;
            if page.is_empty() {
                return Ok(None);
            }
            let entries = page.into_iter().map(kept).collect::<Result<_, _>>().map_err(reject)?;
            Ok(Some((ListEventsResponse { entries }, listing)))
        });
        Ok(Response::new(pages.take_until(self.drain.clone().cancelled_owned()).boxed()))
    }

    async fn republish(
        &self,
        request: Request<RepublishRequest>,
    ) -> Result<Response<RepublishResponse>, Status> {
        let context = RequestContext::from_request(&request);
        let ids = request.into_inner().entry_ids;
        if ids.len() > MAX_REPUBLISHED {
            let most = format!("must be at most {MAX_REPUBLISHED}");
            return Err(service::grpc::reject(Error::invalid("entryIds", most)));
        }
        let ids = ids.iter().map(|id| id.parse::<EventId>().map(|id| to_bson_uuid(id.as_uuid())));
        let ids = ids.collect::<Result<Vec<_>, _>>();
        let ids =
            ids.map_err(|error| service::grpc::reject(Error::invalid("entryIds", error.to_string())))?;
        let entries = self.outbox.republish(ids, context.deadline).await.map_err(reject)?;
        Ok(Response::new(RepublishResponse { entries: u32::try_from(entries).unwrap_or(u32::MAX) }))
    }
}

fn kept(entry: EntryDocument) -> Result<Entry, mongo::Error> {
    let occurred_at = proto::from_timestamp(entry.at()?);
    let event = |event: super::entry::EventDocument| KeptEvent {
        id: event.id().to_string(),
        kind: event.kind,
        key: event.key,
    };
    Ok(Entry {
        id: EventId::from(from_bson_uuid(entry.id)).to_string(),
        occurred_at: Some(occurred_at),
        sent: entry.unsent.is_none(),
        events: entry.events.into_iter().map(event).collect(),
    })
}

fn reject(error: mongo::Error) -> Status {
    service::grpc::reject(Error::from(error))
}
