//! One proposal, for people and for programs.

use entente_api::proposal::{Act, Proposal, act::Act as OneAct, applied::Answer};
use entente_client::Refusal;
use serde_json::{Value, json};

use crate::agreement::AgreementFile;
use crate::commands::{key, operator, settle, terms};
use crate::connect::Connection;
use crate::output::{Table, act_kind, operator_role, proposal_state, time_text};

/// Prints all that is known of it.
pub(super) fn full(connection: &Connection, proposal: &Proposal) -> anyhow::Result<()> {
    connection.output.show(&json(proposal), |_| {
        let act = proposal.act.as_ref().map(act_text);
        [Some(head(proposal)), act].into_iter().flatten().collect::<Vec<_>>().join("\n\n")
    })
}

/// Everything, as a program reads it.
pub(super) fn json(proposal: &Proposal) -> Value {
    let refusal = proposal.refusal.as_ref().map(Refusal::from_kept);
    json!({
        "proposal": proposal.proposal,
        "kind": act_kind(proposal.kind),
        "reason": proposal.reason,
        "state": proposal_state(proposal.state),
        "proposed_by": proposal.proposed_by,
        "proposed_at": time_text(proposal.proposed_at.as_ref()),
        "expires_at": time_text(proposal.expires_at.as_ref()),
        "decided_by": proposal.decided_by,
        "decided_at": proposal.decided_at.as_ref().map(|at| time_text(Some(at))),
        "decision_reason": proposal.decision_reason,
        "act": proposal.act.as_ref().map(act_json),
        "applied": proposal.applied.as_ref().and_then(|applied| applied.answer.as_ref()).map(answer),
        "refusal": refusal.map(|refusal| refusal.to_string()),
    })
}

fn head(proposal: &Proposal) -> String {
    // A title is shown in capitals; an id is to be copied as it is.
    let mut table = Table::new(&["proposal", ""]);
    table.row(["id".to_owned(), proposal.proposal.clone()]);
    let mut row = |name: &str, value: String| {
        if !value.is_empty() {
            table.row([name.to_owned(), value]);
        }
    };
    row("to", act_kind(proposal.kind).to_owned());
    row("because", proposal.reason.clone());
    row("state", proposal_state(proposal.state).to_owned());
    row("proposed by", proposal.proposed_by.clone());
    row("proposed at", time_text(proposal.proposed_at.as_ref()));
    row("can be approved until", time_text(proposal.expires_at.as_ref()));
    row("decided by", proposal.decided_by.clone());
    if proposal.decided_at.is_some() {
        row("decided at", time_text(proposal.decided_at.as_ref()));
    }
    row("ended because", proposal.decision_reason.clone());
    if let Some(refusal) = &proposal.refusal {
        row("refused for", Refusal::from_kept(refusal).to_string());
    }
    if let Some(done) = proposal.applied.as_ref().and_then(|applied| applied.answer.as_ref()) {
        row("done", done_text(done));
    }
    table.text("")
}

fn act_text(act: &Act) -> String {
    match &act.act {
        Some(OneAct::PublishTerms(publish)) => {
            let from = match &publish.effective_from {
                Some(from) => time_text(Some(from)),
                None => "the approval".to_owned(),
            };
            let agreement = publish.agreement.clone().unwrap_or_default();
            let agreed = terms::agreement_text(&agreement);
            format!("{}, from {from} until further notice\n\n{agreed}", publish.partner)
        }
        Some(OneAct::AttachReference(attach)) => format!(
            "the member {} of {} becomes {} at {}",
            attach.member_reference,
            attach.partner,
            attach.target_member_reference,
            attach.target_partner,
        ),
        Some(OneAct::RegisterKey(register)) => {
            format!("{} signs assertions by the key {}", register.owner, register.jwk)
        }
        Some(OneAct::GrantRoles(grant)) => {
            let roles: Vec<_> = grant.roles().map(operator_role).collect();
            format!("operator/{} has the roles: {}", grant.operator, roles.join(", "))
        }
        Some(OneAct::ArrangeSettlement(arrange)) => {
            settle::arrangement_text(&arrange.arrangement.clone().unwrap_or_default())
        }
        Some(OneAct::Adjust(adjust)) => settle::adjustment_text(adjust),
        Some(OneAct::WriteOff(off)) => {
            format!("the break {} is borne as it is: {}", off.break_id, off.reason)
        }
        Some(OneAct::BuyBlock(buy)) => settle::purchase_text(buy),
        Some(OneAct::ConvertCurrency(convert)) => settle::conversion_text(convert),
        Some(OneAct::EraseMember(erase)) if erase.member_reference.is_empty() => {
            "a member is erased, and who it was is not kept".to_owned()
        }
        Some(OneAct::EraseMember(erase)) => format!(
            "what is personal of the member {} of {} is removed for ever",
            erase.member_reference, erase.partner,
        ),
        None => "an act that this version does not know".to_owned(),
    }
}

