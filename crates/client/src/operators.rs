//! Two operators in one program: for demonstrations, benches and tests.

use std::ops::Deref;

use entente_api::member::{
    AttachReferenceRequest, AttachReferenceResponse, EraseMemberRequest, EraseMemberResponse,
};
use entente_api::partner::{PublishTermsRequest, PublishTermsResponse};
use entente_api::proposal::{
    Act, ApproveRequest, ApproveResponse, ProposeRequest, act::Act as OneAct, applied::Answer,
};
use entente_api::settlement::{
    AdjustRequest, AdjustResponse, ArrangeSettlementRequest, ArrangeSettlementResponse,
    Arrangement, BuyBlockRequest, BuyBlockResponse, ConvertCurrencyRequest,
    ConvertCurrencyResponse, WriteOffRequest, WriteOffResponse,
};
use tonic::Code;
use uuid::Uuid;

use crate::error::UnknownOutcome;
use crate::{Client, Error};

/// The reason that is given for what one program proposes and approves.
const REASON: &str = "both operators are one program";

/// By what the id of an approval differs from that of its proposal, so that a whole act that is sent
/// again is the same two requests.
const APPROVAL: u128 = 0x5bd1_e995_0c6f_4d2a_9e37_79b9_7f4a_7c15;

/// The connections of two operators. What needs two is proposed by the first and approved by the
/// second; everything else is the first one's, by `Deref`.
///
/// Who holds both keys is one pair of eyes: in production they belong to two people, and this type is
/// of no use there.
#[derive(Clone, Debug)]
pub struct Operators {
    proposer: Client,
    approver: Client,
}

impl Operators {
    /// Two operators' connections.
    #[must_use]
    pub const fn new(proposer: Client, approver: Client) -> Self {
        Self { proposer, approver }
    }

    /// The one who approves.
    #[must_use]
    pub const fn approver(&self) -> &Client {
        &self.approver
    }

    /// Proposes an act and approves it. It may be sent again under the same id, as any other request.
    ///
    /// # Errors
    /// As a call: also with what the act is refused for.
    pub async fn enact(&self, request_id: String, act: OneAct) -> Result<ApproveResponse, Error> {
        let id = request_id.parse::<Uuid>().unwrap_or_default();
        let act = Some(Act { act: Some(act) });
        let propose = ProposeRequest { request_id, reason: REASON.to_owned(), act };
        Box::pin(self.proposer.propose(propose)).await?;
        let approve = ApproveRequest {
            request_id: Uuid::from_u128(id.as_u128() ^ APPROVAL).to_string(),
            proposal: id.to_string(),
        };
        Box::pin(self.approver.approve(approve)).await
    }

    /// Adds a version of a partner's terms.
    ///
    /// # Errors
    /// As [`Operators::enact`].
    pub async fn publish_terms(
        &self,
        mut request: PublishTermsRequest,
    ) -> Result<PublishTermsResponse, Error> {
        let request_id = std::mem::take(&mut request.request_id);
        let told = Box::pin(self.enact(request_id, OneAct::PublishTerms(request))).await?;
        match answer(&told) {
            Some(Answer::PublishTerms(answer)) => {
                Ok(PublishTermsResponse { replayed: told.replayed, ..answer.clone() })
            }
            _ => Err(another_answer()),
        }
    }

    /// Gives a member a reference at a second brand.
    ///
    /// # Errors
    /// As [`Operators::enact`].
    pub async fn attach_reference(
        &self,
        mut request: AttachReferenceRequest,
    ) -> Result<AttachReferenceResponse, Error> {
        let request_id = std::mem::take(&mut request.request_id);
        let told = Box::pin(self.enact(request_id, OneAct::AttachReference(request))).await?;
        match answer(&told) {
            Some(Answer::AttachReference(answer)) => {
                Ok(AttachReferenceResponse { replayed: told.replayed, ..*answer })
            }
            _ => Err(another_answer()),
        }
    }

