//! Who may call what: every RPC of the hub by a partner and by an operator, as the table says, and
//! before anything is read of the request.

use entente_client::{
    Refusal,
    api::{
        error::ErrorReason,
        partner::{GetPartnerRequest, GetTermsInForceRequest, ListTermsRequest},
        settlement::{GetPositionRequest, GetStatementRequest},
    },
};
use entente_hub::{
    authorization::{Callers, Row, Shape, TABLE, row},
    caller::Role,
};
use entente_testkit::{
    TestHub,
    cast::{HARBOR, ROVER},
};
use prost::Message;
use prost_types::FileDescriptorSet;
use tonic::Request;

use crate::{
    published::assert_refused,
    wire::{Rpc, Wire},
};

/// The path of every RPC of the contract.
fn described() -> Vec<String> {
    let files = FileDescriptorSet::decode(entente_api::DESCRIPTOR_SET).unwrap().file;
    let services = files.iter().flat_map(|file| {
        file.service
            .iter()
            .map(|service| format!("{}.{}", file.package(), service.name()))
            .zip(file.service.iter().map(|service| &service.method))
    });
    services
        .flat_map(|(service, methods)| {
            methods.iter().map(move |method| format!("/{service}/{}", method.name()))
        })
        .collect()
}

async fn call(wire: &Wire, path: &str, message: &[u8]) -> Result<Vec<u8>, Refusal> {
    let answer = wire.send(path, Request::new(message.to_vec())).await;
    answer.map_err(|status| Refusal::from_status(&status))
}

/// Not even the message is read of who may not call.
async fn assert_forbidden(wire: &Wire, row: &Row) {
    for message in [&[][..], &[0xff; 16]] {
        let refusal = call(wire, row.path, message).await.expect_err(row.path);
        assert_refused(&refusal, ErrorReason::NotAllowed, &[], row.path);
    }
}

/// Whoever may call is answered, or told what is malformed.
async fn assert_admitted(wire: &Wire, row: &Row) {
    let answered = match row.shape {
        Shape::Unary => wire.send(row.path, Request::new(Vec::new())).await.map(drop),
        Shape::Stream | Shape::Duplex => wire.begin(row.path, &[]).await,
    };
    let Err(status) = answered else { return };
    assert_refused_as_malformed(&Refusal::from_status(&status), row.path);
}

fn assert_refused_as_malformed(refusal: &Refusal, path: &str) {
    let reasons = [ErrorReason::Malformed, ErrorReason::WindowNotClosed];
    assert!(reasons.contains(&refusal.reason), "{path}: {refusal:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rpc_admits_the_callers_of_the_table_and_nobody_else() {
    let hub = TestHub::with_cast().await;
    let wires = [
        (Role::Partner, Wire::partner(&hub, HARBOR).await),
        (Role::Operator, Wire::operator(&hub).await),
    ];
    let described = described();
    assert!(described.len() > 25, "the contract has lost its services");
    for (role, wire) in &wires {
        for path in &described {
            let row = row(path).expect(path);
            if row.callers.include(*role) {
                assert_admitted(wire, row).await;
            }
        }
        for row in TABLE.iter().filter(|row| !row.callers.include(*role)) {
            assert_forbidden(wire, row).await;
        }
        let nothing = "/entente.points.v1.PointsService/Mint";
        let refusal = call(wire, nothing, &[]).await.expect_err(nothing);
        assert_refused(&refusal, ErrorReason::NotAllowed, &[], nothing);
    }
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_reads_nobody_but_itself_and_learns_not_even_who_exists() {
    let hub = TestHub::with_cast().await;
    let harbor = Wire::partner(&hub, HARBOR).await;
    let reads = |code: &str| -> [(Rpc, Vec<u8>); 5] {
        let partner = code.to_owned();
        let terms = ListTermsRequest { partner: partner.clone(), ..Default::default() };
        let in_force = GetTermsInForceRequest { partner: partner.clone(), at: None };
        let position = GetPositionRequest { partner: partner.clone(), window: String::new() };
        let window = "2026-03".to_owned();
        let statement = GetStatementRequest { partner: partner.clone(), window };
        [
            (("partner", "GetPartner"), GetPartnerRequest { partner }.encode_to_vec()),
            (("partner", "ListTerms"), terms.encode_to_vec()),
            (("partner", "GetTermsInForce"), in_force.encode_to_vec()),
            (("settlement", "GetPosition"), position.encode_to_vec()),
            (("settlement", "GetStatement"), statement.encode_to_vec()),
        ]
    };
    for other in [ROVER, "nobody-at-all"] {
        for (rpc, message) in reads(other) {
            let refusal = harbor.call(rpc, &message).await.expect_err(rpc.1);
            assert_refused(&refusal, ErrorReason::NotAllowed, &[], rpc.1);
        }
    }
    for itself in ["", HARBOR] {
        for (rpc, message) in reads(itself) {
            let refusal = harbor.call(rpc, &message).await.err();
            let expected = (rpc.1 == "GetStatement").then_some(ErrorReason::WindowUnknown);
            assert_eq!(refusal.map(|refusal| refusal.reason), expected, "{}", rpc.1);
        }
    }
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_that_nobody_created_is_nobody() {
    let hub = TestHub::start().await;
    let stranger = Wire::partner(&hub, HARBOR).await;
    for path in described() {
        let row = row(&path).expect(&path);
        if row.callers != Callers::Operators {
            let refusal = call(&stranger, row.path, &[]).await.expect_err(row.path);
            assert_refused(&refusal, ErrorReason::Unauthenticated, &[], row.path);
        }
    }
    hub.close().await;
}
