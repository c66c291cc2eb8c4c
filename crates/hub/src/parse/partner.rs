//! Requests about partners and terms.

use entente_api::partner::{
    CreatePartnerRequest, PublishTermsRequest, ResumePartnerRequest, SuspendPartnerRequest,
};
use entente_ledger::RequestId;
use entente_loyalty::PartnerCode;
use jiff::Timestamp;

use super::{Violations, partner_code, printable, request_id, timestamp};
use crate::{
    control::{CreatePartner, PublishTerms, ResumePartner, SuspendPartner},
    error::Refused,
    security::Actor,
};

const MAX_NAME_CHARS: usize = 64;

/// A new brand.
pub fn create(request: &CreatePartnerRequest) -> Result<(RequestId, CreatePartner), Refused> {
    let mut violations = Violations::default();
    let id = violations.field("request_id", request_id(&request.request_id));
    let code = violations.field("code", partner_code(&request.code));
    let name = printable(&request.display_name, MAX_NAME_CHARS);
    let name = violations.field("display_name", name);
    match (id, code, name) {
        (Some(id), Some(code), Some(display_name)) => {
            let testing = request.testing;
            Ok((id, CreatePartner { code, display_name, testing }))
        }
        _ => Err(violations.refused()),
    }
}

/// A suspension.
pub fn suspend(
    request: &SuspendPartnerRequest,
    by: Actor,
) -> Result<(RequestId, SuspendPartner), Refused> {
    let (id, partner) = named(&request.request_id, &request.partner)?;
    Ok((id, SuspendPartner { partner, by }))
}

/// The end of one.
pub fn resume(
    request: &ResumePartnerRequest,
    by: Actor,
) -> Result<(RequestId, ResumePartner), Refused> {
    let (id, partner) = named(&request.request_id, &request.partner)?;
    Ok((id, ResumePartner { partner, by }))
}

/// New terms.
pub fn publish(request: &PublishTermsRequest) -> Result<(RequestId, PublishTerms), Refused> {
    let mut violations = Violations::default();
    let id = violations.field("request_id", request_id(&request.request_id));
    let partner = violations.field("partner", partner_code(&request.partner));
    let from = violations.optional_time("effective_from", request.effective_from.as_ref());
    let agreement = violations.agreement("agreement", request.agreement.as_ref());
    // A list may have something wrong in it and yet be parsed.
    match (id, partner, from, agreement) {
        (Some(id), Some(partner), Some(effective_from), Some(agreement))
            if violations.is_empty() =>
        {
            Ok((id, PublishTerms { partner, effective_from, agreement }))
        }
        _ => Err(violations.refused()),
    }
}

/// Whom a request names, if anybody.
pub fn optional_partner(code: &str) -> Result<Option<PartnerCode>, Refused> {
    if code.is_empty() {
        return Ok(None);
    }
    let mut violations = Violations::default();
    violations.field("partner", partner_code(code)).map(Some).ok_or_else(|| violations.refused())
}

impl Violations {
    /// A time that may be absent.
    pub fn optional_time(
        &mut self,
        field: &str,
        wire: Option<&prost_types::Timestamp>,
    ) -> Option<Option<Timestamp>> {
        self.field(field, wire.map(timestamp).transpose())
    }
}

fn named(id: &str, code: &str) -> Result<(RequestId, PartnerCode), Refused> {
    let mut violations = Violations::default();
    let id = violations.field("request_id", request_id(id));
    let code = violations.field("partner", partner_code(code));
    id.zip(code).ok_or_else(|| violations.refused())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "7d0c1e1c-6f0b-4d1b-9c59-0d3b1f6f7a10";

    fn malformed<T>(parsed: Result<T, Refused>) -> String {
        let refused = parsed.err().expect("a refusal");
        refused.message().trim_start_matches("the request is malformed: ").to_owned()
    }

    #[test]
    fn a_new_brand_has_a_code_and_a_name() {
        let request = |id: &str, code: &str, name: &str| CreatePartnerRequest {
            request_id: id.to_owned(),
            code: code.to_owned(),
            display_name: name.to_owned(),
            testing: false,
        };
        assert!(create(&request(ID, "harbor-hotels", "Harbor Hotels")).is_ok());
        for (bad, fields) in [
            (request("", "", ""), "request_id, code, display_name"),
            (request(ID, "coalition", "C"), "code"),
            (request(ID, "Harbor", "H"), "code"),
            (request(ID, "harbor", "H\0"), "display_name"),
            (request(ID, "harbor", &"h".repeat(65)), "display_name"),
        ] {
            assert_eq!(malformed(create(&bad)), fields);
        }
    }

    #[test]
    fn whoever_is_suspended_or_resumed_is_named() {
        let (request_id, partner) = (ID.to_owned(), "rover-rides".to_owned());
        let suspending = SuspendPartnerRequest { request_id, partner };
        let by = || Actor { name: "operator/ops".to_owned(), certificate: None };
        assert!(suspend(&suspending, by()).is_ok());
        let nobody = suspend(&SuspendPartnerRequest::default(), by());
        assert_eq!(malformed(nobody), "request_id, partner");
        let nobody = resume(&ResumePartnerRequest::default(), by());
        assert_eq!(malformed(nobody), "request_id, partner");
    }

    #[test]
    fn everything_that_is_wrong_with_new_terms_is_named_at_once() {
        let effective_from = Some(prost_types::Timestamp { seconds: 0, nanos: -1 });
        let request = PublishTermsRequest { effective_from, ..PublishTermsRequest::default() };
        assert_eq!(malformed(publish(&request)), "request_id, partner, effective_from, agreement");
    }

    #[test]
    fn a_partner_may_leave_itself_unnamed() {
        assert_eq!(optional_partner(""), Ok(None));
        assert!(matches!(optional_partner("rover-rides"), Ok(Some(_))));
        assert_eq!(malformed(optional_partner("Rover")), "partner");
    }
}
