//! Compiles the contracts in `proto/` without an installed protoc.

use std::path::{Path, PathBuf};

use prost::Message as _;

const CONTRACTS: [&str; 14] = [
    "fournines/common/v1/common.proto",
    "fournines/user/v1/user.proto",
    "fournines/inventory/v1/inventory.proto",
    "fournines/inventory/v1/audit.proto",
    "fournines/payment/v1/payment.proto",
    "fournines/payment/v1/audit.proto",
    "fournines/order/v1/order.proto",
    "fournines/order/v1/audit.proto",
    "fournines/events/v1/order.proto",
    "fournines/events/v1/payment.proto",
    "fournines/events/v1/stock.proto",
    "fournines/messaging/v1/outbox.proto",
    "fournines/reconciliation/v1/reconciliation.proto",
    "fournines/risk/v1/risk.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    println!("cargo::rerun-if-changed={}", root.display());
    let descriptors = protox::compile(CONTRACTS, [&root])?;
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
