//! What a batch's commands need to be read, before any of them is decided.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use entente_ledger::{Cell, MemberId, PartnerId, Points};
use entente_loyalty::{Action, Catalogue, Command, ExchangeAmount, Original, OriginalKind};
use entente_store::{
    ResolvedLink,
    batch::{CountedKey, FloatNeeds, LoadedMembers, MemberNeeds},
    personal::Lookup,
};
use jiff::{Timestamp, tz::TimeZone};

use super::submission::Queued;

/// What references name now.
pub(super) type Links = HashMap<(PartnerId, Lookup), ResolvedLink>;

/// What the commands need of each member; all open lots of those for whom the first have not sufficed.
pub(super) fn of_members(
    commands: &[Queued],
    (catalogue, now): (&Catalogue, Timestamp),
    links: &Links,
    of_all_lots: &BTreeSet<MemberId>,
) -> BTreeMap<(Cell, MemberId), MemberNeeds> {
    let mut needs: BTreeMap<(Cell, MemberId), MemberNeeds> = BTreeMap::new();
    for queued in commands {
        let member = (queued.link.cell, queued.link.member);
        add(needs.entry(member).or_default(), &queued.command, catalogue, now);
        for member in queued.members() {
            needs.entry(member).or_default();
        }
        for member in &queued.followed {
            needs.entry(*member).or_default().everything_open = true;
        }
    }
    for ((_, member), needs) in &mut needs {
        needs.everything_open |= of_all_lots.contains(member);
    }
    let held_back = |link: &&ResolvedLink| link.burns_others_from.is_some_and(|until| now < until);
    for link in links.values().filter(held_back) {
        // Which lots its points may come from is not known yet.
        if let Some(needs) = needs.get_mut(&(link.cell, link.member)) {
            needs.taken = needs.taken.map(|_| Points(i64::MAX));
        }
    }
    needs
}

/// Tells the members what their links hold back.
pub(super) fn hold_back(loaded: &mut LoadedMembers, links: &Links) {
    for ((partner, _), link) in links {
        let member = loaded.members.get_mut(&link.member);
        if let Some((member, until)) = member.zip(link.burns_others_from) {
            member.held_back.insert(*partner, until);
        }
    }
}

/// What one command needs of its member.
pub(super) fn add(
    needs: &mut MemberNeeds,
    command: &Command,
    catalogue: &Catalogue,
    now: Timestamp,
) {
    if let Some(points) = command.takes(catalogue, now) {
        let taken = needs.taken.map_or(0, |taken| taken.0).saturating_add(points.0);
        needs.taken = Some(Points(taken));
    }
    match &command.action {
        Action::Earn(bought) => {
            if caps_years(catalogue, command.partner) {
                needs.years.extend([(command.partner, year(bought.activity_at.unwrap_or(now)))]);
            }
        }
        Action::Burn(_) | Action::Authorize(_) | Action::Exchange(_) | Action::Donate { .. } => {}
        Action::Merge { .. } | Action::Unmerge { .. } => needs.everything_open = true,
        Action::Transfer { .. } => {
            needs.gift_months.insert((command.partner, entente_loyalty::month(now)));
        }
        Action::Capture { original, .. }
        | Action::Void { original }
        | Action::Reverse { original, .. } => add_original(needs, original),
    }
}

fn add_original(needs: &mut MemberNeeds, original: &Original) {
    needs.holds.extend(original.hold());
    if original.kind == OriginalKind::Earn {
        needs.earns.insert(original.seq);
    }
}

/// The floats that commands may draw from or return to: those of their callers, where some version of
/// their terms is prepaid.
pub(super) fn floats(commands: &[Queued], catalogue: &Catalogue) -> FloatNeeds {
    let mut needs = FloatNeeds::default();
    for queued in commands {
        add_float(&mut needs, &queued.command, queued.link.cell, catalogue);
    }
    needs
}

/// The same of one command, whose original is of no account: a quote undoes nothing.
pub(super) fn floats_of(command: &Command, catalogue: &Catalogue) -> FloatNeeds {
    let mut needs = FloatNeeds::default();
    add_float(&mut needs, command, Cell(0), catalogue);
    needs
}

