//! The rules, what they are asked about, and the counts that some of them need. Pure: no I/O and no clock.

mod assessment;
mod attempts;
mod counts;
mod rules;
mod subject;

pub(crate) use assessment::{Assessment, Candidate};
pub(crate) use attempts::{Attempt, Attempts};
pub(crate) use counts::{Bucket, Counter, Counts, Entry, bucket_at, bucket_end};
pub(crate) use rules::{Decision, VersionedRules};
pub use rules::{InvalidRules, Rule, Rules, When};
pub(crate) use subject::Subject;
