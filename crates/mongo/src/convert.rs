//! Conversions between our types and BSON types, for the stores.

use jiff::Timestamp;
use mongodb::bson;
use uuid::Uuid;

/// A stored value that our types do not allow: a bug, or a manual change of the database.
#[derive(Debug, Clone, thiserror::Error)]
#[error("a stored {what} is not valid")]
pub struct ConvertError {
    /// The kind of value.
    pub what: &'static str,
}

/// An id as BSON binary, subtype 4.
pub fn to_bson_uuid(id: Uuid) -> bson::Uuid {
    bson::Uuid::from_bytes(id.into_bytes())
}

/// The id in a document.
pub fn from_bson_uuid(id: bson::Uuid) -> Uuid {
    Uuid::from_bytes(id.bytes())
}

/// A time as BSON, in ms.
pub fn to_bson_time(time: Timestamp) -> bson::DateTime {
    bson::DateTime::from_millis(time.as_millisecond())
}

/// The time in a document.
pub fn from_bson_time(time: bson::DateTime) -> Result<Timestamp, ConvertError> {
    Timestamp::from_millisecond(time.timestamp_millis()).map_err(|_| ConvertError { what: "time" })
}

/// A count as BSON's signed 64-bit integer.
pub fn to_i64(what: &'static str, count: u64) -> Result<i64, ConvertError> {
    i64::try_from(count).map_err(|_| ConvertError { what })
}

/// The count in a document.
pub fn to_u64(what: &'static str, stored: i64) -> Result<u64, ConvertError> {
    u64::try_from(stored).map_err(|_| ConvertError { what })
}
