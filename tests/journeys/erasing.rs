//! What is personal of a member goes for good; what the ledger says of it stays. The test that is judged
//! plants a thousand references wherever one can stand.

use std::{
    io,
    sync::{Arc, Mutex},
};

use entente_client::{
    Client, Operators,
    api::{
        error::ErrorReason as R,
        member::{EraseMemberRequest, ExportMemberRequest, GetBalanceRequest},
        points::EarnRequest,
        proposal::{RejectRequest, act::Act as OneAct},
    },
    new_request_id,
};
use entente_hub::{
    control::apply_journal, ledger::OpenError, parse::member_reference, personal::Vault,
};
use entente_ledger::{MemberId, PartnerId};
use entente_store::erasing::{self, Erasure};
use entente_testkit::{
    Database, TestHub,
    cast::{HARBOR, ROVER, attach, burn, earn, enrol},
};
use futures::{StreamExt, stream};
use serde_json::Value;
use sqlx::PgPool;
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use crate::{
    dump::{dump, found},
    linking::{link, unlinking},
    linking_codes::{create, typed},
    merging::{merge, two_wallets},
    proposals::{approval, attachment, get, propose},
    steps::{authorize, cents, has, position, reason, refund_points, reverse, void},
};

/// How many references are planted.
const PLANTED: usize = 1_000;
/// How many calls run at the same time.
const AT_ONCE: usize = 24;

pub(crate) fn erasure(partner: &str, reference: &str) -> EraseMemberRequest {
    EraseMemberRequest {
        request_id: new_request_id(),
        partner: partner.to_owned(),
        member_reference: reference.to_owned(),
    }
}

pub(crate) async fn erase(operators: &Operators, reference: &str) -> (i64, i64) {
    let erased = operators.erase_member(erasure(HARBOR, reference)).await.expect("an erasure");
    (erased.links_removed, erased.points_expired)
}

async fn is_unknown(client: &Client, reference: &str) -> bool {
    let request = GetBalanceRequest { member_reference: reference.to_owned() };
    let unknown = client.get_balance(request).await.is_err_and(|e| reason(&e) == R::MemberUnknown);
    let earned = client.earn(earn(reference, cents(100), "EUR")).await;
    unknown && earned.is_err_and(|error| reason(&error) == R::MemberUnknown)
}

/// Every record of a member, in pages of so many.
async fn export(operators: &Operators, reference: &str, page_size: i32) -> Vec<Value> {
    let mut request = ExportMemberRequest {
        partner: HARBOR.to_owned(),
        member_reference: reference.to_owned(),
        page_size,
        page_token: String::new(),
    };
    let mut records = Vec::new();
    loop {
        let page = operators.export_member(request.clone()).await.expect("a page");
        records.extend(page.records.iter().map(|record| serde_json::from_str(record).unwrap()));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return records;
        }
    }
}

/// What the hubs of this process log from now on, in every detail.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn listen() -> Log {
    let log = Log::default();
    let filter = EnvFilter::new("info,sqlx=debug,entente_hub=trace,entente_store=trace");
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(log.clone());
    subscriber.try_init().expect("nobody else listens in this process");
    log
}

/// References that look like nothing else, of all lengths and of other scripts too.
fn planted() -> Vec<String> {
    let tails = ["", "@example.com", " of the house", "-ü会员", "/7:8#9"];
    (0..PLANTED).map(|n| format!("planted-{n:04}-{:08x}{}", n * 2_654_435, tails[n % 5])).collect()
}

