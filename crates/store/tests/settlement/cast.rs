//! Harbor Hotels, Rover Rides and Green Grocer, some members, and a ledger that posts their commands
//! one by one, as a hub would.

use std::collections::{BTreeMap, BTreeSet};

use entente_ledger::{
    Cell, Currency, Funding, MemberId, Micros, PartnerId, Points, RequestId, Seq, TermsVersion,
};
use entente_loyalty::{
    Action, Agreement, Bought, BurnAmount, Command, Decided, Decision, EarnCategory, EarnRounding,
    EarnRule, Gifts, OperationKind, Original, OriginalKind, ReversePart, State, Terms,
};
use entente_settlement::Arrangement;
use entente_store::{
    Outcome, Place, RequestRow, StoreError,
    batch::{Batch, MemberNeeds, Written},
    catalogue::{insert_partner, insert_terms, load_catalogue},
    connect_in_order,
    control::Control,
    member::{NewLink, insert_link, insert_wallet},
    personal::{Lookup, SealedReference},
    settlement::{self, Close, Closed, WindowPools},
};
use entente_testkit::{Database, morning};
use sqlx::PgPool;
use uuid::Uuid;

pub(crate) const HARBOR: PartnerId = PartnerId(1);
pub(crate) const ROVER: PartnerId = PartnerId(2);
pub(crate) const GROCER: PartnerId = PartnerId(3);

/// A ledger with three partners.
pub(crate) struct Ledger {
    pub(crate) database: Database,
    pub(crate) pool: PgPool,
    requests: std::cell::Cell<u128>,
}

pub(crate) fn currency(code: &str) -> Currency {
    code.parse().expect("ISO 4217")
}

/// Terms under which 1.00 earns a point and a point lives a year.
pub(crate) fn agreement(code: &str, funding: Funding) -> Agreement {
    let rule = EarnRule { minimum_spend: Micros(0), points: 1, per_spend: Micros(1_000_000) };
    Agreement {
        currency: currency(code),
        categories: vec![EarnCategory { category: "*".to_owned(), rules: vec![rule] }],
        rounding: EarnRounding::Down,
        max_points_per_operation: None,
        max_points_per_member_year: None,
        issue_price: Micros(10_000),
        reimbursement: Micros(7_000),
        point_value: Micros(8_000),
        hub_fee_basis_points: 0,
        funding,
        lot_life_days: 365,
        hold_life_seconds: 86_400,
        late_limit_days: 7,
        net_debit_caps: BTreeMap::new(),
        exchange_in: None,
        exchange_out: None,
        claim_limit_days: 0,
        gifts: Some(Gifts {
            max_points_per_operation: Points(1_000),
            max_points_per_member_month: Points(5_000),
        }),
        accepts_donations: false,
        prepaid: false,
        limits: BTreeMap::new(),
    }
}

/// Prices that leave remainders everywhere: Harbor funds at issue, the others at redemption.
pub(crate) fn uneven() -> [Agreement; 3] {
    let harbor = agreement("EUR", Funding::AtIssue);
    let rover = agreement("USD", Funding::AtRedemption);
    let grocer = agreement("EUR", Funding::AtRedemption);
    [
        Agreement {
            issue_price: Micros(10_123),
            reimbursement: Micros(7_101),
            hub_fee_basis_points: 150,
            ..harbor
        },
        Agreement { reimbursement: Micros(8_077), hub_fee_basis_points: 233, ..rover },
        Agreement { reimbursement: Micros(7_211), hub_fee_basis_points: 99, ..grocer },
    ]
}

/// Closes the open window under a name.
pub(crate) async fn close_window(pool: &PgPool, name: &str) -> Result<Closed, StoreError> {
    let mut control = Control::begin(pool).await?;
    let close = Close {
        name,
        testing: false,
        actor: "operator/ops",
        cut_off_at: None,
        next_closes_at: None,
        arrangement: &Arrangement::default(),
    };
    let closed = settlement::close_window(&mut control, &close).await?;
    if closed.done.is_some() {
        control.commit().await?;
    } else {
        control.rollback().await?;
    }
    Ok(closed)
}

