//! The transaction loop: bounded by the caller's deadline, retried with jitter, and run in its own task, so that a
//! dropped request can't interrupt a commit.
//!
//! It follows the convenient transaction API of the MongoDB driver specification, with two differences: a refusal is
//! confirmed by a majority before it is returned, and a commit is followed to its end 5 s beyond the deadline.

use std::future::IntoFuture as _;
use std::time::Duration;

use futures::future::BoxFuture;
use mongodb::ClientSession;
use mongodb::bson::{Document, doc};
use mongodb::error::{Error as DriverError, TRANSIENT_TRANSACTION_ERROR, UNKNOWN_TRANSACTION_COMMIT_RESULT};
use mongodb::options::{ReadConcern, TransactionOptions};
use service::{Backoff, Deadline};

use crate::{Db, Error, Policy, bounded};

/// How long beyond the caller's deadline a sent commit is retried to learn its outcome.
const COMMIT_GRACE: Duration = Duration::from_secs(5);
/// The time-out of an abort; without one the server aborts by itself later.
const ABORT_TIMEOUT: Duration = Duration::from_secs(1);
/// The time-out for superseding an unanswered commit.
const SUPERSEDE_TIMEOUT: Duration = Duration::from_secs(5);
/// The pauses between attempts: 2, 4, 8 … 128 ms, each plus up to as much again at random.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(2), LONGEST_BACKOFF);
const LONGEST_BACKOFF: Duration = Duration::from_millis(128);

/// Why the body of a transaction ends without a value.
#[derive(Debug)]
pub enum Abort<R> {
    /// A business rule refuses it: nothing is written, and there is no retry.
    Refused(R),
    /// The body needs to start over at once, in a new snapshot.
    Again,
    /// The database failed; transient failures are retried.
    Driver(DriverError),
}

impl<R> From<DriverError> for Abort<R> {
    fn from(error: DriverError) -> Self {
        Self::Driver(error)
    }
}

/// Why a transaction was not committed.
#[derive(Debug, thiserror::Error)]
pub enum TransactError<R> {
    /// The body refused.
    #[error("the transaction was refused")]
    Refused(R),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] Error),
}

enum Attempt<T, R> {
    Committed(T),
    Again,
    Retry(DriverError),
    Failed(TransactError<R>),
}