fn add_float(needs: &mut FloatNeeds, command: &Command, cell: Cell, catalogue: &Catalogue) {
    let issue = match &command.action {
        Action::Earn(_) | Action::Exchange(ExchangeAmount::In(_)) => None,
        Action::Reverse { original, .. } if original.kind == OriginalKind::Earn => {
            Some((cell, original.seq))
        }
        _ => return,
    };
    if catalogue.is_prepaid(command.partner) {
        needs.partners.insert(command.partner);
        needs.issues.extend(issue);
    }
}

/// The callers whose exposure is kept, and whether any partner's is.
pub(super) fn capped(catalogue: &Catalogue) -> BTreeSet<PartnerId> {
    catalogue
        .partners()
        .filter(|partner| {
            partner.terms.iter().any(|terms| !terms.agreement.net_debit_caps.is_empty())
        })
        .map(|partner| partner.id)
        .collect()
}

/// Whose counters of which members the commands need, by the terms in force: the callers', and those
/// of issuers that want to be told of what is burned elsewhere.
pub(super) fn counted(
    commands: &[Queued],
    catalogue: &Catalogue,
    loaded: &LoadedMembers,
    now: Timestamp,
) -> BTreeSet<CountedKey> {
    let mut named = HashMap::<MemberId, usize>::new();
    // Whoever a merge leads to counts too: a refund may bring points to it.
    for (_, member) in commands.iter().flat_map(Queued::members) {
        *named.entry(member).or_default() += 1;
    }
    let callers = commands.iter().map(|queued| queued.command.partner);
    let mut anybody: BTreeSet<_> = loaded.partners().into_iter().chain(callers).collect();
    anybody.retain(|partner| catalogue.minds_elsewhere(*partner, now));
    let mut keys = BTreeSet::new();
    for command in limited_commands(commands) {
        keys.extend(of_command(command, catalogue, loaded, now));
        // What one command of the batch brings to a member, another may take.
        let member = loaded.members.get(&command.member);
        if let Some(member) = member.filter(|member| named[&member.id] > 1) {
            let issuers = anybody.iter().filter(|issuer| **issuer != command.partner);
            keys.extend(issuers.map(|issuer| (member.cell, member.id, *issuer)));
        }
    }
    keys
}

/// The same of one command.
pub(super) fn of_command(
    command: &Command,
    catalogue: &Catalogue,
    loaded: &LoadedMembers,
    now: Timestamp,
) -> BTreeSet<CountedKey> {
    let Some(member) = loaded.members.get(&command.member) else { return BTreeSet::new() };
    let caller = Some(command.partner).filter(|caller| catalogue.limits_members(*caller, now));
    let issuers = member.lots.values().map(|lot| lot.issuer);
    let issuers = issuers.filter(|issuer| *issuer != command.partner);
    let told = issuers.filter(|issuer| catalogue.minds_elsewhere(*issuer, now));
    told.chain(caller).map(|partner| (member.cell, member.id, partner)).collect()
}

/// The callers whose terms in force limit them as a whole.
pub(super) fn limited(
    commands: &[Queued],
    catalogue: &Catalogue,
    now: Timestamp,
) -> BTreeSet<PartnerId> {
    let callers: BTreeSet<_> = limited_commands(commands).map(|command| command.partner).collect();
    callers.into_iter().filter(|caller| catalogue.limits_partner(*caller, now)).collect()
}

fn limited_commands(commands: &[Queued]) -> impl Iterator<Item = &Command> {
    let commands = commands.iter().map(|queued| &queued.command);
    commands.filter(|command| command.kind().is_limited())
}

/// Whose exposure a command may change, but for the issuers and creditors of its member's points:
/// its caller's, and that of the charity that it names.
pub(super) fn payees(command: &Command, catalogue: &Catalogue) -> impl Iterator<Item = PartnerId> {
    let charity = match &command.action {
        Action::Donate { charity, .. } => catalogue.by_code(charity.as_str()).map(|found| found.id),
        _ => None,
    };
    [command.partner].into_iter().chain(charity)
}

fn caps_years(catalogue: &Catalogue, partner: PartnerId) -> bool {
    catalogue.partner(partner).is_some_and(|partner| {
        partner.terms.iter().any(|terms| terms.agreement.max_points_per_member_year.is_some())
    })
}

fn year(at: Timestamp) -> i16 {
    at.to_zoned(TimeZone::UTC).year()
}
