//! A close that is cut off anywhere: nothing of it is there, or all of it, and closing again gives one
//! closed window and one that is open, with the totals and obligations of a close that nothing disturbed.

use std::{net::SocketAddr, ops::Range};

use entente_settlement::{Nets, Owed};
use entente_store::{
    StoreError, check, connect_by_key,
    control::Control,
    settlement::{ListedWindow, list_windows, obligations},
};
use entente_testkit::Proxy;

use crate::cast::{Ledger, busy, close_window, uneven};

/// The name of the window.
const NAME: &str = "2026-03";
/// Less than nearly any statement takes with its answer: hardly a boundary between two is passed over.
const STATEMENT: usize = 250;
/// Less than what a commit says, or is answered.
const COMMIT: usize = 9;

/// A ledger behind a network that can be cut.
struct Stage {
    ledger: Ledger,
    proxy: Proxy,
    behind: String,
    address: SocketAddr,
}

impl Stage {
    async fn busy() -> Self {
        let ledger = Ledger::with(uneven()).await;
        busy(&ledger).await;
        let url = ledger.database.runtime_url();
        let (_, host) = url.rsplit_once('@').expect("an address");
        let (host, _) = host.split_once('/').expect("a database");
        let address = host.parse().expect("an address on loopback");
        let proxy = Proxy::to(address).await;
        let behind = url.replace(host, &proxy.address().to_string());
        Self { ledger, proxy, behind, address }
    }

    /// Closes over a connection that is cut after so many bytes; whether the caller learned that it closed.
    async fn close_cut_after(&self, bytes: usize) -> bool {
        self.proxy.turn_to(self.address);
        let pool = connect_by_key(&self.behind, 1).await.expect("a connection");
        // No other connection comes after the one that is cut.
        self.proxy.turn_to(SocketAddr::from(([127, 0, 0, 1], 1)));
        self.proxy.cut_after(bytes);
        let closed = close_window(&pool, NAME).await;
        if let Err(error) = &closed {
            assert!(matches!(error, StoreError::Database(_)), "{error}");
        }
        closed.is_ok()
    }

    /// How many rows a close writes there are, and how many windows, once no close is under way.
    async fn written(&self) -> Vec<i64> {
        let mut control = Control::begin(&self.ledger.pool).await.expect("heads");
        let counts = "SELECT ARRAY[(SELECT count(*) FROM windows),
            (SELECT count(*) FROM windows WHERE closed_at IS NOT NULL),
            (SELECT count(*) FROM totals), (SELECT count(*) FROM obligations),
            (SELECT count(*) FROM operations), (SELECT count(*) FROM transfers),
            (SELECT count(*) FROM requests), (SELECT count(*) FROM window_states),
            (SELECT sum(micros)::bigint FROM positions)]";
        let counts = sqlx::query_scalar(counts).fetch_one(control.connection()).await;
        control.rollback().await.expect("a rollback");
        counts.expect("counts")
    }

    /// Cuts one close after another, each later than the last, until one is committed. Answers how
    /// many bytes that one had, and whether its caller learned of it.
    async fn close_at_last(&self, bytes: Range<usize>, step: usize) -> (usize, bool) {
        let before = self.written().await;
        for bytes in bytes.step_by(step) {
            let learned = self.close_cut_after(bytes).await;
            let written = self.written().await;
            if written != before {
                return (bytes, learned);
            }
            assert!(!learned, "a close that was told, and is not there");
        }
        panic!("no close came to its end");
    }

    /// What there is after closing again: windows, what was owed, what is to be paid.
    async fn closed_again(&self) -> (Vec<ListedWindow>, Nets, Vec<Owed>) {
        let pool = &self.ledger.pool;
        let before = self.written().await;
        let again = close_window(pool, NAME).await.expect("a close");
        assert_eq!(again.done, None, "it is closed");
        assert_eq!(self.written().await, before, "and nothing is written again");
        let windows = list_windows(pool, false, None, 10).await.expect("windows");
        let owed = obligations(pool, again.window.id, None).await.expect("obligations");
        for verdict in check::run(pool).await.expect("the ledger can be read") {
            assert!(verdict.number == 5 || verdict.holds(), "{verdict:?}");
        }
        (windows, again.nets, owed.into_iter().map(|obligation| obligation.owed).collect())
    }
}

#[tokio::test]
async fn a_close_that_is_cut_off_anywhere_is_there_whole_or_not_at_all() {
    let undisturbed = Stage::busy().await;
    let expected = close_window(&undisturbed.ledger.pool, NAME).await.expect("a close").nets;
    let (windows, nets, owed) = undisturbed.closed_again().await;
    assert_eq!(nets, expected);
    let names: Vec<_> = windows.iter().map(|window| window.name.as_deref()).collect();
    assert_eq!(names, [None, Some(NAME)], "one is open, one closed");
    assert!(!owed.is_empty());

    let coarse = Stage::busy().await;
    let (bytes, _) = coarse.close_at_last(1..1_000_000, STATEMENT).await;
    assert!(bytes > 20 * STATEMENT, "it was cut in many places");
    assert_eq!(coarse.closed_again().await, (windows.clone(), nets.clone(), owed.clone()));

    // The commit reaches the ledger, and its answer nobody.
    let fine = Stage::busy().await;
    let (_, learned) = fine.close_at_last(bytes - 2 * STATEMENT..1_000_000, COMMIT).await;
    assert!(!learned, "the answer was cut off");
    assert_eq!(fine.closed_again().await, (windows, nets, owed));
}
