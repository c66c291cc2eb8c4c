//! One batch: phases 1 to 5 of a write, for all commands at once.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use entente_api::error::ErrorReason;
use entente_ledger::{Cell, Currency, MemberId, Overflow, PartnerId, RequestId, Seq};
use entente_loyalty::{
    Catalogue, Command, Decided, Decision, Exposure, OperationKind, Original, OriginalKind,
    Refusal, State,
};
use entente_store::{
    Notice, Outcome, Place, RequestRow, StoreError,
    batch::{Batch, Heads, LoadedMembers, Written},
    personal::Lookup,
};
use sqlx::PgPool;

use super::{
    answer, measure,
    needs::{self, Links},
    resolver::{Remembered, member_unknown},
    submission::{Posted, Queued},
    told,
};
use crate::{
    catalogue::CatalogueCache,
    clocks,
    deadline::answered_within,
    error::{Refused, RpcError},
    expiring::KeptSums,
    feed,
    fingerprint::Fingerprint,
    method::Method,
    sandbox::{self, Magic},
};

/// What a writer works with.
#[derive(Debug, Clone)]
pub(super) struct Context {
    pub(super) pool: PgPool,
    /// How long a batch may take.
    pub(super) within: Duration,
    pub(super) catalogue: Arc<CatalogueCache>,
    /// Who follows the heads hears of each commit.
    pub(super) heads: feed::Heads,
    /// What the resolver remembers, which may no longer be so.
    pub(super) links: Remembered,
    /// What members with many lots have.
    pub(super) sums: KeptSums,
}

type Key = (PartnerId, RequestId);
type Answer = Result<Posted, RpcError>;

/// Posts commands in one transaction, and answers them in their order. On an error, nothing is
/// posted, or the commit's outcome is unknown; either way the same commands may be run again. A
/// database that does not answer is given up, with its connection.
pub(super) async fn run(context: &Context, commands: &[Queued]) -> Result<Vec<Answer>, StoreError> {
    answered_within(context.within, post(context, commands)).await
}

/// Of a member, the lots that come first in burn order are loaded; where they do not suffice, the batch
/// begins anew with all of that member's.
async fn post(context: &Context, commands: &[Queued]) -> Result<Vec<Answer>, StoreError> {
    let mut of_all_lots = BTreeSet::new();
    loop {
        match attempt(context, commands, &of_all_lots).await? {
            Attempt::Done(answers) => return Ok(answers),
            Attempt::Short(members) if of_all_lots.is_superset(&members) => {
                let row = format!("of {members:?}, of whom all are loaded");
                return Err(StoreError::Inconsistent { table: "lots", column: "open", row });
            }
            Attempt::Short(members) => of_all_lots.extend(members),
        }
    }
}

enum Attempt {
    Done(Vec<Answer>),
    /// Nothing is written: more lots of these members are needed.
    Short(BTreeSet<MemberId>),
}

