//! A copy of a response, already serialized.

use std::time::{Duration, Instant};

use actix_web::http::header::HeaderValue;
use envelope::{Error, Success};
use serde::Serialize;

use crate::entity_tag::{Versioned, digest_tag, version_tag};
use crate::json_frame::JsonFrame;

/// The approximate memory of a copy besides its text, in bytes.
const OVERHEAD: usize = 256;

/// A copy of one response.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(super) json: JsonFrame,
    pub(super) etag: HeaderValue,
    /// When it was made. Its data may be older by the latency of the call.
    made_at: Instant,
    /// The number of changes when it was requested.
    changes: u64,
}

impl Snapshot {
    /// A copy of data with a version.
    pub(crate) fn versioned(data: impl Serialize + Versioned) -> Result<Self, Error> {
        let tag = version_tag(data.version());
        Self::new(data, tag)
    }

    /// A copy of data without a version.
    pub(crate) fn digested(data: impl Serialize) -> Result<Self, Error> {
        let tag = digest_tag(&data)?;
        Self::new(data, tag)
    }

    fn new(data: impl Serialize, tag: String) -> Result<Self, Error> {
        let json = JsonFrame::new(&Success::new(http::StatusCode::OK, data, ""))?;
        let etag = HeaderValue::try_from(tag).map_err(Error::internal)?;
        Ok(Self { json, etag, made_at: Instant::now(), changes: 0 })
    }

    pub(super) fn after(self, changes: u64) -> Self {
        Self { changes, ..self }
    }

    pub(super) fn is_of(&self, changes: u64) -> bool {
        self.changes == changes
    }

    pub(super) fn age(&self) -> Duration {
        self.made_at.elapsed()
    }

    /// Its size in memory, in bytes.
    pub(crate) fn size(&self) -> usize {
        self.json.len() + OVERHEAD
    }

    /// The length of its JSON in bytes, without the request id.
    pub(crate) fn text_length(&self) -> usize {
        self.json.len()
    }
}
