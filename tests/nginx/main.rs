//! A real nginx, with the settings of `deploy/nginx`, in front of gateways that are killed, stopped, overloaded or
//! away. Run by `make test-nginx`, which sees to it that there is an nginx.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test stops where it fails

mod fake;
mod front;
mod gateways;
mod load;
mod refusals;
mod repeats;
