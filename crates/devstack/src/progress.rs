//! Progress of the start of a stack, as events. The listener decides how they are shown.

use std::fmt;
use std::sync::Arc;

/// An event of the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// A step has begun. Steps may overlap.
    Begin(&'a str),
    /// A step has succeeded.
    End(&'a str),
    /// A step has failed. Its error is returned by the call that ran it.
    Fail(&'a str),
    /// A note that is no step.
    Note(&'a str),
}

/// A listener for [`Event`]s. Cheap to clone.
#[derive(Clone)]
pub struct Progress(Arc<dyn Fn(Event<'_>) + Send + Sync>);

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}

impl Progress {
    /// A listener that calls `listener` for each event. It must not block.
    pub fn new(listener: impl Fn(Event<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(listener))
    }

    /// A listener that ignores everything; for tests.
    #[must_use]
    pub fn silent() -> Self {
        Self::new(|_| ())
    }

    /// Emits a note.
    pub fn note(&self, text: &str) {
        (self.0)(Event::Note(text));
    }

    /// Runs `work` as the step `label`.
    ///
    /// # Errors
    /// Those of `work`, unchanged.
    pub async fn step<T, E>(&self, label: &str, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        (self.0)(Event::Begin(label));
        let result = work.await;
        (self.0)(if result.is_ok() { Event::End(label) } else { Event::Fail(label) });
        result
    }
}
