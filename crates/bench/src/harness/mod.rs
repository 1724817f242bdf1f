//! What benchmarks and drills share: a platform to measure on, ways to place orders, load, measurements and results.

pub(crate) mod buyer;
pub(crate) mod clients;
pub(crate) mod drive;
pub(crate) mod lanes;
pub(crate) mod metrics;
pub(crate) mod rest;
pub(crate) mod results;
pub(crate) mod round;
pub(crate) mod shop;
pub(crate) mod stats;
mod stock;
pub(crate) mod svg;
pub(crate) mod usage;
pub(crate) mod workload;
