//! The input of a request, parsed once into typed values: body, query, path and headers.

mod body;
mod call;
mod conditions;
mod query;
mod violations;

pub(crate) use body::too_large;
pub(crate) use call::Call;
pub(crate) use conditions::{is_match, version_tag};
pub(crate) use query::{MAX_PAGE_TOKEN_LENGTH, Query};
pub(crate) use violations::Violations;
