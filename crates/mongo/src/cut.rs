//! A cut: a cluster time at which several processes read, and paged reads of collections as of a cut.

use std::future::IntoFuture as _;
use std::num::NonZeroU32;
use std::time::Duration;

use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use mongodb::bson::{self, Bson, Document, doc};
use mongodb::options::SessionOptions;
use mongodb::{ClientSession, SessionCursor};
use serde::de::DeserializeOwned;
use service::Deadline;

use crate::{ConvertError, Db, Error, Policy, bounded};

/// The page size for small documents.
pub const PAGE: NonZeroU32 = NonZeroU32::new(1_000).unwrap();
/// The time-out of a page, including the sort before the first one. By default the server keeps a snapshot for 300 s
/// (`minSnapshotHistoryWindowInSeconds`), so a longer wait would be useless.
const PAGE_TIMEOUT: Duration = Duration::from_secs(240);

/// Pages of a collection, in order.
pub type Pages<T> = BoxStream<'static, Result<Vec<T>, Error>>;

/// A filter for documents whose `field` has one of these values; for all documents if there are no values.
pub fn one_of<V: Into<Bson>>(field: &str, values: impl IntoIterator<Item = V>) -> Document {
    let values: Vec<Bson> = values.into_iter().map(Into::into).collect();
    if values.is_empty() {
        Document::new()
    } else {
        doc! { field: { "$in": values } }
    }
}

/// A cluster time of the database. Majority-committed data can be read as of it, for as long as the server keeps the
/// snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cut {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub seconds: u32,
    /// Distinguishes cluster times within a second.
    pub increment: u32,
}

impl Cut {
    /// Its second as a calendar time.
    pub fn time(self) -> Timestamp {
        // Every u32 is within the range of the calendar.
        Timestamp::from_second(i64::from(self.seconds)).unwrap_or(Timestamp::MAX)
    }
}

/// From seconds and increment, as in messages.
impl From<(u32, u32)> for Cut {
    fn from((seconds, increment): (u32, u32)) -> Self {
        Self { seconds, increment }
    }
}

impl Db {
    /// The current cut.
    ///
    /// # Errors
    /// Database errors. Just after a collection was created there may be no snapshot for a moment.
    pub async fn cut(&self, deadline: Deadline) -> Result<Cut, Error> {
        let mut session = bounded(deadline, |_| self.snapshot()).await?;
        let any = self.collection::<Document>(Policy::Snapshot, "migrations");
        bounded(deadline, |left| any.find_one(doc! { "_id": "" }).max_time(left).session(&mut session)).await?;
        let missing = || mongodb::error::Error::custom("the server gave a snapshot without its time");
        let time = session.snapshot_time().ok_or_else(missing)?;
        Ok(Cut { seconds: time.time, increment: time.increment })
    }

    /// Streams the results of `pipeline` on a collection as of `cut`, or as of now, in pages of at most `page`
    /// documents. Pages are read on demand, so memory does not grow with the collection; the server sorts and groups on
    /// disk beyond 100 MB.
    ///
    /// # Errors
    /// Of each page: database errors, such as a cut that the server no longer keeps.
    pub fn pages<T, D>(
        &self,
        cut: Option<Cut>,
        collection: &'static str,
        pipeline: Vec<Document>,
        page: NonZeroU32,
    ) -> Pages<D>
    where
        T: DeserializeOwned + Send + Sync + Unpin + 'static,
        D: TryFrom<T, Error = ConvertError> + Send + 'static,
    {
        let db = self.clone();
        let pages = async move {
            let reading = open(&db, cut, collection, pipeline, page).await?;
            Ok::<_, Error>(stream::try_unfold(reading, next_page::<T>))
        };
        let pages = stream::once(pages).try_flatten();
        let convert = |page: Vec<T>| page.into_iter().map(D::try_from).collect::<Result<Vec<D>, _>>();
        pages.map(move |page| convert(page?).map_err(Error::from)).boxed()
    }

    async fn snapshot_at(&self, cut: Option<Cut>) -> mongodb::error::Result<ClientSession> {
        let time = cut.map(|cut| bson::Timestamp { time: cut.seconds, increment: cut.increment });
        let mut options = SessionOptions::builder().snapshot(true).build();
        options.snapshot_time = time;
        self.client.start_session().with_options(options).await
    }
}

struct Reading<T> {
    session: ClientSession,
    cursor: SessionCursor<T>,
    page: NonZeroU32,
}

async fn open<T>(
    db: &Db,
    cut: Option<Cut>,
    collection: &str,
    pipeline: Vec<Document>,
    page: NonZeroU32,
) -> Result<Reading<T>, Error>
where
    T: DeserializeOwned + Send + Sync + Unpin + 'static,
{
    let deadline = Deadline::after(PAGE_TIMEOUT);
    let mut session = bounded(deadline, |_| db.snapshot_at(cut)).await?;
    let documents = db.collection::<T>(Policy::Snapshot, collection);
    let aggregate = documents.aggregate(pipeline).allow_disk_use(true).max_time(deadline.remaining()?);
    let aggregate = aggregate.batch_size(page.get()).with_type::<T>().session(&mut session);
    let cursor = deadline.bound(aggregate.into_future()).await??;
    Ok(Reading { session, cursor, page })
}

async fn next_page<T>(mut reading: Reading<T>) -> Result<Option<(Vec<T>, Reading<T>)>, Error>
where
    T: DeserializeOwned + Send + Sync + Unpin,
{
    let page = bounded(Deadline::after(PAGE_TIMEOUT), |_| read_page(&mut reading)).await?;
    Ok(if page.is_empty() { None } else { Some((page, reading)) })
}

async fn read_page<T: DeserializeOwned>(reading: &mut Reading<T>) -> mongodb::error::Result<Vec<T>> {
    let Reading { session, cursor, page: size } = reading;
    let size = usize::try_from(size.get()).unwrap_or(usize::MAX);
    let mut page = Vec::with_capacity(size);
    while page.len() < size && cursor.advance(session).await? {
        page.push(cursor.deserialize_current()?);
    }
    Ok(page)
}
