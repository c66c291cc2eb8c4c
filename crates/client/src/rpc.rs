//! One method for each RPC of the contract. What each does, and by which reasons it is refused, is
//! said in the contract.

use entente_api::audit::audit_service_client::AuditServiceClient;
use entente_api::event::webhook_service_client::WebhookServiceClient;
use entente_api::identity::key_service_client::KeyServiceClient;
use entente_api::identity::operator_service_client::OperatorServiceClient;
use entente_api::identity::token_service_client::TokenServiceClient;
use entente_api::ledger::ledger_service_client::LedgerServiceClient;
use entente_api::member::member_service_client::MemberServiceClient;
use entente_api::partner::partner_service_client::PartnerServiceClient;
use entente_api::points::points_service_client::PointsServiceClient;
use entente_api::proposal::proposal_service_client::ProposalServiceClient;
use entente_api::settlement::clearing_service_client::ClearingServiceClient;
use entente_api::settlement::reconciliation_service_client::ReconciliationServiceClient;
use entente_api::settlement::report_service_client::ReportServiceClient;
use entente_api::settlement::settlement_service_client::SettlementServiceClient;
use entente_api::{audit, event, identity, ledger, member, partner, points, proposal, settlement};
use tonic::{Request, Streaming};

use crate::error::UnknownOutcome;
use crate::retry::call;
use crate::{Client, Error};

