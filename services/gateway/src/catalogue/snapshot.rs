//! A copy of an answer, in the form in which it goes out.

use std::time::{Duration, Instant};

use actix_web::http::header::HeaderValue;
use envelope::{Error, Success};
use serde::Serialize;

use crate::input::version_tag;
use crate::json_frame::JsonFrame;
use crate::reply::{Versioned, digest_tag};

/// What a copy takes in memory besides its text, roughly.
const OVERHEAD: usize = 256;

/// A copy of one answer.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(super) json: JsonFrame,
    pub(super) etag: HeaderValue,
    /// When it was made. What it says may be older by the time that the answer took.
    made_at: Instant,
    /// How many changes had been made when it was asked for.
    changes: u64,
}

impl Snapshot {
    /// Of data with a version.
    pub(crate) fn versioned(data: impl Serialize + Versioned) -> Result<Self, Error> {
        let tag = version_tag(data.version());
        Self::new(data, tag)
    }

    /// Of data without one.
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

    /// The bytes that it takes.
    pub(crate) fn size(&self) -> usize {
        self.json.len() + OVERHEAD
    }

    /// The bytes of its JSON, without the request id.
    pub(crate) fn text_length(&self) -> usize {
        self.json.len()
    }
}
