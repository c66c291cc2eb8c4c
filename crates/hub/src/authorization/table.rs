//! The table: every RPC that can be called, by whom, and about whose data.

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

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// `/package.Service/Method`.
    pub path: &'static str,
    /// Who may call it.
    pub callers: Callers,
    /// Whose data it is about.
    pub data: Data,
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

/// Every RPC that can be called. The most frequent come first.
pub const TABLE: &[Row] = &[
    unary("/entente.points.v1.PointsService/Earn", Callers::Partners, Data::Own),
    duplex("/entente.points.v1.PointsService/EarnStream", Callers::Partners, Data::Own),
    unary("/entente.points.v1.PointsService/Burn", Callers::Partners, Data::Own),
    unary("/entente.points.v1.PointsService/Authorize", Callers::Partners, Data::Own),
    unary("/entente.points.v1.PointsService/Capture", Callers::Partners, Data::Own),
    unary("/entente.points.v1.PointsService/Void", Callers::Partners, Data::Own),
    unary("/entente.points.v1.PointsService/Reverse", Callers::Partners, Data::Own),
    unary("/entente.points.v1.PointsService/Exchange", Callers::Partners, Data::Own),
    unary("/entente.points.v1.PointsService/Transfer", Callers::Partners, Data::Own),
    unary("/entente.points.v1.PointsService/Donate", Callers::Partners, Data::Own),
    unary("/entente.points.v1.PointsService/GetOperation", Callers::Partners, Data::Own),
    unary("/entente.points.v1.PointsService/QuoteEarn", Callers::Partners, Data::Own),
    unary("/entente.points.v1.PointsService/QuoteBurn", Callers::Partners, Data::Own),
    unary("/entente.member.v1.MemberService/EnrolMember", Callers::Partners, Data::Own),
    unary("/entente.member.v1.MemberService/GetBalance", Callers::Partners, Data::Own),
    unary("/entente.member.v1.MemberService/ListOperations", Callers::Partners, Data::Own),
    unary("/entente.partner.v1.PartnerService/CreatePartner", Callers::Operators, Data::Anyones),
    unary("/entente.partner.v1.PartnerService/GetPartner", Callers::Both, Data::Named),
    unary("/entente.partner.v1.PartnerService/ListPartners", Callers::Operators, Data::Anyones),
    unary("/entente.partner.v1.PartnerService/SuspendPartner", Callers::Operators, Data::Anyones),
    unary("/entente.partner.v1.PartnerService/ResumePartner", Callers::Operators, Data::Anyones),
    unary("/entente.partner.v1.PartnerService/ListTerms", Callers::Both, Data::Named),
    unary("/entente.partner.v1.PartnerService/GetTermsInForce", Callers::Both, Data::Named),
    unary("/entente.proposal.v1.ProposalService/Propose", Callers::Operators, Data::Anyones),
    unary("/entente.proposal.v1.ProposalService/Approve", Callers::Operators, Data::Anyones),
    unary("/entente.proposal.v1.ProposalService/Reject", Callers::Operators, Data::Anyones),
    unary("/entente.proposal.v1.ProposalService/GetProposal", Callers::Operators, Data::Anyones),
    unary("/entente.proposal.v1.ProposalService/ListProposals", Callers::Operators, Data::Anyones),
    unary("/entente.settlement.v1.SettlementService/GetPosition", Callers::Both, Data::Named),
    unary(
        "/entente.settlement.v1.SettlementService/CloseWindow",
        Callers::Operators,
        Data::Anyones,
    ),
    unary("/entente.settlement.v1.SettlementService/ListWindows", Callers::Both, Data::Nobodys),
    stream("/entente.settlement.v1.SettlementService/GetStatement", Callers::Both, Data::Named),
    unary(
        "/entente.settlement.v1.SettlementService/RecordPayment",
        Callers::Operators,
        Data::Anyones,
    ),
    stream("/entente.event.v1.EventService/Watch", Callers::Partners, Data::Own),
    unary("/entente.event.v1.WebhookService/RegisterWebhook", Callers::Partners, Data::Own),
    unary("/entente.event.v1.WebhookService/ListWebhooks", Callers::Partners, Data::Own),
    unary("/entente.event.v1.WebhookService/DeleteWebhook", Callers::Partners, Data::Own),
    unary("/entente.event.v1.WebhookService/ListDeliveries", Callers::Partners, Data::Own),
    unary("/entente.event.v1.WebhookService/ReplayDelivery", Callers::Partners, Data::Own),
    unary("/entente.ledger.v1.LedgerService/GetLedger", Callers::Both, Data::Nobodys),
    unary("/entente.ledger.v1.LedgerService/AdvanceClock", Callers::Operators, Data::Nobodys),
    unary("/grpc.health.v1.Health/Check", Callers::Both, Data::Nobodys),
    stream("/grpc.health.v1.Health/Watch", Callers::Both, Data::Nobodys),
    duplex(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        Callers::Operators,
        Data::Nobodys,
    ),
    duplex(
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        Callers::Operators,
        Data::Nobodys,
    ),
];

const fn unary(path: &'static str, callers: Callers, data: Data) -> Row {
    Row { path, callers, data, shape: Shape::Unary }
}

const fn stream(path: &'static str, callers: Callers, data: Data) -> Row {
    Row { path, callers, data, shape: Shape::Stream }
}

const fn duplex(path: &'static str, callers: Callers, data: Data) -> Row {
    Row { path, callers, data, shape: Shape::Duplex }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use entente_api::DESCRIPTOR_SET;
    use prost::Message;
    use prost_types::FileDescriptorSet;

    use super::*;

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
    fn what_is_not_in_the_table_has_no_row() {
        for path in
            ["", "/", "/entente.points.v1.PointsService", "/entente.points.v1.PointsService/earn"]
        {
            assert_eq!(row(path), None, "{path}");
        }
    }
}