impl Db {
    /// Runs `body` in a transaction (snapshot reads, journaled majority commit) until it commits or the deadline
    /// passes. `body` may run many times: it must have no effects except reads and writes in the session.
    ///
    /// # Errors
    /// `Refused` is returned by the body, and is based on majority-committed data; [`Error::OutcomeUnknown`] means that
    /// a commit was sent and not answered until 5 s beyond the deadline.
    pub async fn transact<T, R, F>(&self, deadline: Deadline, body: F) -> Result<T, TransactError<R>>
    where
        F: for<'s> FnMut(&'s mut ClientSession) -> BoxFuture<'s, Result<T, Abort<R>>> + Send + 'static,
        T: Send + 'static,
        R: Send + 'static,
    {
        let db = self.clone();
        let work = async move { db.try_until(deadline, body).await };
        self.tasks.run_to_end("transaction", work).await.unwrap_or(Err(TransactError::Store(Error::Panicked)))
    }

    async fn try_until<T, R, F>(&self, deadline: Deadline, mut body: F) -> Result<T, TransactError<R>>
    where
        F: for<'s> FnMut(&'s mut ClientSession) -> BoxFuture<'s, Result<T, Abort<R>>> + Send,
    {
        let mut session = bounded(deadline, |_| self.client.start_session()).await?;
        let mut pauses = BACKOFF.pauses();
        loop {
            match self.attempt(&mut session, deadline, &mut body).await {
                Attempt::Committed(value) => return Ok(value),
                Attempt::Failed(error) => return Err(error),
                Attempt::Again => {}
                Attempt::Retry(error) => {
                    metrics::counter!("mongo_transaction_retries_total").increment(1);
                    self.conflicts.note();
                    let pause = pauses.next().unwrap_or(LONGEST_BACKOFF);
                    if deadline.bound(tokio::time::sleep(pause)).await.is_err() {
                        return Err(TransactError::Store(Error::Deadline(Some(error))));
                    }
                }
            }
        }
    }

    async fn attempt<T, R, F>(&self, session: &mut ClientSession, deadline: Deadline, body: &mut F) -> Attempt<T, R>
    where
        F: for<'s> FnMut(&'s mut ClientSession) -> BoxFuture<'s, Result<T, Abort<R>>> + Send,
    {
        if let Err(error) = self.begin(session, deadline).await {
            return Attempt::Failed(TransactError::Store(error));
        }
        let value = match deadline.bound(body(session)).await {
            Ok(Ok(value)) => value,
            Ok(Err(Abort::Driver(error))) if error.contains_label(TRANSIENT_TRANSACTION_ERROR) => {
                abort(session).await;
                return Attempt::Retry(error);
            }
            Ok(Err(Abort::Driver(error))) => {
                abort(session).await;
                return Attempt::Failed(TransactError::Store(error.into()));
            }
            Ok(Err(Abort::Again)) => {
                abort(session).await;
                return Attempt::Again;
            }
            Ok(Err(Abort::Refused(refusal))) => {
                abort(session).await;
                return Attempt::Failed(match self.confirm_seen(deadline).await {
                    Ok(()) => TransactError::Refused(refusal),
                    Err(error) => TransactError::Store(error),
                });
            }
            Err(expired) => {
                abort(session).await;
                return Attempt::Failed(TransactError::Store(expired.into()));
            }
        };
        match commit(session, deadline).await {
            Ok(()) => Attempt::Committed(value),
            Err(CommitError::Transient(error)) => Attempt::Retry(error),
            Err(CommitError::Final(error)) => {
                if matches!(error, Error::OutcomeUnknown(_)) {
                    self.supersede(session).await;
                }
                Attempt::Failed(TransactError::Store(error))
            }
        }
    }

    /// Supersedes an unanswered commit. If the commit never reached the server, its transaction is still open and keeps
    /// its writes locked until the server aborts it after a minute; the next transaction of the session, which is
    /// empty, ends it at once. If it did reach the server, a majority has it when this returns, so that a lookup finds
    /// its effect.
    async fn supersede(&self, session: &mut ClientSession) {
        let deadline = Deadline::after(SUPERSEDE_TIMEOUT);
        let any = self.collection::<Document>(Policy::Ledger, "migrations");
        let next = async {
            self.begin(session, deadline).await?;
            let find = any.find_one(doc! { "_id": "" }).session(&mut *session);
            deadline.bound(find.into_future()).await??;
            abort(session).await;
            self.confirm_seen(deadline).await
        };
        if let Err(error) = next.await {
            tracing::warn!(?error, "an unanswered commit could not be superseded");
        }
    }

    /// Waits until a majority has the data that an aborted transaction has read. A snapshot may contain writes that
    /// only the primary has: a refusal must not be based on data that can be rolled back, and a lookup of the
    /// conflicting document must find it.
    async fn confirm_seen(&self, deadline: Deadline) -> Result<(), Error> {
        let any = self.collection::<Document>(Policy::Linearizable, "migrations");
        bounded(deadline, |left| any.find_one(doc! { "_id": "" }).max_time(left)).await?;
        Ok(())
    }

    #[allow(clippy::disallowed_methods)] // the one place where transactions start
    async fn begin(&self, session: &mut ClientSession, deadline: Deadline) -> Result<(), Error> {
        let left = deadline.remaining()?;
        let options = TransactionOptions::builder()
            .read_concern(ReadConcern::snapshot())
            .write_concern(self.majority())
            .max_commit_time(left)
            .build();
        bounded(deadline, |_| session.start_transaction().with_options(options)).await
    }
}

enum CommitError {
    /// The transaction was not committed, and can be retried as a whole.
    Transient(DriverError),
    Final(Error),
}

/// Commits, and repeats the commit while its outcome is unknown, which is safe.
async fn commit(session: &mut ClientSession, deadline: Deadline) -> Result<(), CommitError> {
    let left = deadline.remaining().unwrap_or_default();
    let until = Deadline::after(left + COMMIT_GRACE);
    let mut pauses = BACKOFF.pauses();
    let mut last = None;
    loop {
        match until.bound(session.commit_transaction().into_future()).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) if error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT) => last = Some(error),
            // After an unknown outcome, this label no longer proves that nothing was committed.
            Ok(Err(error)) if last.is_none() && error.contains_label(TRANSIENT_TRANSACTION_ERROR) => {
                return Err(CommitError::Transient(error));
            }
            Ok(Err(error)) if last.is_none() => return Err(CommitError::Final(error.into())),
            Ok(Err(error)) => return Err(CommitError::Final(Error::OutcomeUnknown(Some(error)))),
            Err(_) => return Err(CommitError::Final(Error::OutcomeUnknown(last))),
        }
        metrics::counter!("mongo_commit_retries_total").increment(1);
        let pause = pauses.next().unwrap_or(LONGEST_BACKOFF);
        if until.bound(tokio::time::sleep(pause)).await.is_err() {
            return Err(CommitError::Final(Error::OutcomeUnknown(last)));
        }
    }
}

async fn abort(session: &mut ClientSession) {
    match tokio::time::timeout(ABORT_TIMEOUT, session.abort_transaction()).await {
        Ok(Ok(())) => {}
        // The server has already aborted it, or will at the end of its lifetime.
        Ok(Err(error)) => tracing::debug!(%error, "a transaction could not be aborted"),
        Err(_) => tracing::debug!("aborting a transaction took too long"),
    }
}