impl Ledger {
    /// Where a hub reads closed windows.
    pub(crate) async fn windows(&self) -> WindowPools {
        let pages = connect_in_order(self.database.runtime_url(), 2).await.expect("connections");
        WindowPools { totals: self.pool.clone(), pages }
    }

    pub(crate) async fn with(agreements: [Agreement; 3]) -> Self {
        let database = Database::fresh().await;
        let pool = database.runtime_pool().await;
        let mut control = Control::begin(&pool).await.expect("heads");
        let codes = ["harbor-hotels", "rover-rides", "green-grocer"];
        for (code, agreement) in codes.into_iter().zip(agreements) {
            let code = code.parse().expect("a code");
            let partner =
                insert_partner(control.connection(), &code, code.as_str(), morning(), false);
            let partner = partner.await.expect("a partner").expect("a free code");
            let terms = Terms {
                partner,
                version: TermsVersion(1),
                effective_from: morning(),
                effective_to: None,
                agreement,
            };
            insert_terms(control.connection(), &terms).await.expect("terms");
        }
        control.raise_epoch().await.expect("an epoch");
        control.commit().await.expect("a commit");
        Self { database, pool, requests: std::cell::Cell::new(1) }
    }

    /// A member that every partner knows.
    pub(crate) async fn member(&self, number: u128) -> MemberId {
        self.known_at(number, &[HARBOR, ROVER, GROCER]).await
    }

    /// A member that some partners know.
    pub(crate) async fn known_at(&self, number: u128, partners: &[PartnerId]) -> MemberId {
        let member = MemberId(Uuid::from_u128(0xABCD_0000 + number));
        let mut control = Control::begin(&self.pool).await.expect("heads");
        let cell = member.cell(control.ledger().cell_count);
        insert_wallet(control.connection(), member, cell, &[7; 60]).await.expect("a wallet");
        for &partner in partners {
            let token = u128::try_from(partner.0).expect("positive") << 64 | number;
            let link = NewLink {
                partner,
                reference: &sealed(number, member),
                member,
                cell,
                link_token: Uuid::from_u128(token),
                linked_at: morning(),
                burns_others_from: None,
            };
            assert!(insert_link(control.connection(), &link).await.expect("a link"));
        }
        control.commit().await.expect("a commit");
        member
    }

    /// An earn of so many points.
    pub(crate) async fn earn(&self, partner: PartnerId, member: MemberId, points: i64) -> Decision {
        let mut connection = self.pool.acquire().await.expect("a connection");
        let catalogue = load_catalogue(&mut connection).await.expect("a catalogue");
        let terms = catalogue.partner(partner).and_then(|found| found.terms_at(morning()));
        let action = Action::Earn(Bought {
            spend: Micros(points * 1_000_000),
            currency: terms.expect("terms").agreement.currency,
            paid_in_points: Micros::ZERO,
            category: "room".to_owned(),
            activity_at: None,
            retro_claim: false,
        });
        self.post(partner, member, action).await
    }

    pub(crate) async fn burn(&self, partner: PartnerId, member: MemberId, points: i64) -> Decision {
        self.post(partner, member, Action::Burn(BurnAmount::Points(Points(points)))).await
    }

    pub(crate) async fn authorize(
        &self,
        partner: PartnerId,
        member: MemberId,
        points: i64,
    ) -> Decision {
        self.post(partner, member, Action::Authorize(BurnAmount::Points(Points(points)))).await
    }

    /// A gift of so many points; the giver's leg.
    pub(crate) async fn give(
        &self,
        partner: PartnerId,
        (from, to): (MemberId, MemberId),
        points: i64,
    ) -> Decision {
        self.post(partner, from, Action::Transfer { to, points: Points(points) }).await
    }

    /// A merge of two members; the absorbed one's leg.
    pub(crate) async fn merge(&self, absorbed: MemberId, into: MemberId) -> Decision {
        self.post(HARBOR, absorbed, Action::Merge { into }).await
    }

    /// Takes a merge back; the kept member's leg.
    pub(crate) async fn unmerge(&self, kept: MemberId, from: MemberId) -> Decision {
        self.post(HARBOR, kept, Action::Unmerge { from }).await
    }

