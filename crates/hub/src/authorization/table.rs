//! The table: every RPC that can be called, by whom, and about whose data.

use super::scope::Scope;
use crate::caller::Role;

/// Who may call. A partner calls on the partners' listener, an operator on the operators': the
/// verifier of each listener admits one role alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Callers {
    /// Partners, each for itself.
    Partners,
    /// Operators.
    Operators,
    /// Both.
    Both,
}

/// Whose data an RPC is about; the handler enforces it by the [`Permit`](super::Permit).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data {
    /// The calling partner's own, whatever the request says: `Permit::partner_in`.
    Own,
    /// That of the partner which the request names; a partner may name itself alone:
    /// `Permit::subject`.
    Named,
    /// Anybody's: operators alone.
    Anyones,
    /// Nobody's in particular.
    Nobodys,
}

/// How long a call may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One answer, within the deadline.
    Unary,
    /// Answers stream: their beginning is within the deadline, their end is not.
    Stream,
    /// Requests stream too: each message of theirs is bounded, not their sum.
    Duplex,
}

/// Which token an RPC needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// None: the certificate is enough.
    Open,
    /// Any token of the caller's.
    Token,
    /// One that is good for this.
    Scope(Scope),
}

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// `/package.Service/Method`.
    pub path: &'static str,
    /// Who may call it.
    pub callers: Callers,
    /// Whose data it is about.
    pub data: Data,
    /// Which token it needs.
    pub access: Access,
    /// Whether it streams.
    pub shape: Shape,
}

impl Callers {
    /// Whether a role is among them.
    #[must_use]
    pub const fn include(self, role: Role) -> bool {
        match (self, role) {
            (Self::Both, _)
            | (Self::Partners, Role::Partner)
            | (Self::Operators, Role::Operator) => true,
            (Self::Partners, Role::Operator) | (Self::Operators, Role::Partner) => false,
        }
    }
}

/// The row of a path; `None` for what cannot be called.
#[must_use]
pub fn row(path: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.path == path)
}

macro_rules! table {
    ($($service:literal { $(
        $method:ident: $shape:ident, $callers:ident, $data:ident, $access:ident $(($scope:ident))?;
    )* })*) => {
        /// Every RPC that can be called. The most frequent come first.
        pub const TABLE: &[Row] = &[$($(
            Row {
                path: concat!("/", $service, "/", stringify!($method)),
                callers: Callers::$callers,
                data: Data::$data,
                access: table!(@access $access $($scope)?),
                shape: table!(@shape $shape),
            },
        )*)*];
    };
    (@access open) => { Access::Open };
    (@access token) => { Access::Token };
    (@access with $scope:ident) => { Access::Scope(Scope::$scope) };
    (@shape unary) => { Shape::Unary };
    (@shape stream) => { Shape::Stream };
    (@shape duplex) => { Shape::Duplex };
}

