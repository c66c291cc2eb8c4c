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
    authorization::{Access, Callers, Row, Scope, Shape, TABLE, possible, row},
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
    credentials::{bearing, second_operator, token},
    published::assert_refused,
    wire::{Rpc, Wire, operator, partner},
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

/// What a call shows beside its certificate.
struct Shown<'a> {
    wire: &'a Wire,
    token: Option<&'a str>,
}

impl Shown<'_> {
    async fn call(&self, row: &Row, message: &[u8]) -> Result<(), Refusal> {
        let request = bearing(self.token, message);
        let answered = match row.shape {
            Shape::Unary => self.wire.send(row.path, request).await.map(drop),
            Shape::Stream | Shape::Duplex => self.wire.begin(row.path, request).await,
        };
        answered.map_err(|status| Refusal::from_status(&status))
    }

    /// Not even the message is read of who may not call.
    async fn is_refused(&self, row: &Row, reason: ErrorReason, metadata: &[(&str, &str)]) {
        for message in [&[][..], &[0xff; 16]] {
            let refusal = self.call(row, message).await.expect_err(row.path);
            assert_refused(&refusal, reason, metadata, row.path);
        }
    }

    /// Whoever may call is answered, or told what is malformed.
    async fn is_admitted(&self, row: &Row) {
        let Err(refusal) = self.call(row, &[]).await else { return };
        let reason = match row.path {
            "/entente.settlement.v1.SettlementService/GetStatement" => ErrorReason::WindowNotClosed,
            // It is what the message brings that is no token.
            "/entente.identity.v1.TokenService/RevokeToken" => ErrorReason::TokenRefused,
            _ => ErrorReason::Malformed,
        };
        let malformed = refusal.reason == ErrorReason::Malformed;
        assert!(malformed || refusal.reason == reason, "{}: {refusal:?}", row.path);
    }
}

/// All that a caller could have, but for one.
fn all_but(role: Role, missing: Scope) -> Vec<&'static str> {
    possible(role).iter().filter(|scope| *scope != missing).map(Scope::name).collect()
}

/// Every RPC of the contract by each role: with no token, with another's, without the scope, and with
/// all that it needs. An RPC without a row fails here.
#[tokio::test(flavor = "multi_thread")]
async fn every_rpc_admits_the_callers_of_the_table_by_a_token_with_its_scope_and_nobody_else() {
    let hub = TestHub::with_cast().await;
    let described = described();
    assert!(described.len() > 40, "the contract has lost its services");
    assert!(described.iter().all(|path| row(path).is_some()));
    let mut cells = 0;
    for (role, who, another) in [
        (Role::Partner, partner(HARBOR), partner(ROVER)),
        (Role::Operator, operator(), second_operator()),
    ] {
        let wire = Wire::without_token(&hub, &who).await;
        let own = token(&hub, &who, &[]).await;
        let others = token(&hub, &another, &[]).await;
        for row in TABLE {
            cells += 1;
            if !row.callers.include(role) {
                Shown { wire: &wire, token: None }
                    .is_refused(row, ErrorReason::NotAllowed, &[])
                    .await;
                Shown { wire: &wire, token: Some(&own) }
                    .is_refused(row, ErrorReason::NotAllowed, &[])
                    .await;
                continue;
            }
            if row.access != Access::Open {
                for bad in [None, Some(others.as_str()), Some("")] {
                    Shown { wire: &wire, token: bad }
                        .is_refused(row, ErrorReason::TokenRefused, &[])
                        .await;
                }
            }
            if let Access::Scope(scope) = row.access {
                let without = token(&hub, &who, &all_but(role, scope)).await;
                let missing = [("scope", scope.name())];
                Shown { wire: &wire, token: Some(&without) }
                    .is_refused(row, ErrorReason::ScopeMissing, &missing)
                    .await;
                let alone = token(&hub, &who, &[scope.name()]).await;
                Shown { wire: &wire, token: Some(&alone) }.is_admitted(row).await;
            }
            Shown { wire: &wire, token: Some(&own) }.is_admitted(row).await;
        }
        let nothing = "/entente.points.v1.PointsService/Mint";
        let refused = wire.send(nothing, bearing(Some(&own), &[])).await.expect_err(nothing);
        let refusal = Refusal::from_status(&refused);
        assert_refused(&refusal, ErrorReason::NotAllowed, &[], nothing);
    }
    assert_eq!(cells, 2 * TABLE.len());
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
        let statement = GetStatementRequest {
            partner: partner.clone(),
            window,
            ..GetStatementRequest::default()
        };
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
        // Tokens and keys are of identities, whether or not a partner goes by the name.
        if row.callers != Callers::Operators && !path.starts_with("/entente.identity.") {
            let message = Request::new(Vec::new());
            let refusal = stranger.send(row.path, message).await.expect_err(row.path);
            let refusal = Refusal::from_status(&refusal);
            assert_refused(&refusal, ErrorReason::Unauthenticated, &[], row.path);
        }
    }
    hub.close().await;
}