fn act_json(act: &Act) -> Value {
    match &act.act {
        Some(OneAct::PublishTerms(publish)) => json!({ "publish_terms": {
            "partner": publish.partner,
            "effective_from": publish.effective_from.as_ref().map(|from| time_text(Some(from))),
            "agreement": publish.agreement.as_ref().map(AgreementFile::from_api),
        }}),
        Some(OneAct::AttachReference(attach)) => json!({ "attach_reference": {
            "partner": attach.partner,
            "member_reference": attach.member_reference,
            "target_partner": attach.target_partner,
            "target_member_reference": attach.target_member_reference,
        }}),
        Some(OneAct::RegisterKey(register)) => json!({ "register_key": {
            "owner": register.owner,
            "jwk": register.jwk,
        }}),
        Some(OneAct::GrantRoles(grant)) => json!({ "grant_roles": {
            "operator": grant.operator,
            "roles": grant.roles().map(operator_role).collect::<Vec<_>>(),
        }}),
        Some(OneAct::ArrangeSettlement(arrange)) => json!({
            "arrange_settlement": arrange.arrangement.as_ref().map(settle::arrangement_json),
        }),
        Some(OneAct::BuyBlock(buy)) => json!({ "buy_block": settle::purchase_json(buy) }),
        Some(OneAct::ConvertCurrency(convert)) => {
            json!({ "convert_currency": settle::conversion_json(convert) })
        }
        Some(OneAct::Adjust(adjust)) => json!({ "adjust": settle::adjustment_json(adjust) }),
        Some(OneAct::WriteOff(off)) => json!({ "write_off": {
            "break_id": off.break_id,
            "reason": off.reason,
        }}),
        Some(OneAct::EraseMember(erase)) => json!({ "erase_member": {
            "partner": erase.partner,
            "member_reference": erase.member_reference,
        }}),
        None => Value::Null,
    }
}

fn done_text(answer: &Answer) -> String {
    match answer {
        Answer::PublishTerms(published) => {
            let terms = published.terms.clone().unwrap_or_default();
            format!("{} version {}", terms.partner, terms.version)
        }
        Answer::AttachReference(attached) if attached.created => "attached".to_owned(),
        Answer::AttachReference(_) => "was attached before".to_owned(),
        Answer::RegisterKey(registered) => {
            format!("registered {}", registered.key.clone().unwrap_or_default().kid)
        }
        Answer::GrantRoles(_) => "granted".to_owned(),
        Answer::ArrangeSettlement(_) => "arranged".to_owned(),
        Answer::BuyBlock(bought) => settle::bought_text(bought),
        Answer::ConvertCurrency(converted) => settle::converted_text(converted),
        Answer::Adjust(adjusted) => format!("adjusted by {}", adjusted.adjustment),
        Answer::WriteOff(off) => format!("wrote the break {} off", off.break_id),
        Answer::EraseMember(erased) => format!(
            "erased: {} links, and {} points expired",
            erased.links_removed, erased.points_expired
        ),
    }
}

fn answer(answer: &Answer) -> Value {
    match answer {
        Answer::PublishTerms(published) => {
            json!({ "publish_terms": published.terms.as_ref().map(terms::json) })
        }
        Answer::AttachReference(attached) => {
            json!({ "attach_reference": { "created": attached.created } })
        }
        Answer::RegisterKey(registered) => {
            json!({ "register_key": registered.key.as_ref().map(key::shown) })
        }
        Answer::EraseMember(erased) => json!({ "erase_member": {
            "links_removed": erased.links_removed,
            "points_expired": erased.points_expired,
        }}),
        Answer::GrantRoles(granted) => {
            json!({ "grant_roles": granted.operator.as_ref().map(operator::shown) })
        }
        Answer::BuyBlock(bought) => json!({ "buy_block": settle::bought_json(bought) }),
        Answer::ConvertCurrency(converted) => {
            json!({ "convert_currency": settle::converted_json(converted) })
        }
        Answer::Adjust(adjusted) => json!({ "adjust": {
            "adjustment": adjusted.adjustment,
            "posted_at": time_text(adjusted.posted_at.as_ref()),
        }}),
        Answer::WriteOff(off) => json!({ "write_off": {
            "break_id": off.break_id,
            "written_off_at": time_text(off.written_off_at.as_ref()),
        }}),
        Answer::ArrangeSettlement(arranged) => json!({ "arrange_settlement": {
            "effective_from": time_text(arranged.effective_from.as_ref()),
            "closes_at": arranged.closes_at.as_ref().map(|at| time_text(Some(at))),
        }}),
    }
}