/// Some of everything in which a reference can stand.
async fn plant(hub: &TestHub, references: &[String]) {
    let (harbor, rover) = (hub.partner(HARBOR).await, hub.partner(ROVER).await);
    let operators = hub.operator().await;
    let harbor_too = &harbor;
    let members = stream::iter(references).map(|reference| async move {
        link(harbor_too, HARBOR, reference).await;
        harbor_too.earn(earn(reference, cents(10_000), "EUR")).await.unwrap();
    });
    members.buffer_unordered(AT_ONCE).collect::<()>().await;
    let [attached, coded, pending, merged, left, proposed, ..] = references else { unreachable!() };
    attach(&operators, HARBOR, attached, ROVER).await;
    let code = create(&harbor, coded, ROVER).await;
    typed(&rover, ROVER, coded, "2222-2222").await.expect_err("a wrong code");
    let other = create(&harbor, pending, ROVER).await;
    typed(&rover, ROVER, pending, &other.code).await.expect("a good code");
    typed(&rover, ROVER, coded, &code.code).await.expect("a good code");
    link(&rover, ROVER, &format!("{merged}-there")).await;
    merge(&harbor, &rover, (merged, &format!("{merged}-there"))).await;
    harbor.unlink(unlinking(left)).await.unwrap();
    link(&harbor, HARBOR, left).await;
    harbor.burn(burn(proposed, 10)).await.unwrap();
    for (rejected, member) in [(true, proposed), (false, attached)] {
        let OneAct::AttachReference(mut act) = attachment(ROVER) else { unreachable!() };
        act.member_reference.clone_from(member);
        act.target_member_reference = format!("{member}-too");
        let id = propose(&operators, OneAct::AttachReference(act)).await;
        if rejected {
            let reason = format!("it is {member}, who left");
            let request = RejectRequest { request_id: new_request_id(), proposal: id, reason };
            operators.approver().reject(request).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_thousand_erased_members_neither_dump_nor_log_holds_a_reference() {
    let log = listen();
    let hub = TestHub::with_cast().await;
    let references = planted();
    Box::pin(plant(&hub, &references)).await;
    let operators = hub.operator().await;
    let by = &operators;
    let erasures = stream::iter(&references).map(|reference| async move {
        by.erase_member(erasure(HARBOR, reference)).await.expect("an erasure");
    });
    erasures.buffer_unordered(AT_ONCE).collect::<()>().await;
    assert!(is_unknown(&hub.partner(HARBOR).await, &references[7]).await);

    let owner = hub.database().owner_pool().await;
    let dump = dump(&owner).await;
    let left: (i64, i64, i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM links), (SELECT count(*) FROM member_keys),
                (SELECT count(*) FROM consents), (SELECT count(*) FROM erasures)",
    )
    .fetch_one(&owner)
    .await
    .unwrap();
    owner.close().await;
    // One of them was two; and who was unlinked before has a key that opens no reference.
    assert_eq!(left, (0, 1, 1, 1_001));
    let names = ["", HARBOR, ROVER, "1", "2", "entente", "entente personal data 1", "lookup"];
    let keys: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
    assert_eq!(found(&dump, &references, &keys), Vec::<String>::new(), "in the dump");
    let log = log.0.lock().unwrap().clone();
    assert!(log.len() > 10_000, "nothing was logged");
    assert_eq!(found(&log, &references, &keys), Vec::<String>::new(), "in the log");
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_member_is_unknown_everywhere_and_the_ledger_stays_as_it_was() {
    let hub = TestHub::with_cast().await;
    let (harbor, rover) = (hub.partner(HARBOR).await, hub.partner(ROVER).await);
    let operators = hub.operator().await;
    enrol(&harbor, "guest").await;
    enrol(&harbor, "other").await;
    attach(&operators, HARBOR, "guest", ROVER).await;
    let earned = earn("guest", cents(10_000), "EUR");
    let first = harbor.earn(earned.clone()).await.unwrap();
    harbor.earn(earn("other", cents(5_000), "EUR")).await.unwrap();
    let burned = rover.burn(burn("guest", 30)).await.unwrap().operation.unwrap();
    let before = position(&operators, "").await;
    assert_eq!(erase(&operators, "guest").await, (2, 70));
    assert!(is_unknown(&harbor, "guest").await && is_unknown(&rover, "guest").await);
    assert_eq!(position(&operators, "").await.nets, before.nets, "no money moved");

    // What was answered is answered still; and what differs is found, though nobody knows it any more.
    let again = harbor.earn(earned.clone()).await.unwrap();
    assert!(again.replayed && again.operation == first.operation);
    let refused = harbor.earn(EarnRequest { member_reference: "other".to_owned(), ..earned });
    let refused = refused.await.expect_err("another member");
    assert_eq!(reason(&refused), R::RequestIdReused);
    // Goods come back though their buyer is gone: the money does too, the points do not.
    let back = rover.reverse(reverse(&burned.request_id)).await.unwrap();
    assert!(back.balances.is_none(), "nobody is told what a stranger has");
    assert_eq!(has(&harbor, "other").await, (50, 0, 0));
    // Whoever comes back is somebody else.
    enrol(&harbor, "guest").await;
    assert_eq!(has(&harbor, "guest").await, (0, 0, 0));
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn points_that_come_back_to_a_merged_member_that_was_erased_expire() {
    // Of the lot something was left, which moved; and nothing was.
    for burned in [20, 50] {
        let (hub, harbor, rover) = two_wallets().await;
        let ride = rover.burn(burn("rider", burned)).await.unwrap().operation.unwrap();
        merge(&harbor, &rover, ("guest", "rider")).await;
        let operators = hub.operator().await;
        assert_eq!(erase(&operators, "guest").await, (2, 150 - burned));
        let pool = hub.database().owner_pool().await;
        for points in [5, 5, 10] {
            rover.reverse(refund_points(&ride.request_id, points)).await.expect("the money");
            let left = sqlx::query_scalar("SELECT sum(available)::bigint FROM wallets");
            let left: i64 = left.fetch_one(&pool).await.unwrap();
            assert_eq!(left, 0, "nobody has what came back");
        }
        pool.close().await;
        hub.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_decides_about_an_erased_member_leaves_no_word_about_it() {
    let hub = TestHub::with_cast().await;
    let (harbor, operators) = (hub.partner(HARBOR).await, hub.operator().await);
    enrol(&harbor, "guest").await;
    let OneAct::AttachReference(mut act) = attachment(ROVER) else { unreachable!() };
    act.target_member_reference = "guest-too".to_owned();
    let ids = [
        propose(&operators, OneAct::AttachReference(act.clone())).await,
        propose(&operators, OneAct::AttachReference(act)).await,
    ];
    erase(&operators, "guest").await;
    let by = [operators.approver(), &operators];
    for (id, by) in ids.iter().zip(by) {
        let why = "it is guest, who left".to_owned();
        let reject =
            RejectRequest { request_id: new_request_id(), proposal: id.clone(), reason: why };
        by.reject(reject).await.expect("an end");
        assert_eq!(get(&operators, id).await.decision_reason, "");
    }
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_waits_for_words_that_are_being_written_and_finds_them() {
    let hub = TestHub::with_cast().await;
    let (harbor, operators) = (hub.partner(HARBOR).await, hub.operator().await);
    enrol(&harbor, "guest").await;
    propose(&operators, attachment(ROVER)).await;
    let pool = hub.database().owner_pool().await;
    let mut writing = pool.begin().await.unwrap();
    erasing::nobody_meanwhile(&mut *writing).await.unwrap();
    let more = "INSERT INTO proposals (proposal_id, kind, act, reason, proposed_by, proposed_at,
                                       expires_at, sealed, member_id)
        SELECT gen_random_uuid(), kind, act, reason, proposed_by, proposed_at, expires_at, sealed,
               member_id
        FROM proposals WHERE member_id IS NOT NULL";
    assert_eq!(sqlx::query(more).execute(&mut *writing).await.unwrap().rows_affected(), 1);
    let erasing = tokio::spawn(async move { erase(&operators, "guest").await });
    let waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))";
    while !sqlx::query_scalar::<_, bool>(waits).fetch_one(&pool).await.unwrap() {
        assert!(!erasing.is_finished(), "it waits");
        tokio::task::yield_now().await;
    }
    writing.commit().await.unwrap();
    assert_eq!(erasing.await.unwrap(), (1, 0));
    pool.close().await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_erased_while_points_are_held_and_nobody_twice() {
    let hub = TestHub::with_cast().await;
    let harbor = hub.partner(HARBOR).await;
    let operators = hub.operator().await;
    enrol(&harbor, "guest").await;
    harbor.earn(earn("guest", cents(10_000), "EUR")).await.unwrap();
    let held = authorize("guest", 10);
    harbor.authorize(held.clone()).await.unwrap();
    let refused = operators.erase_member(erasure(HARBOR, "guest")).await.expect_err("held");
    assert_eq!(reason(&refused), R::HoldsOpen);
    harbor.void(void(&held.request_id)).await.unwrap();
    // Two proposals: the second one finds nobody, and does not say any more whom it was about.
    let act = || {
        OneAct::EraseMember(EraseMemberRequest {
            request_id: String::new(),
            ..erasure(HARBOR, "guest")
        })
    };
    let (first, second) = (propose(&operators, act()).await, propose(&operators, act()).await);
    operators.approver().approve(approval(&first)).await.unwrap();
    let refused = operators.approver().approve(approval(&second)).await.expect_err("erased");
    assert_eq!(reason(&refused), R::MemberErased);
    for id in [first, second] {
        let found = get(&operators, &id).await;
        let Some(OneAct::EraseMember(act)) = found.act.and_then(|act| act.act) else {
            panic!("another act")
        };
        assert_eq!((act.partner.as_str(), act.member_reference.as_str()), (HARBOR, ""));
        assert_eq!(found.reason, "", "what was written about the member");
    }
    let unknown = operators.erase_member(erasure(HARBOR, "nobody")).await.expect_err("nobody");
    assert_eq!(reason(&unknown), R::MemberUnknown);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_of_an_erased_member_is_named_by_the_check() {
    let hub = TestHub::with_cast().await;
    let (harbor, operators) = (hub.partner(HARBOR).await, hub.operator().await);
    for reference in ["guest", "other"] {
        link(&harbor, HARBOR, reference).await;
    }
    harbor.earn(earn("guest", cents(10_000), "EUR")).await.unwrap();
    create(&harbor, "other", ROVER).await;
    erase(&operators, "guest").await;
    let pool = hub.database().owner_pool().await;
    let found = async || -> Vec<String> {
        let verdicts = entente_store::check::run(&pool).await.unwrap();
        let nobody_elses = verdicts.into_iter().filter(|verdict| verdict.number == 9);
        nobody_elses.flat_map(|verdict| verdict.offenders).collect()
    };
    assert_eq!(found().await, Vec::<String>::new());
    let key = "INSERT INTO member_keys (cell, member_id, wrapped)
        SELECT cell, member_id, decode(repeat('00', 60), 'hex') FROM erasures";
    let no_key = "DELETE FROM member_keys USING erasures
        WHERE member_keys.member_id = erasures.member_id";
    for (planted, removed, said) in [
        (key, no_key, "a key"),
        (
            "UPDATE links SET member_id = (SELECT member_id FROM erasures)",
            "UPDATE links SET member_id = sealed_for",
            "a link",
        ),
        (
            "UPDATE links SET sealed_for = (SELECT member_id FROM erasures)",
            "UPDATE links SET sealed_for = member_id",
            "a reference that was sealed for it",
        ),
        (
            "UPDATE consents SET member_id = (SELECT member_id FROM erasures)",
            "UPDATE consents SET member_id = sealed_for",
            "a consent",
        ),
        (
            "UPDATE consents SET sealed_for = (SELECT member_id FROM erasures)",
            "UPDATE consents SET sealed_for = member_id",
            "a consent that was sealed for it",
        ),
        (
            "UPDATE link_codes SET member_id = (SELECT member_id FROM erasures)",
            "UPDATE link_codes SET member_id = (SELECT member_id FROM links)",
            "a code",
        ),
        (
            "UPDATE proposals SET sealed = '\\x01' WHERE member_id IS NOT NULL",
            "UPDATE proposals SET sealed = NULL WHERE member_id IS NOT NULL",
            "what an act says of it",
        ),
    ] {
        sqlx::query(planted).execute(&pool).await.unwrap();
        let said = format!("is erased, there is still {said}");
        assert!(found().await.iter().any(|offender| offender.ends_with(&said)), "{said}");
        sqlx::query(removed).execute(&pool).await.unwrap();
    }
    assert_eq!(found().await, Vec::<String>::new());
    pool.close().await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_is_told_all_that_is_kept_of_it() {
    let hub = TestHub::with_cast().await;
    let (harbor, rover) = (hub.partner(HARBOR).await, hub.partner(ROVER).await);
    let operators = hub.operator().await;
    link(&harbor, HARBOR, "guest").await;
    link(&rover, ROVER, "rider").await;
    harbor.earn(earn("guest", cents(10_000), "EUR")).await.unwrap();
    rover.earn(earn("rider", cents(5_000), "USD")).await.unwrap();
    enrol(&harbor, "other").await;
    merge(&harbor, &rover, ("guest", "rider")).await;
    let told = export(&operators, "guest", 1_000).await;
    assert_eq!(export(&operators, "guest", 3).await, told, "page by page");
    let of = |what: &str| told.iter().filter(|one| one["record"] == what).collect::<Vec<_>>();
    let mut references: Vec<_> =
        of("link").iter().map(|link| link["member_reference"].as_str().unwrap()).collect();
    references.sort_unstable();
    assert_eq!(references, ["guest", "rider"]);
    let consents = of("consent");
    assert_eq!(consents.len(), 4, "two linked, one redeemed, one confirmed");
    assert!(consents.iter().all(|one| one["wording_version"] == "2026-03"));
    assert_eq!(of("wallet").len(), 2, "its own, and the one that was merged into it");
    assert!(of("lot").len() >= 3 && of("operation").len() >= 4);

    let page = ExportMemberRequest {
        partner: HARBOR.to_owned(),
        member_reference: "guest".to_owned(),
        page_size: 1,
        page_token: String::new(),
    };
    let token = operators.export_member(page.clone()).await.unwrap().next_page_token;
    let others =
        ExportMemberRequest { member_reference: "other".to_owned(), page_token: token, ..page };
    let refused = operators.export_member(others).await.expect_err("another's page");
    assert_eq!(reason(&refused), R::Malformed);
    let pool = hub.database().owner_pool().await;
    let by: Vec<String> =
        sqlx::query_scalar("SELECT actor FROM security_events WHERE kind = 50 ORDER BY id")
            .fetch_all(&pool)
            .await
            .unwrap();
    assert_eq!(by.len(), 3, "each export is on record once");
    pool.close().await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_erases_again_whom_a_restored_database_still_knows() {
    let hub = TestHub::with_cast().await;
    let harbor = hub.partner(HARBOR).await;
    let operators = hub.operator().await;
    for reference in ["guest", "restored"] {
        enrol(&harbor, reference).await;
        harbor.earn(earn(reference, cents(10_000), "EUR")).await.unwrap();
    }
    erase(&operators, "guest").await;
    let pool = hub.database().owner_pool().await;
    let journal = erasing::journal(&pool, None, 10).await.unwrap();
    let [erased] = journal.as_slice() else { panic!("{journal:?}") };
    // As if the other one had been erased after the backup was made.
    let member: uuid::Uuid =
        sqlx::query_scalar("SELECT member_id FROM links").fetch_one(&pool).await.unwrap();
    let restored = Erasure { member: MemberId(member), ..*erased };
    let journal = [*erased, restored];
    let applied = apply_journal(&pool, &journal).await.unwrap();
    assert_eq!((applied.erased, applied.known), (1, 1));
    assert!(is_unknown(&harbor, "restored").await);
    let applied = apply_journal(&pool, &journal).await.unwrap();
    assert_eq!((applied.erased, applied.known), (0, 2), "once is enough");
    let left: i64 = sqlx::query_scalar("SELECT sum(available)::bigint FROM wallets")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(left, 0);
    pool.close().await;
    hub.close().await;
}

/// How many of them the holder of the key finds in a database.
async fn known(owner: &PgPool, vault: &Vault, references: &[String]) -> i64 {
    let lookup = |reference: &String| {
        let reference = member_reference(reference).unwrap();
        vault.lookup(PartnerId(1), &reference).0.to_vec()
    };
    let lookups: Vec<Vec<u8>> = references.iter().map(lookup).collect();
    let known = "SELECT count(*) FROM links JOIN member_keys ON member_keys.member_id = sealed_for
        WHERE lookup = ANY ($1)";
    sqlx::query_scalar(known).bind(lookups).fetch_one(owner).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_from_before_an_erasure_forgets_by_the_journal_even_before_who_has_the_key() {
    let hub = TestHub::with_cast().await;
    let (harbor, operators) = (hub.partner(HARBOR).await, hub.operator().await);
    let references = &planted()[..12];
    for reference in references {
        link(&harbor, HARBOR, reference).await;
        harbor.earn(earn(reference, cents(100), "EUR")).await.unwrap();
    }
    let vault = Vault::open(&hub.trust_domain().folder().join("keys")).unwrap();
    let backups = tempfile::tempdir().unwrap();
    let file = backups.path().join("backup.sql");
    hub.database().dump(&file);
    let (erased, kept) = references.split_at(8);
    for reference in erased {
        operators.erase_member(erasure(HARBOR, reference)).await.expect("an erasure");
    }
    let owner = hub.database().owner_pool().await;
    let journal = erasing::journal(&owner, None, 100).await.unwrap();
    owner.close().await;
    hub.close().await;

    let restored = Database::restored(&file).await;
    let owner = restored.owner_pool().await;
    assert_eq!(known(&owner, &vault, erased).await, 8, "the backup knows them");
    let applied = apply_journal(&owner, &journal).await.unwrap();
    assert_eq!((applied.erased, applied.known), (8, 0));
    assert_eq!(known(&owner, &vault, erased).await, 0, "nobody finds them, nor opens what is left");
    assert_eq!(known(&owner, &vault, kept).await, 4, "and the others are there");
    let keys: &[&[u8]] = &[b"", b"lookup"];
    assert_eq!(found(&dump(&owner).await, references, keys), Vec::<String>::new());
    owner.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_by_another_key_than_the_ledgers_does_not_start() {
    let hub = TestHub::with_cast().await;
    let keys = tempfile::tempdir().unwrap();
    let folder = keys.path().join("keys");
    let early = hub.another_by_keys(&folder).await.expect("nothing is sealed yet");
    early.drain().await;
    enrol(&hub.partner(HARBOR).await, "guest").await;
    let refused = hub.another_by_keys(&folder).await.err().expect("a key that opens nothing");
    assert!(matches!(refused, OpenError::PersonalData), "{refused}");
    hub.close().await;
}