    /// Available, held and debt.
    pub(crate) async fn has(&self, member: MemberId) -> (i64, i64, i64) {
        let wallet = "SELECT available, held, debt FROM wallets WHERE member_id = $1";
        let wallet = sqlx::query_as(wallet).bind(member.0).fetch_one(&self.pool).await;
        wallet.expect("a wallet")
    }

    /// A capture of what an authorization holds.
    pub(crate) async fn capture(&self, authorized: &Decision, points: i64) -> Decision {
        let original = original(authorized, OriginalKind::Authorize);
        let action = Action::Capture { original, points: Some(Points(points)) };
        self.post(authorized.operation.partner, authorized.operation.member, action).await
    }

    pub(crate) async fn reverse(&self, decision: &Decision, part: ReversePart) -> Decision {
        let kind = match decision.operation.kind {
            OperationKind::Earn => OriginalKind::Earn,
            _ => OriginalKind::Burn,
        };
        let action = Action::Reverse { original: original(decision, kind), part };
        self.post(decision.operation.partner, decision.operation.member, action).await
    }

    /// Decides a command under its cells' heads and writes it; a refusal is written too.
    async fn post(&self, partner: PartnerId, member: MemberId, action: Action) -> Decision {
        let number = self.requests.get();
        self.requests.set(number + 1);
        let request_id = RequestId(Uuid::from_u128(number << 32 | 0x4000_8000));
        let receipt_reference = format!("R-{number}");
        let command = Command { partner, request_id, member, receipt_reference, action };
        self.batch(&command).await.expect("a batch")
    }

    async fn batch(&self, command: &Command) -> Result<Decision, entente_store::StoreError> {
        let catalogue = load_catalogue(&mut *self.pool.acquire().await?).await?;
        let mut batch = Batch::begin(&self.pool).await?;
        let needs = self.needs(command).await?;
        let cells: BTreeSet<_> = needs.keys().map(|(cell, _)| *cell).collect();
        let heads = batch.lock_heads(&cells.into_iter().collect::<Vec<_>>()).await?;
        let mut loaded = batch.load(&needs, heads.now).await?;
        let partners = [HARBOR, ROVER, GROCER].into();
        let exposures = batch.lock_exposures(&partners).await?;
        let members = std::mem::take(&mut loaded.members);
        let mut state = State { exposures, ..State::new(&catalogue, heads.window, members) };
        let mut last: BTreeMap<_, _> =
            heads.heads.iter().map(|(cell, head)| (*cell, head.seq)).collect();
        let next = |last: &BTreeMap<Cell, Seq>, cell| last[&cell].after(1).expect("small");
        let mut decisions = Vec::new();
        for member in state.concerned(command) {
            let cell = member.cell(8);
            let due = state.bring_to(member, next(&last, cell), heads.now).expect("small");
            last.insert(cell, last[&cell].after(due.len()).expect("small"));
            decisions.extend(due);
        }
        let seq = next(&last, command.member.cell(8));
        let decided = state.decide(command, |cell| next(&last, cell), heads.now);
        let (decided, received) = match decided {
            Ok(Decided { decision, received }) => (decision, received),
            Err(refusal) => (state.refused(command, seq, heads.now, refusal), None),
        };
        decisions.push(decided.clone());
        let requests: Vec<_> = decisions.iter().map(outcome).collect();
        decisions.extend(received);
        for Decision { operation, .. } in &decisions {
            last.insert(operation.cell, operation.seq);
        }
        loaded.members = std::mem::take(&mut state.members);
        let written = Written {
            heads: &heads,
            last: &last,
            requests: &requests,
            decisions: &decisions,
            notices: &[],
            members: &loaded,
            exposures: &state.exposures,
            changed_exposures: &state.changed_exposures,
            floats: &state.floats,
            counted: &state.counted,
            changed_counted: &state.changed_counted,
        };
        batch.write(&written).await?;
        batch.commit().await?;
        Ok(decided)
    }