// Of each RPC: its shape, who may call it, whose data it is about, and the token that it needs.
table! {
    "entente.points.v1.PointsService" {
        Earn: unary, Partners, Own, with(PointsEarn);
        EarnStream: duplex, Partners, Own, with(PointsEarn);
        Burn: unary, Partners, Own, with(PointsBurn);
        Authorize: unary, Partners, Own, with(PointsBurn);
        Capture: unary, Partners, Own, with(PointsBurn);
        Void: unary, Partners, Own, with(PointsBurn);
        Reverse: unary, Partners, Own, with(PointsBurn);
        Exchange: unary, Partners, Own, with(PointsBurn);
        Transfer: unary, Partners, Own, with(PointsBurn);
        Donate: unary, Partners, Own, with(PointsBurn);
        GetOperation: unary, Partners, Own, with(PointsRead);
        QuoteEarn: unary, Partners, Own, with(PointsRead);
        QuoteBurn: unary, Partners, Own, with(PointsRead);
    }
    "entente.member.v1.MemberService" {
        LinkMember: unary, Partners, Own, with(MembersLink);
        CheckLink: unary, Partners, Own, with(MembersRead);
        Unlink: unary, Partners, Own, with(MembersLink);
        CreateLinkCode: unary, Partners, Own, with(MembersLink);
        RedeemLinkCode: unary, Partners, Own, with(MembersLink);
        ConfirmLink: unary, Partners, Own, with(MembersLink);
        UnmergeMembers: unary, Partners, Own, with(MembersLink);
        ExportMember: unary, Operators, Anyones, with(SecurityWrite);
        GetBalance: unary, Partners, Own, with(MembersRead);
        ListOperations: unary, Partners, Own, with(MembersRead);
    }
    "entente.partner.v1.PartnerService" {
        CreatePartner: unary, Operators, Anyones, with(PartnersWrite);
        GetPartner: unary, Both, Named, with(PartnersRead);
        ListPartners: unary, Operators, Anyones, with(PartnersRead);
        SuspendPartner: unary, Operators, Anyones, with(SecurityWrite);
        ResumePartner: unary, Operators, Anyones, with(SecurityWrite);
        ListTerms: unary, Both, Named, with(PartnersRead);
        GetTermsInForce: unary, Both, Named, with(PartnersRead);
    }
    "entente.proposal.v1.ProposalService" {
        Propose: unary, Operators, Anyones, with(ActsPropose);
        Approve: unary, Operators, Anyones, with(ActsApprove);
        Reject: unary, Operators, Anyones, with(ActsApprove);
        GetProposal: unary, Operators, Anyones, with(PartnersRead);
        ListProposals: unary, Operators, Anyones, with(PartnersRead);
    }
    "entente.settlement.v1.SettlementService" {
        GetPosition: unary, Both, Named, with(SettlementRead);
        GetFloat: unary, Both, Named, with(SettlementRead);
        CloseWindow: unary, Operators, Anyones, with(SettlementWrite);
        ListWindows: unary, Both, Nobodys, with(SettlementRead);
        GetStatement: stream, Both, Named, with(SettlementRead);
        RecordPayment: unary, Operators, Anyones, with(SettlementWrite);
    }
    "entente.settlement.v1.ReportService" {
        GetTrialBalance: unary, Operators, Anyones, with(SettlementRead);
        GetOutstandingPoints: unary, Both, Named, with(SettlementRead);
        GetPoolCoverage: unary, Operators, Anyones, with(SettlementRead);
        GetBreakage: unary, Both, Named, with(SettlementRead);
        GetFees: unary, Both, Named, with(SettlementRead);
    }
    "entente.settlement.v1.ClearingService" {
        GetArrangement: unary, Both, Nobodys, with(SettlementRead);
        GetWindow: unary, Both, Named, with(SettlementRead);
        AgreeStatement: unary, Both, Named, with(SettlementAgree);
        DisputeLines: unary, Both, Named, with(SettlementAgree);
        AnswerDispute: unary, Operators, Anyones, with(SettlementWrite);
        ListDisputes: unary, Both, Named, with(SettlementRead);
        ListDisputedOperations: unary, Both, Named, with(SettlementRead);
        ListObligations: unary, Both, Named, with(SettlementRead);
        ExportObligations: unary, Operators, Anyones, with(SettlementRead);
        ImportBankStatement: duplex, Operators, Anyones, with(SettlementWrite);
        ListBankEntries: unary, Operators, Anyones, with(SettlementRead);
        AssignPayment: unary, Operators, Anyones, with(SettlementWrite);
        ListConversions: unary, Operators, Anyones, with(SettlementRead);
    }
    "entente.settlement.v1.ReconciliationService" {
        Reconcile: duplex, Both, Named, with(SettlementRead);
        GetReconciliation: unary, Both, Named, with(SettlementRead);
        ListReconciliations: unary, Both, Named, with(SettlementRead);
        ListBreaks: unary, Both, Named, with(SettlementRead);
        GetBreak: unary, Both, Named, with(SettlementRead);
        // What a partner may not do of its own breaks, the handler refuses: assign and adjust.
        StepBreak: unary, Both, Named, with(SettlementAgree);
    }
    "entente.event.v1.EventService" {
        Watch: stream, Partners, Own, with(EventsRead);
    }
    "entente.event.v1.WebhookService" {
        RegisterWebhook: unary, Partners, Own, with(WebhooksWrite);
        ListWebhooks: unary, Partners, Own, with(EventsRead);
        DeleteWebhook: unary, Partners, Own, with(WebhooksWrite);
        ListDeliveries: unary, Partners, Own, with(EventsRead);
        ReplayDelivery: unary, Partners, Own, with(WebhooksWrite);
    }
    "entente.audit.v1.AuditService" {
        ListSecurityEvents: unary, Operators, Anyones, with(AuditRead);
    }
    "entente.identity.v1.TokenService" {
        IssueToken: unary, Both, Nobodys, open;
        RevokeToken: unary, Both, Nobodys, token;
        GetJwks: unary, Both, Nobodys, open;
    }
    "entente.identity.v1.KeyService" {
        RotateKey: unary, Both, Nobodys, with(KeysWrite);
        RevokeKey: unary, Both, Named, with(KeysWrite);
        ListKeys: unary, Both, Named, with(PartnersRead);
    }
    "entente.identity.v1.OperatorService" {
        ListOperators: unary, Operators, Nobodys, with(PartnersRead);
    }
    "entente.ledger.v1.LedgerService" {
        GetLedger: unary, Both, Nobodys, with(LedgerRead);
        AdvanceClock: unary, Operators, Nobodys, with(LedgerWrite);
    }
    "grpc.health.v1.Health" {
        Check: unary, Both, Nobodys, open;
        Watch: stream, Both, Nobodys, open;
    }
    "grpc.reflection.v1.ServerReflection" {
        ServerReflectionInfo: duplex, Operators, Nobodys, open;
    }
    "grpc.reflection.v1alpha.ServerReflection" {
        ServerReflectionInfo: duplex, Operators, Nobodys, open;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use entente_api::DESCRIPTOR_SET;
    use prost::Message;
    use prost_types::FileDescriptorSet;

    use super::*;
    use crate::authorization::scope::possible;

    /// Path and shape of every RPC of a descriptor set.
    fn described(encoded: &[u8]) -> BTreeMap<String, Shape> {
        let files = FileDescriptorSet::decode(encoded).expect("a descriptor set").file;
        let mut rpcs = BTreeMap::new();
        for file in files {
            for service in &file.service {
                for method in &service.method {
                    let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                    let shape = match (method.client_streaming(), method.server_streaming()) {
                        (false, false) => Shape::Unary,
                        (false, true) => Shape::Stream,
                        (true, _) => Shape::Duplex,
                    };
                    rpcs.insert(path, shape);
                }
            }
        }
        rpcs
    }

    #[test]
    fn every_rpc_of_the_contract_has_exactly_one_row_and_no_row_is_without_rpc() {
        let mut rpcs = described(DESCRIPTOR_SET);
        assert!(rpcs.len() > 20, "the contract has lost its services");
        rpcs.extend(described(tonic_health::pb::FILE_DESCRIPTOR_SET));
        rpcs.extend(described(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET));
        rpcs.extend(described(tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET));
        let rows: BTreeMap<_, _> =
            TABLE.iter().map(|row| (row.path.to_owned(), row.shape)).collect();
        assert_eq!(rows, rpcs);
        assert_eq!(rows.len(), TABLE.len(), "a path has two rows");
    }

    #[test]
    fn whoever_may_name_anyone_is_an_operator() {
        for row in TABLE {
            assert!(row.data != Data::Anyones || row.callers == Callers::Operators, "{}", row.path);
            assert!(row.data != Data::Own || row.callers == Callers::Partners, "{}", row.path);
        }
    }

    #[test]
    fn whoever_may_call_can_have_the_scope_and_only_few_calls_need_no_token() {
        let roles = [Role::Partner, Role::Operator];
        for row in TABLE {
            for role in roles.into_iter().filter(|role| row.callers.include(*role)) {
                let had = match row.access {
                    Access::Scope(scope) => possible(role).include(scope),
                    Access::Open | Access::Token => true,
                };
                assert!(had, "{} {role}", row.path);
            }
        }
        let open = TABLE.iter().filter(|row| row.access == Access::Open);
        let ours: Vec<_> =
            open.map(|row| row.path).filter(|path| path.contains("entente")).collect();
        let tokens = "/entente.identity.v1.TokenService";
        assert_eq!(ours, [format!("{tokens}/IssueToken"), format!("{tokens}/GetJwks")]);
    }

    #[test]
    fn what_is_not_in_the_table_has_no_row() {
        for path in
            ["", "/", "/entente.points.v1.PointsService", "/entente.points.v1.PointsService/earn"]
        {
            assert_eq!(row(path), None, "{path}");
        }
    }
}
