//! An upstream: the channel for generated clients, and calls under the upstream's policy.

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

/// Another service, called through its replicas. Cheap to clone; clones share connections and statistics.
#[derive(Debug, Clone)]
pub struct Upstream {
    channel: Channel,
    policy: Policy,
}

impl Upstream {
    /// Discovers the replicas and connects to them, in tasks of the process. Start order does not matter: a missing
    /// replica is retried until it appears. `name` is the service's name: the label of metrics and log lines, and with
    /// mutual TLS the name that the replicas' certificates must have.
    pub fn start(name: &'static str, config: &UpstreamConfig, shell: &Shell) -> Self {
        let tasks = &shell.tasks;
        let discovery = Discovery::start(name, &config.endpoints, &config.dns, tasks);
        let pool = Arc::new(Pool::new(name, config, discovery, shell.tls.clone()));
        tasks.spawn("upstream", OnFailure::Stop, Arc::clone(&pool).keep(tasks.stop_signal()));
        Self { channel: Channel::new(pool), policy: Policy::new(name, &config.policy) }
    }

    /// The same replicas under another policy, so that calls that fail for their own reasons do not open the breaker of
    /// the others.
    #[must_use]
    pub fn under(&self, policy: Policy) -> Self {
        Self { channel: self.channel(), policy }
    }

    /// The channel, for streams and for callers with their own policy.
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// The policy of [`Upstream::ask`].
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Makes a unary call under the upstream's policy. `call` runs once for each attempt, with its own copy of the
    /// message and the remaining time; each attempt goes to a replica that the others have not asked, as long as there
    /// is one. When all replicas are overloaded, the call fails without another attempt.
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
            let mut context = context.until(attempt.deadline);
            context.has_earlier_attempt |= attempt.number > 1;
            let request = context.request(message.clone());
            let (hint, call, channel) = (hint.clone(), &call, self.channel());
            async move {
                let mut request = request?;
                request.extensions_mut().insert(hint.clone());
                let failure = match call(channel.clone(), request).await {
                    Ok(response) => return Ok(response),
                    Err(status) => Failure::from(status),
                };
                // If all replicas are overloaded, another attempt only adds load.
                let is_last = failure.error().reason() == Reason::Overloaded && !channel.has_room(&hint);
                Err(if is_last { failure.last() } else { failure })
            }
        };
        policed.run(attempt).await
    }
}

/// How a call is made: whether it may be repeated, hedged, or bound to a key.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    safety: Safety,
    is_hedged: bool,
    key: Option<&'a str>,
    attempt_timeout: Option<Duration>,
}

impl<'a> Ask<'a> {
    /// A read: it is retried, and hedged with a second replica when the first one is slow.
    pub fn read() -> Self {
        Self { safety: Safety::Read, is_hedged: true, ..Self::idempotent() }
    }

    /// A call that takes effect once, whose peer makes every earlier attempt impossible before it refuses a later one:
    /// it is retried, and a refusal is final.
    pub fn fenced() -> Self {
        Self { safety: Safety::Fenced, ..Self::idempotent() }
    }

    /// An idempotent write: it is retried.
    pub fn idempotent() -> Self {
        Self { safety: Safety::Idempotent, is_hedged: false, key: None, attempt_timeout: None }
    }

    /// A call that must not be repeated: it is retried only if it is known to have had no effect.
    pub fn once() -> Self {
        Self { safety: Safety::Once, ..Self::idempotent() }
    }

    /// Routes to the replica that rendezvous hashing chooses for this key, as long as it is well.
    #[must_use]
    pub fn key(self, key: &'a str) -> Self {
        Self { key: Some(key), ..self }
    }

    /// Overrides the configured time-out of an attempt.
    #[must_use]
    pub fn attempt_timeout(self, timeout: Duration) -> Self {
        Self { attempt_timeout: Some(timeout), ..self }
    }
}