    /// Moves money between two parties to correct a closed window.
    ///
    /// # Errors
    /// As [`Operators::enact`].
    pub async fn adjust(&self, mut request: AdjustRequest) -> Result<AdjustResponse, Error> {
        let request_id = std::mem::take(&mut request.request_id);
        let told = Box::pin(self.enact(request_id, OneAct::Adjust(request))).await?;
        match answer(&told) {
            Some(Answer::Adjust(answer)) => {
                Ok(AdjustResponse { replayed: told.replayed, ..answer.clone() })
            }
            _ => Err(another_answer()),
        }
    }

    /// Sells points ahead to a prepaid partner.
    ///
    /// # Errors
    /// As [`Operators::enact`].
    pub async fn buy_block(&self, mut request: BuyBlockRequest) -> Result<BuyBlockResponse, Error> {
        let request_id = std::mem::take(&mut request.request_id);
        let told = Box::pin(self.enact(request_id, OneAct::BuyBlock(request))).await?;
        match answer(&told) {
            Some(Answer::BuyBlock(answer)) => {
                Ok(BuyBlockResponse { replayed: told.replayed, ..answer.clone() })
            }
            _ => Err(another_answer()),
        }
    }

    /// Books what a bank exchanged for the hub's pool.
    ///
    /// # Errors
    /// As [`Operators::enact`].
    pub async fn convert_currency(
        &self,
        mut request: ConvertCurrencyRequest,
    ) -> Result<ConvertCurrencyResponse, Error> {
        let request_id = std::mem::take(&mut request.request_id);
        let told = Box::pin(self.enact(request_id, OneAct::ConvertCurrency(request))).await?;
        match answer(&told) {
            Some(Answer::ConvertCurrency(answer)) => {
                Ok(ConvertCurrencyResponse { replayed: told.replayed, ..answer.clone() })
            }
            _ => Err(another_answer()),
        }
    }

    /// Bears a break as it is.
    ///
    /// # Errors
    /// As [`Operators::enact`].
    pub async fn write_off(&self, mut request: WriteOffRequest) -> Result<WriteOffResponse, Error> {
        let request_id = std::mem::take(&mut request.request_id);
        let told = Box::pin(self.enact(request_id, OneAct::WriteOff(request))).await?;
        match answer(&told) {
            Some(Answer::WriteOff(answer)) => {
                Ok(WriteOffResponse { replayed: told.replayed, ..answer.clone() })
            }
            _ => Err(another_answer()),
        }
    }

    /// Says how the coalition settles from now on.
    ///
    /// # Errors
    /// As [`Operators::enact`].
    pub async fn arrange_settlement(
        &self,
        request_id: String,
        arrangement: Arrangement,
    ) -> Result<ArrangeSettlementResponse, Error> {
        let request =
            ArrangeSettlementRequest { request_id: String::new(), arrangement: Some(arrangement) };
        let act = OneAct::ArrangeSettlement(request);
        let told = Box::pin(self.enact(request_id, act)).await?;
        match answer(&told) {
            Some(Answer::ArrangeSettlement(answer)) => {
                Ok(ArrangeSettlementResponse { replayed: told.replayed, ..*answer })
            }
            _ => Err(another_answer()),
        }
    }

    /// Removes what is personal of a member.
    ///
    /// # Errors
    /// As [`Operators::enact`].
    pub async fn erase_member(
        &self,
        mut request: EraseMemberRequest,
    ) -> Result<EraseMemberResponse, Error> {
        let request_id = std::mem::take(&mut request.request_id);
        let told = Box::pin(self.enact(request_id, OneAct::EraseMember(request))).await?;
        match answer(&told) {
            Some(Answer::EraseMember(answer)) => {
                Ok(EraseMemberResponse { replayed: told.replayed, ..*answer })
            }
            _ => Err(another_answer()),
        }
    }
}

impl Deref for Operators {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.proposer
    }
}

fn answer(told: &ApproveResponse) -> Option<&Answer> {
    told.proposal.as_ref()?.applied.as_ref()?.answer.as_ref()
}

fn another_answer() -> Error {
    let message = "the hub answers an act that was not asked for".to_owned();
    Error::Unknown(Box::new(UnknownOutcome { attempts: 1, code: Code::Internal, message }))
}
