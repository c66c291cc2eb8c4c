//! The acts that need two operators. A new one is a line of the table below, an arm in each message
//! of `act.proto`, and the write that it runs.

use std::sync::Arc;

use entente_api::proposal::{
    self as api, ActKind, Applied, ApproveRequest, ApproveResponse, act::Act as OneAct,
    applied::Answer as OneAnswer,
};
use entente_ledger::RequestId;
use entente_loyalty::Catalogue;
use entente_store::{
    StoreError,
    control::{Control, NoHeads},
    proposals::Proposal,
};
use prost::Message;

use super::{About, Approval, Approve, Subject, subject, undecided};
use crate::{
    authorization::OperatorRole,
    control::{
        Adjust, Answer, ArrangeSettlement, AttachReference, BuyBlock, Claim, Controls,
        ConvertCurrency, EraseMember, GrantRoles, PublishTerms, RegisterKey, Write, WriteOff,
        member_erased,
    },
    error::{Refused, RpcError},
    method::WriteRequest,
    parse::{self, Violations},
};

/// A write that an approval runs.
pub trait Act: Write + About {
    /// Its answer, as the proposal keeps it.
    fn applied(response: <Self::Request as WriteRequest>::Response) -> Applied;
}

/// What stands in for an act that there is not: an approval that is refused before anything else,
/// unless its request id has an outcome.
#[derive(Debug)]
enum Unfounded {
    /// It is refused for this.
    Refused(Refused),
    /// What it said about a member is gone.
    Forgotten(Box<Proposal>),
}

