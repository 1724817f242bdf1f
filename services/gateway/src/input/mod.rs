//! The input of a request, parsed once into typed values: body, query, path and headers.

mod body;
mod call;
mod query;
mod violations;

pub(crate) use body::too_large;
pub(crate) use call::Call;
pub(crate) use violations::Violations;
