//! The query parameters of paged lists.

use crate::endpoint::QueryParameter;
use crate::schema;

/// The parameters of every paged list.
pub(super) const PAGE: [QueryParameter; 2] = [
    QueryParameter {
        name: "pageSize",
        description: "The maximum number of items to return.",
        schema: schema::page_size,
    },
    QueryParameter {
        name: "pageToken",
        description: "The `nextPageToken` of the previous page: opaque, valid for the same list and user for 24 hours.",
        schema: schema::page_token,
    },
];