macro_rules! calls {
    ($service:ident: $($(#[$doc:meta])* $method:ident($request:ty) -> $response:ty;)+) => {
        impl Client {
            $(
                $(#[$doc])*
                pub async fn $method(&self, request: $request) -> Result<$response, Error> {
                    let service = $service::new(self.channel.clone());
                    let send = move |request| {
                        let mut service = service.clone();
                        async move { service.$method(request).await }
                    };
                    call(self, self.retry, request, send).await
                }
            )+
        }
    };
}

calls! { PointsServiceClient:
    /// Credits points for a purchase.
    earn(points::EarnRequest) -> points::EarnResponse;
    /// Spends points at once.
    burn(points::BurnRequest) -> points::BurnResponse;
    /// Sets points aside.
    authorize(points::AuthorizeRequest) -> points::AuthorizeResponse;
    /// Spends points that an authorization holds.
    capture(points::CaptureRequest) -> points::CaptureResponse;
    /// Releases an authorization.
    void(points::VoidRequest) -> points::VoidResponse;
    /// Undoes an earn, a burn or a capture.
    reverse(points::ReverseRequest) -> points::ReverseResponse;
    /// Turns the partner's own points into shared points, or back.
    exchange(points::ExchangeRequest) -> points::ExchangeResponse;
    /// Gives points to another member.
    transfer(points::TransferRequest) -> points::TransferResponse;
    /// Gives points to a charity.
    donate(points::DonateRequest) -> points::DonateResponse;
    /// Tells what became of a request id.
    get_operation(points::GetOperationRequest) -> points::GetOperationResponse;
    /// Tells what an earn would credit now.
    quote_earn(points::QuoteEarnRequest) -> points::QuoteEarnResponse;
    /// Tells what a burn would take now.
    quote_burn(points::QuoteBurnRequest) -> points::QuoteBurnResponse;
}

calls! { MemberServiceClient:
    /// Links a member, by an assertion; [`Client::link`] signs one.
    link_member(member::LinkMemberRequest) -> member::LinkMemberResponse;
    /// Tells whether a reference is linked.
    check_link(member::CheckLinkRequest) -> member::CheckLinkResponse;
    /// Removes a link, or takes one back.
    unlink(member::UnlinkRequest) -> member::UnlinkResponse;
    /// Makes a code by which a member is linked at another brand.
    create_link_code(member::CreateLinkCodeRequest) -> member::CreateLinkCodeResponse;
    /// Takes a code that a member typed.
    redeem_link_code(member::RedeemLinkCodeRequest) -> member::RedeemLinkCodeResponse;
    /// Confirms a code that was redeemed.
    confirm_link(member::ConfirmLinkRequest) -> member::ConfirmLinkResponse;
    /// Takes a merge back that a confirmed code made.
    unmerge_members(member::UnmergeMembersRequest) -> member::UnmergeMembersResponse;
    /// Tells everything that is kept of a member, page by page.
    export_member(member::ExportMemberRequest) -> member::ExportMemberResponse;
    /// Tells what a member has.
    get_balance(member::GetBalanceRequest) -> member::GetBalanceResponse;
    /// Lists the caller's own operations.
    list_operations(member::ListOperationsRequest) -> member::ListOperationsResponse;
}

calls! { PartnerServiceClient:
    /// Adds a brand.
    create_partner(partner::CreatePartnerRequest) -> partner::CreatePartnerResponse;
    /// Reads one partner.
    get_partner(partner::GetPartnerRequest) -> partner::GetPartnerResponse;
    /// Lists partners.
    list_partners(partner::ListPartnersRequest) -> partner::ListPartnersResponse;
    /// Stops a partner's earns, burns and authorizations.
    suspend_partner(partner::SuspendPartnerRequest) -> partner::SuspendPartnerResponse;
    /// Ends a suspension.
    resume_partner(partner::ResumePartnerRequest) -> partner::ResumePartnerResponse;
    /// Lists a partner's versions.
    list_terms(partner::ListTermsRequest) -> partner::ListTermsResponse;
    /// Reads the version in force at a time.
    get_terms_in_force(partner::GetTermsInForceRequest) -> partner::GetTermsInForceResponse;
}

calls! { ProposalServiceClient:
    /// Proposes a sensitive act.
    propose(proposal::ProposeRequest) -> proposal::ProposeResponse;
    /// Applies an act that another operator proposed.
    approve(proposal::ApproveRequest) -> proposal::ApproveResponse;
    /// Ends a proposal without effect.
    reject(proposal::RejectRequest) -> proposal::RejectResponse;
    /// Reads one proposal.
    get_proposal(proposal::GetProposalRequest) -> proposal::GetProposalResponse;
    /// Lists proposals.
    list_proposals(proposal::ListProposalsRequest) -> proposal::ListProposalsResponse;
}

calls! { SettlementServiceClient:
    /// Reads gross amounts and nets of a window.
    get_position(settlement::GetPositionRequest) -> settlement::GetPositionResponse;
    /// Reads what prepaid partners have left to issue, and of which blocks.
    get_float(settlement::GetFloatRequest) -> settlement::GetFloatResponse;
    /// Closes the open window under a name.
    close_window(settlement::CloseWindowRequest) -> settlement::CloseWindowResponse;
    /// Lists windows.
    list_windows(settlement::ListWindowsRequest) -> settlement::ListWindowsResponse;
    /// Records what a partner paid.
    record_payment(settlement::RecordPaymentRequest) -> settlement::RecordPaymentResponse;
}

calls! { ReportServiceClient:
    /// Adds up debits and credits of each account.
    get_trial_balance(settlement::GetTrialBalanceRequest) -> settlement::GetTrialBalanceResponse;
    /// Adds up what members hold, by issuer and the month in which it expires.
    get_outstanding_points(settlement::GetOutstandingPointsRequest)
        -> settlement::GetOutstandingPointsResponse;
    /// Compares what the pool holds with what it stands for.
    get_pool_coverage(settlement::GetPoolCoverageRequest) -> settlement::GetPoolCoverageResponse;
    /// Tells what became of the points of each issuer.
    get_breakage(settlement::GetBreakageRequest) -> settlement::GetBreakageResponse;
    /// Adds up the hub's fees by who pays them.
    get_fees(settlement::GetFeesRequest) -> settlement::GetFeesResponse;
}

calls! { ClearingServiceClient:
    /// Reads how the coalition settles.
    get_arrangement(settlement::GetArrangementRequest) -> settlement::GetArrangementResponse;
    /// Reads what became of a closed window.
    get_window(settlement::GetWindowRequest) -> settlement::GetWindowResponse;
    /// Says that a partner agrees to its statement.
    agree_statement(settlement::AgreeStatementRequest) -> settlement::AgreeStatementResponse;
    /// Objects to lines of a statement.
    dispute_lines(settlement::DisputeLinesRequest) -> settlement::DisputeLinesResponse;
    /// Accepts a dispute, or rejects it.
    answer_dispute(settlement::AnswerDisputeRequest) -> settlement::AnswerDisputeResponse;
    /// Lists the disputes about a window.
    list_disputes(settlement::ListDisputesRequest) -> settlement::ListDisputesResponse;
    /// Lists the operations behind a disputed total.
    list_disputed_operations(settlement::ListDisputedOperationsRequest)
        -> settlement::ListDisputedOperationsResponse;
    /// Lists what is to be paid for a window.
    list_obligations(settlement::ListObligationsRequest) -> settlement::ListObligationsResponse;
    /// Writes what is left to be paid for a window as a pain.001.
    export_obligations(settlement::ExportObligationsRequest) -> settlement::ExportObligationsResponse;
    /// Lists entries of bank statements.
    list_bank_entries(settlement::ListBankEntriesRequest) -> settlement::ListBankEntriesResponse;
    /// Lists what was converted between pools.
    list_conversions(settlement::ListConversionsRequest) -> settlement::ListConversionsResponse;
    /// Decides about an entry that waits.
    assign_payment(settlement::AssignPaymentRequest) -> settlement::AssignPaymentResponse;
}

calls! { ReconciliationServiceClient:
    /// Reads a report as its breaks stand now.
    get_reconciliation(settlement::GetReconciliationRequest) -> settlement::GetReconciliationResponse;
    /// Lists reports.
    list_reconciliations(settlement::ListReconciliationsRequest) -> settlement::ListReconciliationsResponse;
    /// Lists breaks.
    list_breaks(settlement::ListBreaksRequest) -> settlement::ListBreaksResponse;
    /// Reads a break and its life.
    get_break(settlement::GetBreakRequest) -> settlement::GetBreakResponse;
    /// Takes a step of a break's life.
    step_break(settlement::StepBreakRequest) -> settlement::StepBreakResponse;
}

calls! { WebhookServiceClient:
    /// Adds an endpoint that is told of the caller's events.
    register_webhook(event::RegisterWebhookRequest) -> event::RegisterWebhookResponse;
    /// Lists the caller's endpoints.
    list_webhooks(event::ListWebhooksRequest) -> event::ListWebhooksResponse;
    /// Removes an endpoint.
    delete_webhook(event::DeleteWebhookRequest) -> event::DeleteWebhookResponse;
    /// Lists what an endpoint has not accepted.
    list_deliveries(event::ListDeliveriesRequest) -> event::ListDeliveriesResponse;
    /// Has deliveries sent again.
    replay_delivery(event::ReplayDeliveryRequest) -> event::ReplayDeliveryResponse;
}

calls! { TokenServiceClient:
    /// Gives a token for an assertion; calls of this client get theirs by themselves.
    issue_token(identity::IssueTokenRequest) -> identity::IssueTokenResponse;
    /// Ends a token before its time.
    revoke_token(identity::RevokeTokenRequest) -> identity::RevokeTokenResponse;
    /// Reads the hub's public keys.
    get_jwks(identity::GetJwksRequest) -> identity::GetJwksResponse;
}

calls! { KeyServiceClient:
    /// Adds a key of the caller's by proof of another.
    rotate_key(identity::RotateKeyRequest) -> identity::RotateKeyResponse;
    /// Ends a key for ever.
    revoke_key(identity::RevokeKeyRequest) -> identity::RevokeKeyResponse;
    /// Lists the keys of an owner.
    list_keys(identity::ListKeysRequest) -> identity::ListKeysResponse;
}

calls! { OperatorServiceClient:
    /// Lists operators.
    list_operators(identity::ListOperatorsRequest) -> identity::ListOperatorsResponse;
}

calls! { AuditServiceClient:
    /// Lists security events, the latest first.
    list_security_events(audit::ListSecurityEventsRequest) -> audit::ListSecurityEventsResponse;
}

calls! { LedgerServiceClient:
    /// Reads the ledger's kind, clock and shape.
    get_ledger(ledger::GetLedgerRequest) -> ledger::GetLedgerResponse;
    /// Moves a simulation's clock forward.
    advance_clock(ledger::AdvanceClockRequest) -> ledger::AdvanceClockResponse;
}

impl Client {
    /// Opens a statement. It is opened again as other calls are; once parts have come, a lost
    /// connection ends it, and the caller begins anew: a statement is the same bytes each time.
    /// Unless told how, lines travel together; the stream gives each of its own.
    pub async fn get_statement(
        &self,
        mut request: settlement::GetStatementRequest,
    ) -> Result<StatementStream, Error> {
        if request.lines_per_message == 0 {
            request.lines_per_message = LINES_PER_MESSAGE;
        }
        let service = SettlementServiceClient::new(self.channel.clone());
        let send = move |request| {
            let mut service = service.clone();
            async move { service.get_statement(request).await }
        };
        // The attempt's deadline covers the whole stream.
        let retry = crate::Retry { attempt_deadline: self.retry.deadline, ..self.retry };
        let parts = call(self, retry, request, send).await?;
        Ok(StatementStream { parts, lines: Vec::new().into_iter() })
    }
}

impl Client {
    /// Reads a document of bank statements, camt.053.
    ///
    /// # Errors
    /// As any call: it is sent again while that may help, since a statement is read once.
    pub async fn import_bank_statement(
        &self,
        document: Vec<u8>,
    ) -> Result<settlement::ImportBankStatementResponse, Error> {
        let service = ClearingServiceClient::new(self.channel.clone());
        let send = move |request: Request<Vec<u8>>| {
            let mut service = service.clone();
            let parts = |document: Vec<u8>| {
                let part =
                    |chunk: &[u8]| settlement::ImportBankStatementRequest { chunk: chunk.to_vec() };
                futures::stream::iter(document.chunks(CHUNK).map(part).collect::<Vec<_>>())
            };
            async move { service.import_bank_statement(request.map(parts)).await }
        };
        call(self, self.retry, document, send).await
    }
}

/// The size of a document's parts.
const CHUNK: usize = 256 * 1_024;
/// How many lines of a statement are asked for in a message, some hundred bytes each.
const LINES_PER_MESSAGE: i32 = 250;

/// The parts of a statement, in order. A line is a part of its own, however many come in a message.
#[derive(Debug)]
pub struct StatementStream {
    parts: Streaming<settlement::GetStatementResponse>,
    lines: std::vec::IntoIter<settlement::StatementLine>,
}

impl StatementStream {
    /// The next part; `None` at the end.
    ///
    /// # Errors
    /// `Unknown` when the stream broke.
    pub async fn next(
        &mut self,
    ) -> Result<Option<settlement::get_statement_response::Part>, Error> {
        use settlement::get_statement_response::Part;
        loop {
            if let Some(line) = self.lines.next() {
                return Ok(Some(Part::Line(line)));
            }
            match self.parts.message().await {
                Ok(Some(settlement::GetStatementResponse { part })) => match part {
                    Some(Part::Lines(together)) => self.lines = together.lines.into_iter(),
                    Some(part) => return Ok(Some(part)),
                    None => {}
                },
                Ok(None) => return Ok(None),
                Err(status) => {
                    let (code, message) = (status.code(), status.message().to_owned());
                    return Err(Error::Unknown(Box::new(UnknownOutcome {
                        attempts: 1,
                        code,
                        message,
                    })));
                }
            }
        }
    }
}
