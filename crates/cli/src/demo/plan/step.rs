//! One command of the plan, who sends it, and what its answer has to be.

use entente_api::error::ErrorReason;
use entente_api::member::AttachReferenceRequest;
use entente_api::partner::{
    CreatePartnerRequest, GetPartnerRequest, PublishTermsRequest, ResumePartnerRequest,
    SuspendPartnerRequest,
};
use entente_api::points::{
    AuthorizeRequest, BurnRequest, CaptureRequest, EarnRequest, QuoteBurnRequest, ReverseRequest,
    VoidRequest,
};
use entente_api::types::Balances;

use crate::demo::cast::Brand;

/// One command.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Step {
    /// Who sends it.
    pub(crate) caller: Caller,
    /// What is sent.
    pub(crate) command: Command,
    /// What comes back.
    pub(crate) expected: Expected,
    /// What it is in the month's story.
    pub(crate) story: Story,
}

/// Who sends a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// The hub's operator.
    Operator,
    /// A brand, by its own certificate.
    Partner(Brand),
}

/// What is sent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Command {
    /// Adds a brand.
    CreatePartner(CreatePartnerRequest),
    /// Reads a brand.
    GetPartner(GetPartnerRequest),
    /// Adds a version of terms.
    PublishTerms(Box<PublishTermsRequest>),
    /// Stops a brand.
    SuspendPartner(SuspendPartnerRequest),
    /// Ends a suspension.
    ResumePartner(ResumePartnerRequest),
    /// Links a member of the brand's own.
    LinkMember(Linked),
    /// Links a member at a second brand.
    AttachReference(AttachReferenceRequest),
    /// Credits points.
    Earn(EarnRequest),
    /// Asks what a burn would take.
    QuoteBurn(QuoteBurnRequest),
    /// Spends points.
    Burn(BurnRequest),
    /// Sets points aside.
    Authorize(AuthorizeRequest),
    /// Spends points that were set aside.
    Capture(CaptureRequest),
    /// Releases points that were set aside.
    Void(VoidRequest),
    /// Undoes an earn, a burn or a capture.
    Reverse(ReverseRequest),
}

/// A member to link; the assertion is signed when it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Linked {
    /// The request's id.
    pub(crate) request_id: String,
    /// The brand's own reference.
    pub(crate) member_reference: String,
}

/// What comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// It is done.
    Done,
    /// It is done, and the member has this after it.
    Balances(Balances),
    /// It is refused, for the first of these reasons at first; a refusal that is not kept may give
    /// way to another when it is sent again.
    Refused(&'static [ErrorReason]),
}

/// What a command is in the month's story, in the order in which it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Story {
    /// Brands join.
    Partner,
    /// Terms are published.
    Terms,
    /// A member joins.
    Enrolled,
    /// A member is linked at a second brand.
    Linked,
    /// A purchase earns.
    Earn,
    /// A purchase is reported late.
    LateEarn,
    /// Points are spent at the member's own brand.
    Burn,
    /// Points are spent at another brand.
    BurnElsewhere,
    /// Points are set aside.
    Authorize,
    /// All that was set aside is spent.
    Capture,
    /// A part of it is spent.
    PartCapture,
    /// Nothing of it is spent.
    Void,
    /// A purchase is refunded.
    Refund,
    /// A purchase is refunded whose points are spent.
    RefundWithDebt,
    /// Burned points are given back.
    GiveBack,
    /// The hub says no.
    Refusal,
}

impl Story {
    /// For people.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Partner => "brands join, one is suspended and resumed",
            Self::Terms => "terms are published",
            Self::Enrolled => "members join",
            Self::Linked => "members are linked at another brand",
            Self::Earn => "purchases earn",
            Self::LateEarn => "purchases reported late earn",
            Self::Burn => "points burned at the member's own brand",
            Self::BurnElsewhere => "points burned at another brand",
            Self::Authorize => "points set aside",
            Self::Capture => "captured in full",
            Self::PartCapture => "captured in part, the rest released",
            Self::Void => "voided",
            Self::Refund => "purchases refunded, points taken back",
            Self::RefundWithDebt => "purchases refunded after their points were spent: debt",
            Self::GiveBack => "burned points given back",
            Self::Refusal => "refused, as they should be",
        }
    }

    /// Whether it is an operation: a change of a member's points.
    pub(crate) const fn is_operation(self) -> bool {
        !matches!(self, Self::Partner | Self::Terms | Self::Enrolled | Self::Linked | Self::Refusal)
    }
}
