//! An upstream as its users see it: a channel for generated clients, and calls under the upstream's policy.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use envelope::{Error, Reason};
use resilience::{Attempt, Failure, Policy, Safety};
use service::{OnFailure, RequestContext, Shell};
use tonic::{Request, Response, Status};

use crate::channel::Channel;
use crate::config::UpstreamConfig;
use crate::discovery::Discovery;
use crate::hint::Hint;
use crate::pool::Pool;

/// The replicas of another service. Cheap to clone; clones share connections and what they learn.
#[derive(Debug, Clone)]
pub struct Upstream {
    channel: Channel,
    policy: Policy,
}

impl Upstream {
    /// Finds the replicas and connects to them, in tasks of the process. Nothing depends on start order: a replica that
    /// is not there yet is tried again and again. `name` is that of the service: it labels metrics and log lines, and
    /// with mutual TLS replicas must prove that they have it.
    pub fn start(name: &'static str, config: &UpstreamConfig, shell: &Shell) -> Self {
        let tasks = &shell.tasks;
        let discovery = Discovery::start(name, &config.endpoints, &config.dns, tasks);
        let pool = Arc::new(Pool::new(name, config, discovery, shell.tls.clone()));
        tasks.spawn("upstream", OnFailure::Stop, Arc::clone(&pool).keep(tasks.stop_signal()));
        Self { channel: Channel::new(pool), policy: Policy::new(name, &config.policy) }
    }

    /// The same replicas under another policy, so that what fails for a reason of its own opens no breaker for the
    /// rest.
    #[must_use]
    pub fn under(&self, policy: Policy) -> Self {
        Self { channel: self.channel(), policy }
    }

    /// The channel, for streams and whoever has a policy of their own.
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// The policy that [`Upstream::ask`] calls under.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Makes a unary call under the upstream's policy. `call` is made once an attempt, with a message and metadata of
    /// its own and what is left of the time; each attempt goes to a replica that the others have not asked, as long as
    /// there is one. When one is overloaded, and so are all others, that is the answer, and no other attempt is made.
    ///
    /// # Errors
    /// As [`resilience::Call::run`].
    pub async fn ask<M, T, F, W>(
        &self,
        context: &RequestContext,
        message: M,
        how: Ask<'_>,
        call: F,
    ) -> Result<Response<T>, Error>
    where
        M: Clone,
        F: Fn(Channel, Request<M>) -> W,
        W: Future<Output = Result<Response<T>, Status>>,
    {
        let hint = Hint::new(how.key.map(Arc::from), context.client_address);
        let mut policed = self.policy.call(context.deadline).safety(how.safety);
        if how.is_hedged {
            policed = policed.hedged();
        }
        if let Some(timeout) = how.attempt_timeout {
            policed = policed.attempt_timeout(timeout);
        }
        let attempt = |attempt: Attempt| {
            let request = context.until(attempt.deadline).request(message.clone());
            let (hint, call, channel) = (hint.clone(), &call, self.channel());
            async move {
                let mut request = request?;
                request.extensions_mut().insert(hint.clone());
                let failure = match call(channel.clone(), request).await {
                    Ok(response) => return Ok(response),
                    Err(status) => Failure::from(status),
                };
                // Where all have too much to do, each further question is one more.
                let is_last = failure.error().reason() == Reason::Overloaded && !channel.has_room(&hint);
                Err(if is_last { failure.last() } else { failure })
            }
        };
        policed.run(attempt).await
    }
}

/// How a call is made.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    safety: Safety,
    is_hedged: bool,
    key: Option<&'a str>,
    attempt_timeout: Option<Duration>,
}

impl<'a> Ask<'a> {
    /// It changes nothing: it is tried again, and a second replica is asked when the first takes long.
    pub fn read() -> Self {
        Self { is_hedged: true, ..Self::idempotent() }
    }

    /// Doing it twice does no harm: it is tried again.
    pub fn idempotent() -> Self {
        Self { safety: Safety::Idempotent, is_hedged: false, key: None, attempt_timeout: None }
    }

    /// It is tried again only when it is known not to have been done.
    pub fn once() -> Self {
        Self { safety: Safety::Once, ..Self::idempotent() }
    }

    /// Goes to the replica that rendezvous hashing names for this key, as long as that one is well.
    #[must_use]
    pub fn key(self, key: &'a str) -> Self {
        Self { key: Some(key), ..self }
    }

    /// How long an attempt may take, instead of what the upstream is configured with.
    #[must_use]
    pub fn attempt_timeout(self, timeout: Duration) -> Self {
        Self { attempt_timeout: Some(timeout), ..self }
    }
}