    /// What a command needs of its members, and of those that they were merged into.
    async fn needs(
        &self,
        command: &Command,
    ) -> Result<BTreeMap<(Cell, MemberId), MemberNeeds>, StoreError> {
        let forward = "SELECT into_member_id FROM forwards WHERE member_id = $1";
        let key = |member: MemberId| (member.cell(8), member);
        let mut needs = BTreeMap::new();
        for member in command.members() {
            let mut at = Some(member);
            while let Some(found) = at {
                let open = MemberNeeds { everything_open: true, ..MemberNeeds::default() };
                needs.entry(key(found)).or_insert(open);
                let next = sqlx::query_scalar(forward).bind(found.0).fetch_optional(&self.pool);
                at = next.await?.map(MemberId);
            }
        }
        needs.insert(key(command.member), self::needs(&command.action));
        if let Action::Merge { into: other } | Action::Unmerge { from: other } = command.action {
            for (member, other) in [(command.member, other), (other, command.member)] {
                needs.entry(key(member)).or_default().merges_with = Some(key(other));
            }
        }
        Ok(needs)
    }
}

/// A month in small: earns, burns, a part capture, refunds, a clawback with debt, an open hold.
pub(crate) async fn busy(ledger: &Ledger) {
    let guest = ledger.member(1).await;
    let rider = ledger.member(2).await;
    let shopper = ledger.member(3).await;
    let stay = ledger.earn(HARBOR, guest, 1_237).await;
    ledger.earn(ROVER, guest, 411).await;
    ledger.earn(GROCER, rider, 977).await;
    ledger.earn(ROVER, rider, 333).await;
    let shopping = ledger.earn(GROCER, shopper, 501).await;
    let burned = ledger.burn(ROVER, guest, 1_301).await;
    ledger.reverse(&burned, ReversePart::Points(Points(77))).await;
    let authorized = ledger.authorize(GROCER, rider, 1_003).await;
    ledger.capture(&authorized, 801).await;
    ledger.authorize(ROVER, rider, 123).await;
    ledger.burn(HARBOR, shopper, 450).await;
    let refunded = Micros(1_200_000_000);
    let clawed = ledger.reverse(&stay, ReversePart::Spend(refunded, currency("EUR"))).await;
    assert!(clawed.operation.debt_created.is_positive(), "the guest spent them");
    ledger.earn(GROCER, guest, 600).await;
    ledger.reverse(&shopping, ReversePart::Rest).await;
    let refused = ledger.burn(HARBOR, shopper, 1_000_000).await;
    assert!(refused.operation.refusal.is_some());
}

fn needs(action: &Action) -> MemberNeeds {
    let mut needs = MemberNeeds { everything_open: true, ..MemberNeeds::default() };
    if let Action::Capture { original, .. } | Action::Reverse { original, .. } = action {
        match original.hold() {
            Some(hold) => needs.holds.insert(hold),
            None => needs.earns.insert(original.seq),
        };
    }
    needs
}

fn original(decision: &Decision, kind: OriginalKind) -> Original {
    let (seq, request_id): (Seq, RequestId) =
        (decision.operation.seq, decision.operation.request_id);
    Original { seq, request_id, kind }
}

fn outcome(decision: &Decision) -> RequestRow {
    let operation = &decision.operation;
    let place = Place {
        cell: operation.cell,
        seq: operation.seq,
        member: Some(operation.member),
        authorized_by: None,
    };
    let outcome = Outcome {
        method: match operation.kind {
            OperationKind::Transfer => 10,
            OperationKind::Merge => 13,
            OperationKind::Unmerge => 14,
            OperationKind::Reverse => 6,
            _ => 1,
        },
        fields: Vec::new(),
        refused: operation.refusal.is_some(),
        answer: Vec::new(),
        place: Some(place),
    };
    RequestRow {
        partner: operation.partner,
        request_id: operation.request_id,
        outcome,
        receipt: operation.credited_receipt().map(str::to_owned),
    }
}

/// The reference of a member, as if it were sealed.
fn sealed(number: u128, member: MemberId) -> SealedReference {
    let mut lookup = [0; 32];
    lookup[..16].copy_from_slice(&number.to_be_bytes());
    SealedReference { lookup: Lookup(lookup), sealed: vec![7; 92], sealed_for: member }
}