async fn attempt(
    context: &Context,
    commands: &[Queued],
    of_all_lots: &BTreeSet<MemberId>,
) -> Result<Attempt, StoreError> {
    // 1. Lock the heads, in cell order; read the clock under them, which another one has to confirm.
    let mut batch = Batch::begin(&context.pool).await?;
    let cells = commands.iter().flat_map(Queued::members).map(|(cell, _)| cell);
    let cells: BTreeSet<Cell> = cells.collect();
    let heads = batch.lock_heads(&cells.into_iter().collect::<Vec<_>>()).await?;
    clocks::agree(heads.database)?;
    let catalogue = context.catalogue.at_least(heads.catalogue_epoch).await?;

    // 2. Read: earlier outcomes and credited receipts, links, members, exposures, floats.
    let ids: Vec<Key> = commands.iter().map(key).collect();
    let earlier = batch.earlier(&ids, &receipts(commands)).await?;
    let links = batch.links(&references(commands)).await?;
    let wanted = needs::of_members(commands, (&catalogue, heads.now), &links, of_all_lots);
    let mut loaded = batch.load(&wanted, heads.now).await?;
    needs::hold_back(&mut loaded, &links);
    let payees = commands.iter().flat_map(|queued| needs::payees(&queued.command, &catalogue));
    let counted = needs::counted(commands, &catalogue, &loaded, heads.now);
    batch.load_counted(&mut loaded, &counted).await?;
    let exposures = lock_exposures(&mut batch, &catalogue, &loaded, payees).await?;
    let floats = batch.lock_floats(&needs::floats(commands, &catalogue)).await?;
    let counted = batch.lock_counted(&needs::limited(commands, &catalogue, heads.now)).await?;
    let before = context.sums.before(loaded.versions(&heads));

    // 3. Decide, one after another, each on the state that its predecessors left.
    let mut state = state(&catalogue, &heads, &mut loaded, exposures);
    state.receipts = earlier.credited;
    state.floats = floats;
    state.counted = counted;
    let mut deciding = Deciding::new(state, &heads, earlier.outcomes);
    let answers: Vec<Answer> =
        commands.iter().map(|command| deciding.answer(command, &links, &context.links)).collect();

    if !deciding.short.is_empty() {
        return Ok(Attempt::Short(deciding.short));
    }

    // 4. Write everything. 5. Commit.
    let last = deciding.last.clone();
    let mut members = HashMap::new();
    if !deciding.decisions.is_empty() {
        members = deciding.write(&mut batch, loaded).await?.members;
    }
    let (round_trips, version) = (batch.round_trips() + 1, batch.version());
    batch.commit().await?;
    context.sums.moved_on(before, &members, version);
    context.heads.committed(&last, heads.now);
    measure::batch(commands.len(), round_trips);
    Ok(Attempt::Done(answers))
}

/// The answer that was given to the same request before, or a refusal of another one.
pub(super) fn replay(fingerprint: &Fingerprint, outcome: &Outcome) -> Answer {
    if let Some(field) = fingerprint.difference(outcome.method, &outcome.fields) {
        let message = "the request id was used for other content";
        return Err(Refused::new(ErrorReason::RequestIdReused, message)
            .with("field", field)
            .into());
    }
    if outcome.refused {
        return Err(RpcError::replayed(&outcome.answer));
    }
    Ok(Posted { answer: outcome.answer.clone(), replayed: true })
}

type Exposures = BTreeMap<(PartnerId, Currency), Exposure>;

/// Locks the exposures that are kept of the callers, and of whoever the members' points concern.
pub(super) async fn lock_exposures(
    batch: &mut Batch,
    catalogue: &Catalogue,
    loaded: &LoadedMembers,
    callers: impl Iterator<Item = PartnerId>,
) -> Result<Exposures, StoreError> {
    let capped = needs::capped(catalogue);
    if capped.is_empty() {
        return Ok(BTreeMap::new());
    }
    let touched = loaded.partners().into_iter().chain(callers);
    batch.lock_exposures(&touched.filter(|id| capped.contains(id)).collect()).await
}

/// The state that the members which were loaded are decided on.
pub(super) fn state<'a>(
    catalogue: &'a Catalogue,
    heads: &Heads,
    loaded: &mut LoadedMembers,
    exposures: Exposures,
) -> State<'a> {
    let members = std::mem::take(&mut loaded.members);
    State { exposures, ..State::new(catalogue, heads.window, members) }
}

/// The decisions of a batch so far.
pub(super) struct Deciding<'a> {
    state: State<'a>,
    heads: &'a Heads,
    pub(super) last: BTreeMap<Cell, Seq>,
    outcomes: HashMap<Key, Outcome>,
    requests: Vec<RequestRow>,
    pub(super) decisions: Vec<Decision>,
    notices: Vec<Notice>,
    /// Members of whom more lots are to be loaded.
    short: BTreeSet<MemberId>,
}

impl<'a> Deciding<'a> {
    pub(super) fn new(state: State<'a>, heads: &'a Heads, outcomes: HashMap<Key, Outcome>) -> Self {
        let last = heads.heads.iter().map(|(cell, head)| (*cell, head.seq)).collect();
        let (requests, decisions, notices) = (Vec::new(), Vec::new(), Vec::new());
        let short = BTreeSet::new();
        Self { state, heads, last, outcomes, requests, decisions, notices, short }
    }

