//! Streams of pages, and the conversions that all peers share.

use std::time::Duration;

use balancer::Ask;
use envelope::Error;
use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use mongo::Cut;
use primitives::ParseError;
use proto::common::v1::Cut as CutMessage;
use service::{Deadline, RequestContext};
use tonic::{Response, Status, Streaming};

use crate::domain::TimeRange;

/// How long a call may take until its answer, or until its stream begins.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a page may take; the services stop earlier.
const PAGE_TIMEOUT: Duration = Duration::from_secs(250);
/// The largest message that is read, in bytes. Services limit their pages well below it.
pub(super) const MAX_MESSAGE: usize = 16 << 20;

/// Pages in the order of their key.
pub(crate) type Pages<T> = BoxStream<'static, Result<Vec<T>, Error>>;

/// A background call that is idempotent.
pub(super) fn background() -> Ask<'static> {
    Ask::idempotent().attempt_timeout(CALL_TIMEOUT)
}

/// The pages of a call's stream, read on demand.
pub(super) fn pages<M: Send + 'static, T: Send + 'static>(
    call: impl Future<Output = Result<Response<Streaming<M>>, Status>> + Send + 'static,
    to_items: impl Fn(M) -> Result<Vec<T>, Error> + Clone + Send + 'static,
) -> Pages<T> {
    let opened = async move {
        let answer = Deadline::after(CALL_TIMEOUT).bound(call).await?.map_err(Error::from_status)?;
        Ok::<_, Error>(stream::try_unfold((answer.into_inner(), to_items), async |(mut messages, to_items)| {
            let message = Deadline::after(PAGE_TIMEOUT).bound(messages.message()).await?;
            let Some(message) = message.map_err(Error::from_status)? else { return Ok(None) };
            Ok(Some((to_items(message)?, (messages, to_items))))
        }))
    };
    stream::once(opened).try_flatten().boxed()
}

/// The request of a stream. It fails with the error type of a call.
// The wire's own error type is large, as in all of tonic.
#[allow(clippy::result_large_err)]
pub(super) fn internal<T>(message: T) -> Result<tonic::Request<T>, Status> {
    RequestContext::internal(CALL_TIMEOUT).request(message).map_err(Error::into_status)
}

// The wire has an option there.
#[allow(clippy::unnecessary_wraps)]
pub(super) fn as_of(cut: Cut) -> Option<CutMessage> {
    Some(CutMessage { seconds: cut.seconds, increment: cut.increment })
}

pub(super) fn bounds(range: Option<TimeRange>) -> (Option<proto::Timestamp>, Option<proto::Timestamp>) {
    range.map(|range| (proto::from_timestamp(range.from), proto::from_timestamp(range.to))).unzip()
}

pub(super) fn texts<T: ToString>(ids: &[T]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

pub(super) fn parse<T: std::str::FromStr<Err = ParseError>>(text: &str) -> Result<T, Error> {
    text.parse().map_err(|error: ParseError| Error::internal(error))
}
