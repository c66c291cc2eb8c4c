//! Operators made by operators: a key and roles come by two of them, and an act needs its own role.

use entente_client::{
    Client, api,
    api::{
        error::ErrorReason,
        identity::{GrantRolesRequest, OperatorRole, RegisterKeyRequest},
        ledger::GetLedgerRequest,
        partner::CreatePartnerRequest,
        proposal::{Act, ProposeRequest, act::Act as OneAct},
    },
    new_request_id,
};
use entente_identity::{Identity, pki::Overwrite};
use entente_testkit::{
    TestHub,
    cast::{self, HARBOR, real_now},
};

use crate::credentials::{assertions, bare, issue};

fn carol() -> Identity {
    Identity::Operator("carol".parse().unwrap())
}

fn grant(roles: &[OperatorRole]) -> OneAct {
    OneAct::GrantRoles(GrantRolesRequest {
        operator: "carol".to_owned(),
        roles: roles.iter().map(|role| (*role).into()).collect(),
        ..GrantRolesRequest::default()
    })
}

fn reason<T>(answer: Result<T, entente_client::Error>) -> Option<(ErrorReason, String)> {
    let error = answer.err()?;
    let refusal = error.refusal().unwrap_or_else(|| panic!("{error}"));
    Some((refusal.reason, refusal.metadata.values().cloned().collect()))
}

async fn propose(client: &Client, act: OneAct) -> Option<(ErrorReason, String)> {
    let act = Some(Act { act: Some(act) });
    let request_id = new_request_id();
    reason(client.propose(ProposeRequest { request_id, reason: "a test".into(), act }).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_is_made_by_two_others_and_does_what_its_roles_say() {
    let hub = TestHub::with_cast().await;
    let operators = hub.operator().await;
    let directory = hub.trust_domain();
    directory.issue(&carol(), None, real_now(), Overwrite::Refuse).expect("a certificate");
    let known = bare(&hub, &carol()).await;
    let signed = || assertions(&hub, &carol()).sign().unwrap();
    let refused = issue(&known, signed(), &[]).await.expect_err("a certificate gives nothing");
    assert_eq!(refused.reason, ErrorReason::AssertionRefused);

    let jwk = std::fs::read_to_string(directory.assertion_jwk(&carol())).unwrap();
    let register = |owner: &str| {
        let (owner, jwk) = (owner.to_owned(), jwk.trim().to_owned());
        OneAct::RegisterKey(RegisterKeyRequest { request_id: String::new(), owner, jwk })
    };
    let nobody = operators.enact(new_request_id(), register("partner/nobody-at-all")).await;
    assert_eq!(reason(nobody).map(|it| it.0), Some(ErrorReason::PartnerUnknown));
    operators.enact(new_request_id(), register("operator/carol")).await.expect("a key");
    let taken = operators.enact(new_request_id(), register("partner/harbor-hotels")).await;
    assert_eq!(reason(taken).map(|it| it.0), Some(ErrorReason::KeyTaken));
    let issued = issue(&known, signed(), &[]).await.expect("a token");
    assert!(issued.scopes.is_empty(), "a key gives nothing either");

    let none = operators.enact(new_request_id(), grant(&[])).await;
    assert_eq!(reason(none).map(|it| it.0), Some(ErrorReason::OperatorUnknown));
    let auditor = grant(&[OperatorRole::Auditor]);
    operators.enact(new_request_id(), auditor).await.expect("a role");
    let client = hub.operator_named("carol").await;
    client.get_ledger(GetLedgerRequest {}).await.expect("an auditor reads");
    let create = CreatePartnerRequest { request_id: new_request_id(), ..Default::default() };
    let missing = |scope: &str| Some((ErrorReason::ScopeMissing, scope.to_owned()));
    assert_eq!(reason(client.create_partner(create).await), missing("partners:write"));
    assert_eq!(propose(&client, grant(&[])).await, missing("acts:propose"));

    let settlement = grant(&[OperatorRole::Settlement]);
    operators.enact(new_request_id(), settlement).await.expect("another role");
    let client = hub.operator_named("carol").await;
    let terms = api::partner::PublishTermsRequest {
        partner: HARBOR.to_owned(),
        agreement: Some(cast::agreement(HARBOR)),
        ..Default::default()
    };
    let role = |role: &str| Some((ErrorReason::RoleMissing, role.to_owned()));
    assert_eq!(propose(&client, OneAct::PublishTerms(terms)).await, role("onboarding"));
    assert_eq!(propose(&client, grant(&[OperatorRole::Security])).await, role("security"));
    hub.close().await;
}
