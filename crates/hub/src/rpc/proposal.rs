//! ProposalService: parse, call, map.

use std::sync::Arc;

use entente_api::proposal::{
    ApproveRequest, ApproveResponse, GetProposalRequest, GetProposalResponse, ListProposalsRequest,
    ListProposalsResponse, ProposeRequest, ProposeResponse, RejectRequest, RejectResponse,
    proposal_service_server::ProposalService,
};
use entente_ledger::RequestId;
use entente_store::{
    StoreError, clock,
    proposals::{self, BeforeProposal, Proposal},
};
use jiff::{SignedDuration, Timestamp};
use prost::Message;
use sqlx::PgPool;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::{
    authorization::Permit,
    control::{
        Approval, By, Claim, Controls, Propose, Reject, opened_proposal, proposal_in_full,
        proposal_in_list, proposal_unknown,
    },
    edge::ConnectInfo,
    error::RpcError,
    page_token::{Binding, PageTokens},
    parse,
};

/// ProposalService over control writes and reads.
#[derive(Debug)]
pub struct Proposals {
    /// Where writes go.
    controls: Controls,
    /// Where proposals are read.
    pool: PgPool,
    /// Where lists go on.
    page_tokens: Arc<PageTokens>,
    /// For how long a proposal can be approved.
    life: SignedDuration,
}

/// Where a list goes on: before this proposal.
#[derive(Clone, PartialEq, Message)]
struct Before {
    #[prost(int64, tag = "1")]
    proposed_at_micros: i64,
    #[prost(bytes = "vec", tag = "2")]
    id: Vec<u8>,
}

impl Proposals {
    /// Over where writes go and proposals are read.
    #[must_use]
    pub fn new(
        (controls, pool): (Controls, PgPool),
        page_tokens: Arc<PageTokens>,
        life: SignedDuration,
    ) -> Self {
        Self { controls, pool, page_tokens, life }
    }

    async fn now(&self) -> Result<Timestamp, RpcError> {
        Ok(clock::read(&self.pool).await?.1)
    }
}

#[tonic::async_trait]
impl ProposalService for Proposals {
    async fn propose(
        &self,
        request: Request<ProposeRequest>,
    ) -> Result<Response<ProposeResponse>, Status> {
        let permit = Permit::of(&request)?;
        let by = by(&request)?;
        let asked = parse::proposal::propose(request.get_ref()).map_err(RpcError::from)?;
        let parse::proposal::Proposed { id, reason, kind, role, act, about } = asked;
        permit.needs(role).map_err(RpcError::from)?;
        let claim = Claim::of_operator(id, request.get_ref());
        let (life, vault) = (self.life, None);
        let propose = Propose { id, kind, act, reason, by, life, about, vault };
        Ok(Response::new(self.controls.write(claim, propose).await?))
    }

    async fn approve(
        &self,
        request: Request<ApproveRequest>,
    ) -> Result<Response<ApproveResponse>, Status> {
        let permit = Permit::of(&request)?;
        let by = by(&request)?;
        let asked = request.get_ref();
        let (id, proposal) = parse::proposal::approve(asked).map_err(RpcError::from)?;
        let approval = Approval { proposal, by };
        let may = |role| permit.needs(role);
        Ok(Response::new(self.controls.approve(asked, id, approval, may).await?))
    }

    async fn reject(
        &self,
        request: Request<RejectRequest>,
    ) -> Result<Response<RejectResponse>, Status> {
        let by = by(&request)?;
        let asked = request.get_ref();
        let (id, proposal, reason) = parse::proposal::reject(asked).map_err(RpcError::from)?;
        let claim = Claim::of_operator(id, asked);
        let reject = Reject { proposal, by, reason, vault: None };
        Ok(Response::new(self.controls.write(claim, reject).await?))
    }

    async fn get_proposal(
        &self,
        request: Request<GetProposalRequest>,
    ) -> Result<Response<GetProposalResponse>, Status> {
        Permit::of(&request)?;
        let id = parse::proposal::named(&request.get_ref().proposal).map_err(RpcError::from)?;
        let found = proposals::get(&self.pool, id).await.map_err(RpcError::from)?;
        let found = found.ok_or_else(|| RpcError::from(proposal_unknown()))?;
        let found = opened_proposal(self.controls.vault(), found).map_err(RpcError::from)?;
        let proposal = Some(proposal_in_full(&found, self.now().await?)?);
        Ok(Response::new(GetProposalResponse { proposal }))
    }

    async fn list_proposals(
        &self,
        request: Request<ListProposalsRequest>,
    ) -> Result<Response<ListProposalsResponse>, Status> {
        let permit = Permit::of(&request)?;
        let asked = request.get_ref();
        let choice = parse::proposal::choice(asked.state).map_err(RpcError::from)?;
        let binding = Binding::new(permit.caller(), "proposals", &[&asked.state.to_string()]);
        let (size, token) = (asked.page_size, &asked.page_token);
        let (size, before) = parse::page::<Before>(&self.page_tokens, &binding, size, token)
            .map_err(RpcError::from)?;
        let before = before.as_ref().map(place).transpose()?;
        let now = self.now().await?;
        let listed = proposals::list(&self.pool, (choice, now), before, size + 1).await;
        let mut listed = listed.map_err(RpcError::from)?;
        let more = listed.len() > usize::from(size);
        listed.truncate(size.into());
        let opened = listed.into_iter().map(|one| opened_proposal(self.controls.vault(), one));
        let listed: Result<Vec<_>, StoreError> = opened.collect();
        let listed = listed.map_err(RpcError::from)?;
        let last = listed.last().filter(|_| more);
        let next = last.map(|last| self.page_tokens.seal(&binding, &position(last)));
        Ok(Response::new(ListProposalsResponse {
            proposals: listed.iter().map(|listed| proposal_in_list(listed, now)).collect(),
            next_page_token: next.unwrap_or_default(),
        }))
    }
}

/// Who calls, and from which certificate.
fn by<T>(request: &Request<T>) -> Result<By, RpcError> {
    let operator = Permit::of(request)?.operator()?.clone();
    let connection = request.extensions().get::<ConnectInfo>();
    Ok(By { operator, certificate: connection.map(|connection| connection.thumbprint) })
}

fn position(last: &Proposal) -> Before {
    let id = last.made.id.0.as_bytes().to_vec();
    Before { proposed_at_micros: last.made.proposed_at.as_microsecond(), id }
}

/// The place that a token seals: the hub wrote it, so it is well formed.
fn place(before: &Before) -> Result<BeforeProposal, RpcError> {
    let proposed_at = Timestamp::from_microsecond(before.proposed_at_micros);
    Ok(BeforeProposal {
        proposed_at: proposed_at.map_err(RpcError::internal)?,
        id: RequestId(Uuid::from_slice(&before.id).map_err(RpcError::internal)?),
    })
}