    fn answer(&mut self, queued: &Queued, links: &Links, remembered: &Remembered) -> Answer {
        if let Some(outcome) = self.outcomes.get(&key(queued)) {
            return replay(&queued.fingerprint, outcome);
        }
        let partner = queued.command.partner;
        for (reference, found) in &queued.references {
            match links.get(&(partner, *reference)) {
                Some(link) if link.is_still(found) => {}
                now => {
                    remembered.forget(partner, *reference);
                    let anew = now.map(|_| Refused::linked_anew().into());
                    return Err(anew.unwrap_or_else(member_unknown));
                }
            }
        }
        for (cell, member) in queued.members() {
            let Some(loaded) = self.state.members.get(&member) else {
                return Err(RpcError::fault("a linked member has no wallet"));
            };
            if loaded.is_short(self.heads.now) {
                self.short.insert(member);
                return Err(Refused::overloaded().into());
            }
            // What is due expires first, whatever becomes of the command.
            self.expire_due(cell, member).map_err(RpcError::internal)?;
        }
        let loaded: Vec<MemberId> = queued.members().map(|(_, member)| member).collect();
        if !self.state.holds(&queued.command, &loaded) {
            // Its member was merged into another one, which was not loaded: it is to be resolved again.
            return Err(Refused::overloaded().into());
        }
        self.decide(queued, is_linked(queued, links))
    }

    /// Brings a member to the batch's time.
    pub(super) fn expire_due(&mut self, cell: Cell, member: MemberId) -> Result<(), Overflow> {
        let expired = self.state.bring_to(member, self.next(cell), self.heads.now)?;
        for decision in expired {
            let answer = answer::of_hub(self.state.catalogue, &decision);
            let method = match decision.operation.kind {
                OperationKind::Announce => Method::Announce,
                _ => Method::Expire,
            };
            let fingerprint = Fingerprint { method, fields: Vec::new() };
            self.record(&fingerprint, decision, answer, None);
        }
        Ok(())
    }

    /// Decides a command whose outcome the caller keeps.
    pub(super) fn post(&mut self, command: &Command) -> Result<Decided, Refusal> {
        let last = &self.last;
        let decided = self.state.decide(command, |cell| next(last, cell), self.heads.now)?;
        self.push(decided.decision.clone());
        if let Some(received) = decided.received.clone() {
            self.push(received);
        }
        Ok(decided)
    }

    /// Decides; who is not `linked` is not told what the member has.
    fn decide(&mut self, queued: &Queued, linked: bool) -> Answer {
        let command = &queued.command;
        let now = self.heads.now;
        let Some(caller) = self.state.catalogue.partner(command.partner) else {
            return Err(Refused::unauthenticated().into());
        };
        let magic = sandbox::magic(caller, command.request_id, &command.receipt_reference)?;
        match magic {
            Some(Magic::Refuse(reason)) => return self.provoked(queued, reason),
            Some(Magic::Outage) => return Err(Refused::overloaded().into()),
            Some(Magic::Lost | Magic::Delay(_)) | None => {}
        }
        let (fingerprint, authorized_by) = (&queued.fingerprint, authorized_by(queued));
        let last = &self.last;
        match self.state.decide(command, |cell| next(last, cell), now) {
            Ok(Decided { decision, received }) => {
                let tokens = answer::Tokens {
                    member: queued.link.link_token,
                    counterparty: queued.receiver.map(|link| link.link_token),
                };
                let answer = answer::of_partner(caller, tokens, &decision, linked);
                self.record(fingerprint, decision, answer.clone(), authorized_by);
                // The request's outcome is the giver's leg; the receiver's is in its cell's feed.
                if let Some(received) = received {
                    self.push(received);
                }
                match magic {
                    Some(Magic::Lost) => Err(Refused::deadline_passed().into()),
                    _ => Ok(Posted { answer, replayed: false }),
                }
            }
            Err(refusal) => {
                if refusal == Refusal::LotsNotLoaded {
                    self.short.extend(queued.members().map(|(_, member)| member));
                }
                let refused = Refused::of_refusal(&refusal, caller, now);
                if refused.is_kept() {
                    let seq = self.next(queued.link.cell);
                    let decision = self.state.refused(command, seq, now, refusal);
                    self.record(fingerprint, decision, refused.encoded(), None);
                }
                Err(refused.into())
            }
        }
    }

