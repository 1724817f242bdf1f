//! The rules, the orders that they judge, and the counts that some rules need. Pure: no I/O and no clock.

mod assessment;
mod attempts;
mod counts;
mod progress;
mod review;
mod rules;
mod subject;
mod velocity;

pub(crate) use assessment::{Assessment, Candidate, Decision};
pub(crate) use attempts::{Attempt, Attempts};
pub(crate) use counts::{Bucket, Counter, Counts, Entry, bucket_at, bucket_end};
pub(crate) use progress::Progress;
pub(crate) use review::Review;
pub(crate) use rules::VersionedRules;
pub use rules::{InvalidRules, Rule, Rules, When};
pub(crate) use subject::Subject;
pub(crate) use velocity::Velocity;
