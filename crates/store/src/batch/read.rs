//! Members as of now, in one snapshot and without locks: for balances and quotes, which have no
//! effect.

use std::collections::{BTreeMap, BTreeSet};

use entente_ledger::{Cell, Currency, MemberId, PartnerId, Points, Wallet, WindowId};
use entente_loyalty::{Exposure, Window, Windows};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use sqlx::{PgConnection, PgPool, Postgres, Transaction};

use super::{
    Version, Xid, exposures, holds, lots,
    members::{self, Keys, LoadedMembers, MemberNeeds, Open},
};
use crate::{ResolvedLink, StoreError, personal::Lookup, requests};

/// A read-only transaction that sees one moment of the ledger.
#[derive(Debug)]
pub struct Snapshot {
    tx: Transaction<'static, Postgres>,
    /// The ledger's clock.
    pub now: Timestamp,
    /// The open windows.
    pub window: Windows,
    /// The catalogue that must be known, at least.
    pub catalogue_epoch: i64,
    /// Since when the database's server runs.
    server: Timestamp,
}

/// Open lots of a member that expire in the same month, of one issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpiringLots {
    /// The month's beginning (UTC).
    pub month: Timestamp,
    /// The issuer.
    pub issuer: PartnerId,
    /// What is left in them, held points counted.
    pub points: Points,
    /// How many they are.
    pub lot_count: i64,
}

impl Snapshot {
    /// Begins to read.
    pub async fn begin(pool: &PgPool) -> Result<Self, StoreError> {
        let mut tx = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?;
        let row = sqlx::query!(
            r#"SELECT w.window_id, w.opened_at AS "opened_at: jiff_sqlx::Timestamp",
                      t.window_id AS testing_id,
                      t.opened_at AS "testing_opened_at: jiff_sqlx::Timestamp",
                      (SELECT MAX(catalogue_epoch) FROM cells) AS "epoch!",
                      GREATEST(COALESCE((SELECT now FROM clock), clock_timestamp()),
                               (SELECT MAX(last_time) FROM cells))
                          AS "now!: jiff_sqlx::Timestamp",
                      pg_postmaster_start_time() AS "server!: jiff_sqlx::Timestamp"
               FROM windows w CROSS JOIN windows t
               WHERE w.closed_at IS NULL AND NOT w.testing AND t.closed_at IS NULL AND t.testing"#
        )
        .fetch_one(&mut *tx)
        .await?;
        let open = |id, opened_at: jiff_sqlx::Timestamp| Window {
            id: WindowId(id),
            opened_at: opened_at.to_jiff(),
        };
        let window = Windows {
            live: open(row.window_id, row.opened_at),
            testing: open(row.testing_id, row.testing_opened_at),
        };
        let (now, server) = (row.now.to_jiff(), row.server.to_jiff());
        Ok(Self { tx, now, window, catalogue_epoch: row.epoch, server })
    }

    /// The member behind a partner's reference.
    pub async fn link(
        &mut self,
        partner: PartnerId,
        reference: &Lookup,
    ) -> Result<Option<ResolvedLink>, StoreError> {
        let key = (partner, *reference);
        let links = requests::resolve_links(&mut self.tx, std::slice::from_ref(&key)).await?;
        Ok(links.get(&key).copied())
    }

    /// Everything open of members.
    pub async fn members(
        &mut self,
        needs: &BTreeMap<(Cell, MemberId), MemberNeeds>,
    ) -> Result<LoadedMembers, StoreError> {
        let mut loaded = members::wallets(&mut self.tx, needs).await?;
        let keys: Keys = needs.keys().map(|(cell, member)| (cell.0, member.0)).unzip();
        let open = Open { all: keys.clone(), ..Open::default() };
        lots::load(&mut self.tx, &mut loaded, &open, needs).await?;
        if loaded.any_holds(needs) {
            holds::load(&mut self.tx, &mut loaded, &keys, needs).await?;
        }
        if loaded.any_owes() {
            members::debts(&mut self.tx, &mut loaded, &keys).await?;
        }
        if needs.values().any(|needs| !needs.years.is_empty()) {
            lots::earned_in_years(&mut self.tx, &mut loaded, needs).await?;
        }
        Ok(loaded)
    }

    /// A member's wallet and its version, if nothing of the member is due: then it says what there is.
    pub async fn settled_wallet(
        &mut self,
        cell: Cell,
        member: MemberId,
    ) -> Result<Option<(Wallet, Version)>, StoreError> {
        let row = sqlx::query!(
            r#"SELECT available, held, debt, xmin AS "written_by!: Xid" FROM wallets
               WHERE cell = $1 AND member_id = $2 AND COALESCE(next_due_at > $3, true)"#,
            cell.0,
            member.0,
            self.now.to_sqlx() as _
        )
        .fetch_optional(&mut *self.tx)
        .await?;
        Ok(row.map(|row| {
            let (available, held) = (Points(row.available), Points(row.held));
            let version = Version::new(row.written_by, self.server);
            (Wallet { available, held, debt: Points(row.debt) }, version)
        }))
    }

    /// The open lots of a member by the month in which they expire, and by issuer.
    pub async fn expiring(
        &mut self,
        cell: Cell,
        member: MemberId,
    ) -> Result<Vec<ExpiringLots>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT date_trunc('month', expires_at) AS "month!: jiff_sqlx::Timestamp", issuer,
                      sum(remaining)::bigint AS "points!", count(*) AS "lot_count!"
               FROM lots WHERE cell = $1 AND member_id = $2 AND open
               GROUP BY 1, issuer"#,
            cell.0,
            member.0
        )
        .fetch_all(&mut *self.tx)
        .await?;
        let expiring = rows.iter().map(|row| ExpiringLots {
            month: row.month.to_jiff(),
            issuer: PartnerId(row.issuer),
            points: Points(row.points),
            lot_count: row.lot_count,
        });
        Ok(expiring.collect())
    }

    /// The exposures that are kept of these partners.
    pub async fn exposures(
        &mut self,
        partners: &BTreeSet<PartnerId>,
    ) -> Result<BTreeMap<(PartnerId, Currency), Exposure>, StoreError> {
        exposures::read(&mut self.tx, partners).await
    }

    /// The connection, for other reads of the same moment.
    pub fn connection(&mut self) -> &mut PgConnection {
        &mut self.tx
    }
}