    /// The refusal that a partner which tests asked for, kept or not as published.
    fn provoked(&mut self, queued: &Queued, reason: ErrorReason) -> Answer {
        let refused = sandbox::refused(reason);
        if refused.is_kept() {
            let (seq, now) = (self.next(queued.link.cell), self.heads.now);
            let refusal = Refusal::Provoked { reason: reason.into() };
            let decision = self.state.refused(&queued.command, seq, now, refusal);
            self.record(&queued.fingerprint, decision, refused.encoded(), None);
        }
        Err(refused.into())
    }

    fn record(
        &mut self,
        fingerprint: &Fingerprint,
        decision: Decision,
        answer: Vec<u8>,
        authorized_by: Option<Seq>,
    ) {
        let operation = &decision.operation;
        let place = Place {
            cell: operation.cell,
            seq: operation.seq,
            member: Some(operation.member),
            authorized_by,
        };
        let outcome = Outcome {
            method: fingerprint.method.code(),
            fields: fingerprint.fields.clone(),
            refused: operation.refusal.is_some(),
            answer,
            place: Some(place),
        };
        let (partner, request_id) = (operation.partner, operation.request_id);
        self.outcomes.insert((partner, request_id), outcome.clone());
        let receipt = operation.credited_receipt().map(str::to_owned);
        self.requests.push(RequestRow { partner, request_id, outcome, receipt });
        self.push(decision);
    }

    /// An operation is posted, with what partners are told of it.
    fn push(&mut self, decision: Decision) {
        self.notices.extend(told::notices(&self.state, &decision));
        self.last.insert(decision.operation.cell, decision.operation.seq);
        self.decisions.push(decision);
    }

    fn next(&self, cell: Cell) -> Seq {
        next(&self.last, cell)
    }

    /// Writes everything, and gives the members back as they are then.
    pub(super) async fn write(
        self,
        batch: &mut Batch,
        mut loaded: LoadedMembers,
    ) -> Result<LoadedMembers, StoreError> {
        loaded.members = self.state.members;
        let written = Written {
            heads: self.heads,
            last: &self.last,
            requests: &self.requests,
            decisions: &self.decisions,
            notices: &self.notices,
            members: &loaded,
            exposures: &self.state.exposures,
            changed_exposures: &self.state.changed_exposures,
            floats: &self.state.floats,
            counted: &self.state.counted,
            changed_counted: &self.state.changed_counted,
        };
        batch.write(&written).await?;
        Ok(loaded)
    }
}

/// The number of a cell's next operation.
fn next(last: &BTreeMap<Cell, Seq>, cell: Cell) -> Seq {
    Seq(last.get(&cell).map_or(1, |last| last.0 + 1))
}

fn key(queued: &Queued) -> Key {
    (queued.command.partner, queued.command.request_id)
}

fn references(commands: &[Queued]) -> Vec<(PartnerId, Lookup)> {
    let references = commands.iter().flat_map(|queued| {
        let partner = queued.command.partner;
        let named = queued.references.iter().map(|(reference, _)| reference);
        named.chain(&queued.sees_by).map(move |reference| (partner, *reference))
    });
    let distinct: BTreeSet<_> = references.collect();
    distinct.into_iter().collect()
}

/// Whether the partner is linked to the member by the link that its command knows. A command that
/// named its member by a reference is.
fn is_linked(queued: &Queued, links: &Links) -> bool {
    let link = |reference: &Lookup| links.get(&(queued.command.partner, *reference));
    let sees = queued.sees_by.as_ref().and_then(link);
    !queued.references.is_empty() || sees.is_some_and(|link| link.is_still(&queued.seen()))
}

/// The receipts that earns ask to credit.
fn receipts(commands: &[Queued]) -> Vec<(PartnerId, String)> {
    let earns = commands.iter().map(|queued| &queued.command).filter(|command| {
        command.kind() == OperationKind::Earn && !command.receipt_reference.is_empty()
    });
    let receipts = earns.map(|command| (command.partner, command.receipt_reference.clone()));
    let distinct: BTreeSet<_> = receipts.collect();
    distinct.into_iter().collect()
}

/// Of a capture: the authorization, so that the capture's reversal finds its hold.
fn authorized_by(queued: &Queued) -> Option<Seq> {
    match &queued.command.action {
        entente_loyalty::Action::Capture {
            original: Original { seq, kind: OriginalKind::Authorize, .. },
            ..
        } => Some(*seq),
        _ => None,
    }
}
