//! Compiles the contract with protox: no `protoc` has to be installed.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;

const SERVICES: &[&str] = &[
    "entente/audit/v1/audit_service.proto",
    "entente/error/v1/error_reason.proto",
    "entente/event/v1/event_service.proto",
    "entente/event/v1/webhook_service.proto",
    "entente/identity/v1/key_service.proto",
    "entente/identity/v1/operator_service.proto",
    "entente/identity/v1/token_service.proto",
    "entente/ledger/v1/ledger_service.proto",
    "entente/member/v1/member_service.proto",
    "entente/partner/v1/partner_service.proto",
    "entente/points/v1/points_service.proto",
    "entente/proposal/v1/proposal_service.proto",
    "entente/settlement/v1/clearing_service.proto",
    "entente/settlement/v1/reconciliation_service.proto",
    "entente/settlement/v1/report_service.proto",
    "entente/settlement/v1/settlement_service.proto",
    // What the details of refusals are made of: whoever reads the descriptors can read them.
    "google/rpc/error_details.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    println!("cargo:rerun-if-changed={}", root.display());
    let files = protox::compile(SERVICES, [&root])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("entente.bin"), files.encode_to_vec())?;
    tonic_prost_build::configure()
        .extern_path(".google.rpc", "::tonic_types::pb")
        .compile_fds(files)?;
    Ok(())
}
