//! The query of a request. An unknown parameter is a violation, as is a malformed one.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Display;

use actix_web::web;
use envelope::{Error, Reason};
use proto::common::v1::PageRequest;
use service::page;

use crate::bounds::MAX_PAGE_TOKEN_LENGTH;
use crate::input::violations::Violations;

/// The parameters that have not been taken yet.
#[derive(Debug)]
pub(crate) struct Query {
    parameters: BTreeMap<String, String>,
    violations: Violations,
    bad_page_token: bool,
}

impl Query {
    pub(crate) fn parse(query: &str) -> Result<Self, Error> {
        let pairs = web::Query::<Vec<(String, String)>>::from_query(query).map_err(|error| {
            Error::new(Reason::ValidationFailed, "the query string is not valid").with_source(error)
        })?;
        let mut parameters = BTreeMap::new();
        let mut violations = Violations::default();
        for (name, value) in pairs.into_inner() {
            match parameters.entry(name) {
                Entry::Vacant(entry) => {
                    entry.insert(value);
                }
                Entry::Occupied(entry) => violations.add(entry.key(), "is duplicated"),
            }
        }
        Ok(Self { parameters, violations, bad_page_token: false })
    }

    /// Takes and parses a parameter.
    pub(crate) fn take<T, E: Display>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        let text = self.parameters.remove(name)?;
        self.violations.take(name, parse(&text))
    }

    /// Takes the parameters that select a page.
    pub(crate) fn take_page(&mut self) -> PageRequest {
        let size = |text: &str| match text.parse::<u32>() {
            Ok(size @ 1..=page::MAX_SIZE) => Ok(size),
            _ => Err(format!("must be 1 to {}", page::MAX_SIZE)),
        };
        let page_size = self.take("pageSize", size).unwrap_or(page::DEFAULT_SIZE);
        let page_token = self.parameters.remove("pageToken");
        let in_alphabet = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let well_formed =
            |token: &String| (1..=MAX_PAGE_TOKEN_LENGTH).contains(&token.len()) && token.bytes().all(in_alphabet);
        self.bad_page_token = page_token.as_ref().is_some_and(|token| !well_formed(token));
        PageRequest { page_size, page_token: page_token.unwrap_or_default() }
    }

    /// An error if any parameter is invalid or unknown.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        for name in self.parameters.into_keys() {
            self.violations.add(name, "is not a known parameter");
        }
        self.violations.finish()?;
        if self.bad_page_token {
            return Err(Error::new(Reason::InvalidPageToken, "the page token is not valid for this list"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_violations_are_reported_together() {
        let mut query = Query::parse("pageSize=0&x=1&category=&category=b&y=2").unwrap();
        query.take_page();
        query.take("category", |text| if text.is_empty() { Err("must not be empty") } else { Ok(()) });
        let error = query.finish().unwrap_err();
        assert_eq!(error.reason(), Reason::ValidationFailed);
        assert_eq!(error.details().len(), 5);
    }

    #[test]
    fn page_parameters_are_parsed_and_checked() {
        let mut query = Query::parse("pageSize=200&pageToken=a-b_c").unwrap();
        let page = query.take_page();
        assert_eq!((page.page_size, page.page_token.as_str()), (200, "a-b_c"));
        query.finish().unwrap();
        for bad in ["pageToken=", "pageToken=%C3%A4", "pageToken=a+b", "pageToken=%24gt"] {
            let mut query = Query::parse(bad).unwrap();
            query.take_page();
            assert_eq!(query.finish().unwrap_err().reason(), Reason::InvalidPageToken, "{bad}");
        }
        for bad in ["pageSize=201", "pageSize=-1", "pageSize=1.5", "pageSize=", "pageSize=99999999999"] {
            let mut query = Query::parse(bad).unwrap();
            query.take_page();
            assert_eq!(query.finish().unwrap_err().reason(), Reason::ValidationFailed, "{bad}");
        }
    }
}
