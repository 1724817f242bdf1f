//! JSON that differs between requests only in the request id, its last field: serialized once, then completed by
//! copying.

use bytes::Bytes;
use envelope::Error;
use serde::Serialize;

/// The bytes after the id.
const END: &[u8] = b"\"}";

/// A JSON object up to the value of its last field.
#[derive(Debug)]
pub(crate) struct JsonFrame(Vec<u8>);

impl JsonFrame {
    /// Serializes an object whose last field is the request id, which must be empty.
    pub(crate) fn new(object: &impl Serialize) -> Result<Self, Error> {
        let mut json = serde_json::to_vec(object).map_err(Error::internal)?;
        if !json.ends_with(b":\"\"}") {
            return Err(Error::internal("the last field is not an empty string"));
        }
        json.truncate(json.len() - END.len());
        Ok(Self(json))
    }

    /// Completes the object. The id is visible ASCII, of which JSON escapes two characters.
    pub(crate) fn with(&self, request_id: &str) -> Bytes {
        let mut json = Vec::with_capacity(self.0.len() + request_id.len() + END.len());
        json.extend_from_slice(&self.0);
        if request_id.bytes().any(must_be_escaped) {
            for byte in request_id.bytes() {
                json.extend(must_be_escaped(byte).then_some(b'\\'));
                json.push(byte);
            }
        } else {
            json.extend_from_slice(request_id.as_bytes());
        }
        json.extend_from_slice(END);
        json.into()
    }

    /// The length of the object in bytes, without the id.
    pub(crate) fn len(&self) -> usize {
        self.0.len() + END.len()
    }
}

fn must_be_escaped(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\')
}

#[cfg(test)]
mod tests {
    use envelope::{Failure, Problem, Reason, Success};

    use super::*;

    #[test]
    fn a_completed_frame_equals_the_serialized_object() {
        let error = Error::new(Reason::Overloaded, "too much");
        for id in ["r-1", "a\"b\\c", "!~", r#"\""#] {
            let success = |id| Success::new(http::StatusCode::OK, [1, 2], id);
            let whole = [
                (JsonFrame::new(&success("")), serde_json::to_vec(&success(id))),
                (JsonFrame::new(&Failure::new(&error, "")), serde_json::to_vec(&Failure::new(&error, id))),
                (JsonFrame::new(&Problem::new(&error, "")), serde_json::to_vec(&Problem::new(&error, id))),
            ];
            for (frame, expected) in whole {
                assert_eq!(frame.unwrap().with(id), expected.unwrap(), "{id}");
            }
        }
        assert!(JsonFrame::new(&[1]).is_err());
    }
}
