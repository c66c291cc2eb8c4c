//! What it costs to decide an earn, a burn of one lot and a burn of all, by how many open lots the member
//! has: `cargo bench -p entente-loyalty`.

use std::{
    collections::{BTreeMap, HashMap},
    hint::black_box,
};

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use entente_ledger::{
    Cell, Funding, Lot, LotId, MemberId, Micros, Origin, PartnerId, Points, RequestId, Seq,
    TermsVersion, Wallet, WindowId,
};
use entente_loyalty::{
    Action, Agreement, Bought, BurnAmount, Catalogue, Command, EarnCategory, EarnRounding,
    EarnRule, Member, Partner, State, Terms, Window, Windows,
};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

const HARBOR: PartnerId = PartnerId(1);
const GUEST: MemberId = MemberId(Uuid::from_u128(0xa1));
const CELL: Cell = Cell(7);
const POINTS_A_LOT: i64 = 100;
const MORNING: &str = "2026-01-15T09:00:00Z";

fn time(at: &str) -> Timestamp {
    at.parse().expect("RFC 3339")
}

fn agreement() -> Agreement {
    let rule = EarnRule { minimum_spend: Micros::ZERO, points: 1, per_spend: Micros(1_000_000) };
    Agreement {
        currency: "USD".parse().expect("ISO 4217"),
        categories: vec![EarnCategory { category: "*".to_owned(), rules: vec![rule] }],
        rounding: EarnRounding::Down,
        max_points_per_operation: None,
        max_points_per_member_year: None,
        issue_price: Micros(10_000),
        reimbursement: Micros(8_000),
        point_value: Micros(10_000),
        hub_fee_basis_points: 150,
        funding: Funding::AtRedemption,
        prepaid: false,
        lot_life_days: 365,
        hold_life_seconds: 86_400,
        late_limit_days: 7,
        net_debit_caps: BTreeMap::new(),
        exchange_in: None,
        exchange_out: None,
        claim_limit_days: 0,
        gifts: None,
        accepts_donations: false,
        limits: BTreeMap::new(),
    }
}

fn catalogue() -> Catalogue {
    let terms = Terms {
        partner: HARBOR,
        version: TermsVersion(1),
        effective_from: time("2020-01-01T00:00:00Z"),
        effective_to: None,
        agreement: agreement(),
    };
    let harbor = Partner {
        id: HARBOR,
        code: "harbor-hotels".parse().expect("a code"),
        display_name: "Harbor Hotels".to_owned(),
        suspended: false,
        testing: false,
        created_at: time("2020-01-01T00:00:00Z"),
        terms: vec![terms],
    };
    Catalogue::new(1, vec![harbor])
}

/// Lots that another day each expire, none of them soon.
fn guest(lot_count: i64) -> Member {
    let mut guest = Member::new(GUEST, CELL);
    let currency = "USD".parse().expect("ISO 4217");
    for number in 1..=lot_count {
        let id = LotId { opened_by: Seq(number), ordinal: 0 };
        let expires_at = time(MORNING) + SignedDuration::from_hours(24 * 365 + number);
        let lot = Lot {
            id,
            issuer: HARBOR,
            funding: Funding::AtRedemption,
            terms_version: TermsVersion(1),
            currency,
            expires_at,
            remaining: Points(POINTS_A_LOT),
            held: Points::ZERO,
            expired: Points::ZERO,
            announced: false,
            origin: Origin::Exchanged,
        };
        guest.lots.insert(id, lot);
    }
    let available = Points(lot_count * POINTS_A_LOT);
    guest.wallet = Wallet { available, ..Wallet::default() };
    guest
}

fn state(catalogue: &Catalogue, guest: Member) -> State<'_> {
    let window = |id| Window { id: WindowId(id), opened_at: time("2026-01-01T00:00:00Z") };
    let windows = Windows { live: window(1), testing: window(-1) };
    State::new(catalogue, windows, HashMap::from([(GUEST, guest)]))
}

fn command(action: Action) -> Command {
    Command {
        partner: HARBOR,
        request_id: RequestId(Uuid::from_u128(9)),
        member: GUEST,
        receipt_reference: String::new(),
        action,
    }
}

fn earn() -> Action {
    Action::Earn(Bought {
        spend: Micros(37_800_000),
        currency: "USD".parse().expect("ISO 4217"),
        paid_in_points: Micros::ZERO,
        category: "room".to_owned(),
        activity_at: None,
        retro_claim: false,
    })
}

fn burn(points: i64) -> Action {
    Action::Burn(BurnAmount::Points(Points(points)))
}

/// As the pipeline does: what is due ends first, then the command is decided.
fn decide(c: &mut Criterion) {
    let (catalogue, now) = (catalogue(), time(MORNING));
    let mut group = c.benchmark_group("decide");
    for lot_count in [1, 100, 1_000] {
        let guest = guest(lot_count);
        let all = lot_count * POINTS_A_LOT;
        for (name, action) in [("earn", earn()), ("burn", burn(1)), ("burn-all", burn(all))] {
            let command = command(action);
            group.bench_function(BenchmarkId::new(name, lot_count), |b| {
                b.iter_batched_ref(
                    || state(&catalogue, guest.clone()),
                    |state| {
                        let next = Seq(2_000);
                        let ended = state.bring_to(GUEST, next, now).expect("in range");
                        let decided = state.decide(black_box(&command), |_| next, now);
                        (ended, decided.expect("accepted"))
                    },
                    BatchSize::SmallInput,
                );
            });
        }
    }
    group.finish();
}

criterion_group!(benches, decide);
criterion_main!(benches);
