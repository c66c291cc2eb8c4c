//! Pages of a partner's notices.

use entente_ledger::{PartnerId, Seq};
use entente_store::{
    NoticeKind,
    feed::{FedNotice, Range, notices},
};
use entente_testkit::morning;
use jiff_sqlx::ToSqlx;

use crate::Ledger;

const CELLS: usize = 16;
const LIMIT: u16 = 10;

/// A notice of cell 0.
async fn write(ledger: &Ledger, partner: PartnerId, seq: i64, kind: NoticeKind) {
    sqlx::query(
        "INSERT INTO notices (cell, seq, ordinal, partner_id, posted_at, kind, body)
         VALUES (0, $1, 0, $2, $3, $4, 'told')",
    )
    .bind(seq)
    .bind(partner.0)
    .bind(morning().to_sqlx())
    .bind(kind.code())
    .execute(&ledger.pool)
    .await
    .expect("a notice");
}

/// What one read looks through is bounded, however rare the kind that is asked for, and the next
/// goes on behind it.
#[tokio::test]
async fn a_read_of_a_rare_kind_looks_through_one_page_and_goes_on_behind_it() {
    let ledger = Ledger::fresh().await;
    let partner = ledger.partner("harbor-hotels").await;
    let last = 3 * i64::from(LIMIT) + 1;
    for seq in 1..last {
        write(&ledger, partner, seq, NoticeKind::CapThreshold).await;
    }
    write(&ledger, partner, last, NoticeKind::WindowClosed).await;
    let up_to = vec![last; CELLS];
    let mut after = vec![0; CELLS];
    let mut reads = 0;
    let found = loop {
        let range = Range { from: morning(), after: &after, up_to: &up_to };
        let kinds = [NoticeKind::WindowClosed];
        let page = notices(&ledger.pool, partner, &kinds, range, LIMIT).await.expect("a page");
        reads += 1;
        assert!(page.len() <= usize::from(LIMIT));
        let end = page.last().expect("it goes on").place.seq;
        assert!(end.0 > after[0], "it moves");
        after[0] = end.0;
        let wanted: Vec<FedNotice> =
            page.into_iter().filter(|notice| notice.body.is_some()).collect();
        if !wanted.is_empty() {
            break wanted;
        }
    };
    assert_eq!(reads, 4);
    let [one] = found.as_slice() else { panic!("one window: {found:?}") };
    assert_eq!((one.place.seq, one.kind), (Seq(last), NoticeKind::WindowClosed));
    assert_eq!(one.body.as_deref(), Some(b"told".as_slice()));
}