macro_rules! acts {
    ($($(#[$doc:meta])* $act:ident = $field:literal by $parse:path, for $role:ident;)*) => {
        /// Any act, parsed.
        #[derive(Debug, Clone)]
        pub enum AnyAct {
            $($(#[$doc])* $act(Box<$act>),)*
        }

        impl AnyAct {
            /// Parses an act, which runs under a request id that is not its own.
            pub fn parse(act: &api::Act, request_id: &str) -> Result<Self, Refused> {
                match &act.act {
                    $(Some(OneAct::$act(request)) => {
                        let mut violations = Violations::default();
                        if !request.request_id.is_empty() {
                            violations.add("request_id", "empty: the proposal's stands for it");
                        }
                        let mut request = request.clone();
                        request_id.clone_into(&mut request.request_id);
                        let parsed = match $parse(&request) {
                            Ok((_, act)) => {
                                violations.none().map(|()| Self::$act(Box::new(act)))
                            }
                            Err(refused) => Err(violations.and(refused)),
                        };
                        parsed.map_err(|refused| refused.inside($field))
                    })*
                    None => {
                        let mut violations = Violations::default();
                        violations.add("act", "one of the acts");
                        Err(violations.refused())
                    }
                }
            }

            /// What it is.
            #[must_use]
            pub const fn kind(&self) -> ActKind {
                match self {
                    $(Self::$act(_) => ActKind::$act,)*
                }
            }

            /// The role that both operators need.
            #[must_use]
            pub const fn role(&self) -> OperatorRole {
                match self {
                    $(Self::$act(_) => OperatorRole::$role,)*
                }
            }

            /// The member that it is about.
            #[must_use]
            pub fn about(&self) -> Option<Subject> {
                match self {
                    $(Self::$act(act) => act.about(),)*
                }
            }

            async fn approved(
                self,
                controls: &Controls,
                claim: Claim,
                approval: Approval,
            ) -> Result<ApproveResponse, RpcError> {
                match self {
                    $(Self::$act(mut act) => {
                        act.approved_by(&approval);
                        let vault = Arc::clone(controls.vault());
                        controls.write(claim, Approve { approval, act: *act, vault }).await
                    })*
                }
            }
        }

        $(
            impl Act for $act {
                fn applied(response: <Self::Request as WriteRequest>::Response) -> Applied {
                    Applied { answer: Some(OneAnswer::$act(response)) }
                }
            }
        )*
    };
}

acts! {
    /// Adds a version of a partner's terms.
    PublishTerms = "publish_terms" by parse::partner::publish, for Onboarding;
    /// Gives a member a second brand's reference.
    AttachReference = "attach_reference" by parse::member::attach, for Onboarding;
    /// Adds a key by which a partner or an operator signs assertions.
    RegisterKey = "register_key" by parse::identity::register, for Onboarding;
    /// Sets the roles of an operator.
    GrantRoles = "grant_roles" by parse::identity::grant, for Security;
    /// Says how the coalition settles.
    ArrangeSettlement = "arrange_settlement" by parse::clearing::arrange, for Settlement;
    /// Moves money between two parties to correct a closed window.
    Adjust = "adjust" by parse::clearing::adjust, for Settlement;
    /// Ends a break that is borne as it is.
    WriteOff = "write_off" by parse::reconciliation::write_off, for Settlement;
    /// Sells points ahead to a prepaid partner.
    BuyBlock = "buy_block" by parse::clearing::buy_block, for Settlement;
    /// Books what a bank exchanged for the hub's pool.
    ConvertCurrency = "convert_currency" by parse::conversion::convert, for Settlement;
    /// Removes what is personal of a member.
    EraseMember = "erase_member" by parse::member::erase, for Security;
}

/// Notes in an act who approves it, where the trail of security events has to tell.
trait ApprovedBy {
    fn approved_by(&mut self, _: &Approval) {}
}

impl About for PublishTerms {}

impl About for AttachReference {
    fn about(&self) -> Option<Subject> {
        Some((self.partner.clone(), self.reference.clone()))
    }
}

impl About for EraseMember {
    fn about(&self) -> Option<Subject> {
        Some((self.partner.clone(), self.reference.clone()))
    }
}

impl About for RegisterKey {}

impl About for GrantRoles {}

impl About for ArrangeSettlement {}

impl About for Adjust {}

impl About for WriteOff {}

impl About for BuyBlock {}

impl About for ConvertCurrency {}

impl ApprovedBy for PublishTerms {}

impl ApprovedBy for AttachReference {}

impl ApprovedBy for ArrangeSettlement {}
impl ApprovedBy for EraseMember {
    fn approved_by(&mut self, approval: &Approval) {
        self.by = approval.by.actor();
        self.proposal = approval.proposal;
    }
}

impl ApprovedBy for Adjust {
    fn approved_by(&mut self, approval: &Approval) {
        self.by = approval.by.actor().name;
    }
}

impl ApprovedBy for WriteOff {
    fn approved_by(&mut self, approval: &Approval) {
        self.by = approval.by.actor().name;
        self.proposal = approval.proposal;
    }
}

impl ApprovedBy for BuyBlock {}

impl ApprovedBy for ConvertCurrency {
    fn approved_by(&mut self, approval: &Approval) {
        self.by = approval.by.actor().name;
    }
}

impl ApprovedBy for RegisterKey {
    fn approved_by(&mut self, approval: &Approval) {
        self.by = approval.by.actor();
    }
}

impl ApprovedBy for GrantRoles {
    fn approved_by(&mut self, approval: &Approval) {
        self.by = approval.by.actor();
    }
}

impl Controls {
    /// Applies a proposal's act under the approval's request id, if the approver `may`, by the role
    /// that the act needs.
    pub async fn approve(
        &self,
        request: &ApproveRequest,
        request_id: RequestId,
        approval: Approval,
        may: impl Fn(OperatorRole) -> Result<(), Refused>,
    ) -> Result<ApproveResponse, RpcError> {
        let claim = Claim::of_operator(request_id, request);
        let proposed = entente_store::proposals::get(&self.pool, approval.proposal).await?;
        let act = match proposed {
            Some(gone) if gone.made.sealed.is_none() && subject::is_about_a_member(&gone) => {
                return self.write(claim, Unfounded::Forgotten(Box::new(gone))).await;
            }
            Some(proposed) => {
                let proposed = subject::opened(&self.vault, proposed)?;
                let act = api::Act::decode(proposed.made.act.as_slice());
                AnyAct::parse(&act.map_err(RpcError::internal)?, &request.request_id)
            }
            None => Err(super::proposal_unknown()),
        };
        match act.and_then(|act| may(act.role()).map(|()| act)) {
            Ok(act) => act.approved(self, claim, approval).await,
            Err(refused) => self.write(claim, Unfounded::Refused(refused)).await,
        }
    }
}

impl Write for Unfounded {
    type Request = ApproveRequest;
    type Locks = NoHeads;

    async fn act(
        &self,
        control: &mut Control<NoHeads>,
        _: &Catalogue,
    ) -> Result<Result<Answer<Self::Request>, Refused>, StoreError> {
        Ok(Err(match self {
            Self::Refused(refused) => refused.clone(),
            Self::Forgotten(proposal) => match undecided(proposal, control.now()) {
                Ok(()) => member_erased(),
                Err(refused) => refused,
            },
        }))
    }
}
