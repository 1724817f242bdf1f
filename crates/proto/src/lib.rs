//! The code generated from `proto/`: messages, clients, servers and the descriptor set; and the conversions of the few
//! types that all areas share. No other logic.

mod convert;

pub use convert::{ConvertError, from_money, from_timestamp, to_cut, to_money, to_timestamp};
pub use prost_types::Timestamp;

pub use generated::fournines::{common, events, inventory, messaging, order, payment, reconciliation, risk, user};

/// All contracts as an encoded `FileDescriptorSet`, for server reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// The generated code. It is nested like its packages because it refers to itself by relative paths.
#[allow(missing_docs, clippy::all, clippy::unwrap_used, unreachable_pub)]
mod generated {
    pub mod fournines {
        pub mod common {
            pub mod v1 {
                tonic::include_proto!("fournines.common.v1");
            }
        }
        pub mod user {
            pub mod v1 {
                tonic::include_proto!("fournines.user.v1");
            }
        }
        pub mod inventory {
            pub mod v1 {
                tonic::include_proto!("fournines.inventory.v1");
            }
        }
        pub mod payment {
            pub mod v1 {
                tonic::include_proto!("fournines.payment.v1");
            }
        }
        pub mod order {
            pub mod v1 {
                tonic::include_proto!("fournines.order.v1");
            }
        }
        pub mod events {
            pub mod v1 {
                tonic::include_proto!("fournines.events.v1");
            }
        }
        pub mod messaging {
            pub mod v1 {
                tonic::include_proto!("fournines.messaging.v1");
            }
        }
        pub mod reconciliation {
            pub mod v1 {
                tonic::include_proto!("fournines.reconciliation.v1");
            }
        }
        pub mod risk {
            pub mod v1 {
                tonic::include_proto!("fournines.risk.v1");
            }
        }
    }
}
