//! The writes of the API: one table of what a request id can be the id of. The codes are stored,
//! so they never change.

use entente_api::{event, identity, member, partner, points, proposal, settlement};
use prost::Message;

/// A request that has an effect, named for ever by its `request_id`, which is its field 1.
pub trait WriteRequest: Message + Default + 'static {
    /// Which write it asks for.
    const METHOD: Method;
    /// What answers it.
    type Response: WriteResponse;
}

/// What answers a write.
pub trait WriteResponse: Message + Default + 'static {
    /// Says that the request id had already been answered.
    fn set_replayed(&mut self);
}

macro_rules! writes {
    ($($(#[$doc:meta])* $method:ident = $code:literal: $package:ident :: $request:ident => $response:ident;)*) => {
        /// A write, by the code that is stored with its outcome.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(i16)]
        pub enum Method {
            $($(#[$doc])* $method = $code,)*
            /// Merges that a confirmed link asks for; the operation has no request of its own.
            Merge = 13,
            /// The hub's own expiries; they have no request.
            Expire = 90,
            /// The hub's own announcements; they have no request.
            Announce = 92,
        }

        impl Method {
            /// The write of a code.
            #[must_use]
            pub const fn of_code(code: i16) -> Option<Self> {
                match code {
                    $($code => Some(Self::$method),)*
                    13 => Some(Self::Merge),
                    90 => Some(Self::Expire),
                    92 => Some(Self::Announce),
                    _ => None,
                }
            }

            /// The full name of the request's message.
            pub(crate) const fn request(self) -> Option<&'static str> {
                match self {
                    $(Self::$method => Some(concat!(
                        "entente.", stringify!($package), ".v1.", stringify!($request)
                    )),)*
                    Self::Merge | Self::Expire | Self::Announce => None,
                }
            }
        }

        $(
            impl WriteRequest for $package::$request {
                const METHOD: Method = Method::$method;
                type Response = $package::$response;
            }

            impl WriteResponse for $package::$response {
                fn set_replayed(&mut self) {
                    self.replayed = true;
                }
            }
        )*
    };
}

writes! {
    /// Credit points for a purchase.
    Earn = 1: points::EarnRequest => EarnResponse;
    /// Spend points at once.
    Burn = 2: points::BurnRequest => BurnResponse;
    /// Set points aside.
    Authorize = 3: points::AuthorizeRequest => AuthorizeResponse;
    /// Spend points that were set aside.
    Capture = 4: points::CaptureRequest => CaptureResponse;
    /// Release points that were set aside.
    Void = 5: points::VoidRequest => VoidResponse;
    /// Undo an earn, a burn or a capture.
    Reverse = 6: points::ReverseRequest => ReverseResponse;
    /// Turn a partner's own points into shared points, or back.
    Exchange = 9: points::ExchangeRequest => ExchangeResponse;
    /// Give points to another member.
    Transfer = 10: points::TransferRequest => TransferResponse;
    /// Give points to a charity.
    Donate = 11: points::DonateRequest => DonateResponse;
    /// Give a member a second brand's reference.
    AttachReference = 21: member::AttachReferenceRequest => AttachReferenceResponse;
    /// Link a partner's member.
    LinkMember = 22: member::LinkMemberRequest => LinkMemberResponse;
    /// Make a code for another brand.
    CreateLinkCode = 23: member::CreateLinkCodeRequest => CreateLinkCodeResponse;
    /// Type one.
    RedeemLinkCode = 24: member::RedeemLinkCodeRequest => RedeemLinkCodeResponse;
    /// Confirm one.
    ConfirmLink = 25: member::ConfirmLinkRequest => ConfirmLinkResponse;
    /// Take a merge back: the operation has the same number.
    UnmergeMembers = 14: member::UnmergeMembersRequest => UnmergeMembersResponse;
    /// Remove a link.
    Unlink = 26: member::UnlinkRequest => UnlinkResponse;
    /// Remove what is personal of a member.
    EraseMember = 27: member::EraseMemberRequest => EraseMemberResponse;
    /// Add a brand.
    CreatePartner = 40: partner::CreatePartnerRequest => CreatePartnerResponse;
    /// Stop a partner's earns, burns and authorizations.
    SuspendPartner = 41: partner::SuspendPartnerRequest => SuspendPartnerResponse;
    /// End a suspension.
    ResumePartner = 42: partner::ResumePartnerRequest => ResumePartnerResponse;
    /// Add a version of a partner's terms.
    PublishTerms = 43: partner::PublishTermsRequest => PublishTermsResponse;
    /// Add a key of a partner's or an operator's.
    RegisterKey = 44: identity::RegisterKeyRequest => RegisterKeyResponse;
    /// Add a key by proof of another.
    RotateKey = 45: identity::RotateKeyRequest => RotateKeyResponse;
    /// End a key.
    RevokeKey = 46: identity::RevokeKeyRequest => RevokeKeyResponse;
    /// Set an operator's roles.
    GrantRoles = 47: identity::GrantRolesRequest => GrantRolesResponse;
    /// Propose a sensitive act.
    Propose = 50: proposal::ProposeRequest => ProposeResponse;
    /// Apply one that another operator proposed.
    Approve = 51: proposal::ApproveRequest => ApproveResponse;
    /// End one without effect.
    Reject = 52: proposal::RejectRequest => RejectResponse;
    /// Record what a partner paid.
    RecordPayment = 60: settlement::RecordPaymentRequest => RecordPaymentResponse;
    /// Agree to a statement.
    AgreeStatement = 61: settlement::AgreeStatementRequest => AgreeStatementResponse;
    /// Object to lines of a statement.
    DisputeLines = 62: settlement::DisputeLinesRequest => DisputeLinesResponse;
    /// Answer that.
    AnswerDispute = 63: settlement::AnswerDisputeRequest => AnswerDisputeResponse;
    /// Decide about a bank entry that waits.
    AssignPayment = 69: settlement::AssignPaymentRequest => AssignPaymentResponse;
    /// Say how the coalition settles.
    ArrangeSettlement = 65: settlement::ArrangeSettlementRequest => ArrangeSettlementResponse;
    /// Correct a closed window.
    Adjust = 64: settlement::AdjustRequest => AdjustResponse;
    /// Bear a break as it is.
    WriteOff = 66: settlement::WriteOffRequest => WriteOffResponse;
    /// Take a step of a break's life.
    StepBreak = 67: settlement::StepBreakRequest => StepBreakResponse;
    /// Sell points ahead to a prepaid partner.
    BuyBlock = 68: settlement::BuyBlockRequest => BuyBlockResponse;
    /// Book what a bank exchanged for the hub's pool.
    ConvertCurrency = 73: settlement::ConvertCurrencyRequest => ConvertCurrencyResponse;
    /// Add an endpoint for events.
    RegisterWebhook = 70: event::RegisterWebhookRequest => RegisterWebhookResponse;
    /// Remove one.
    DeleteWebhook = 71: event::DeleteWebhookRequest => DeleteWebhookResponse;
    /// Send events to one again.
    ReplayDelivery = 72: event::ReplayDeliveryRequest => ReplayDeliveryResponse;
}

impl Method {
    /// The fields of the request that say who a member is, or may: references and assertions, and what
    /// operators write about somebody.
    #[must_use]
    pub const fn personal(self) -> &'static [u32] {
        match self {
            Self::Transfer | Self::Propose => &[2, 3],
            Self::AttachReference => &[3, 5],
            Self::EraseMember | Self::Reject => &[3],
            Self::AssignPayment | Self::AnswerDispute => &[4],
            Self::StepBreak => &[5],
            Self::DisputeLines => &[6],
            Self::Earn
            | Self::Burn
            | Self::Authorize
            | Self::Exchange
            | Self::Donate
            | Self::LinkMember
            | Self::CreateLinkCode
            | Self::RedeemLinkCode
            | Self::ConfirmLink
            | Self::Unlink => &[2],
            Self::Capture
            | Self::Void
            | Self::Reverse
            | Self::CreatePartner
            | Self::SuspendPartner
            | Self::ResumePartner
            | Self::PublishTerms
            | Self::RegisterKey
            | Self::RotateKey
            | Self::RevokeKey
            | Self::GrantRoles
            | Self::Approve
            | Self::RecordPayment
            | Self::AgreeStatement
            | Self::ArrangeSettlement
            | Self::Adjust
            | Self::WriteOff
            | Self::BuyBlock
            | Self::ConvertCurrency
            | Self::RegisterWebhook
            | Self::DeleteWebhook
            | Self::ReplayDelivery
            | Self::UnmergeMembers
            | Self::Merge
            | Self::Expire
            | Self::Announce => &[],
        }
    }

    /// The code that is stored.
    #[must_use]
    #[expect(clippy::as_conversions, reason = "the enum is made of its codes")]
    pub const fn code(self) -> i16 {
        self as i16
    }
}
