//! Conserved: a member's lots are what its wallet says, what is held is what open holds say, and
//! debt is positive only when available is 0; what one member gave another, or brought it, is what that one has.

use sqlx::PgConnection;

use super::{Verdict, gifts};
use crate::StoreError;

pub(super) async fn check(connection: &mut PgConnection) -> Result<Verdict, StoreError> {
    let mut verdict = Verdict::new(2, "conserved");
    let rows = sqlx::query!(
        r#"SELECT (SELECT count(*) FROM wallets) AS "wallets!",
                  (SELECT count(*) FROM hold_legs) AS "hold_legs!",
                  (SELECT count(*) FROM debts) AS "debts!""#
    );
    let rows = rows.fetch_one(&mut *connection).await?;
    verdict.checked("wallets", rows.wallets);
    verdict.checked("hold legs", rows.hold_legs);
    verdict.checked("debts", rows.debts);
    wallets(connection, &mut verdict).await?;
    holds(connection, &mut verdict).await?;
    gifts::lots(connection, &mut verdict).await?;
    gifts::parcels(connection, &mut verdict).await?;
    gifts::months(connection, &mut verdict).await?;
    gifts::forwards(connection, &mut verdict).await?;
    Ok(verdict)
}

async fn wallets(connection: &mut PgConnection, verdict: &mut Verdict) -> Result<(), StoreError> {
    let offenders = sqlx::query_scalar!(
        r#"WITH l AS (
               SELECT cell, member_id, sum(remaining) AS remaining, sum(held) AS held
               FROM lots GROUP BY cell, member_id
           ), d AS (
               SELECT cell, member_id, sum(points) AS points FROM debts GROUP BY cell, member_id
           )
           SELECT format('member %s in cell %s: wallet has %s available, %s held, %s debt; lots have '
                         '%s, %s of it held; debts have %s', member_id, cell, w.available, w.held,
                         w.debt, COALESCE(l.remaining, 0), COALESCE(l.held, 0),
                         COALESCE(d.points, 0)) AS "offender!"
           FROM wallets w
           FULL JOIN l USING (cell, member_id)
           FULL JOIN d USING (cell, member_id)
           WHERE w.available + w.held IS DISTINCT FROM COALESCE(l.remaining, 0)
              OR w.held IS DISTINCT FROM COALESCE(l.held, 0)
              OR w.debt IS DISTINCT FROM COALESCE(d.points, 0)
              OR (w.debt > 0 AND w.available > 0)
           ORDER BY cell, member_id LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}

/// Held points of a lot are those of the open holds' legs on it; an ended hold holds none.
async fn holds(connection: &mut PgConnection, verdict: &mut Verdict) -> Result<(), StoreError> {
    let offenders = sqlx::query_scalar!(
        r#"WITH legs AS (
               SELECT l.cell, l.member_id, l.lot_opened_by AS opened_by, l.lot_ordinal AS ordinal,
                      sum(l.points) AS points
               FROM hold_legs l JOIN holds h USING (cell, member_id, authorized_by)
               WHERE h.open GROUP BY 1, 2, 3, 4
           )
           SELECT format('lot %s.%s of member %s in cell %s: %s held in its row, %s by open holds',
                         opened_by, ordinal, member_id, cell, lots.held, COALESCE(legs.points, 0))
                      AS "offender!"
           FROM lots FULL JOIN legs USING (cell, member_id, opened_by, ordinal)
           WHERE lots.held IS DISTINCT FROM COALESCE(legs.points, 0)
           ORDER BY cell, member_id, opened_by, ordinal LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(&mut *connection).await?);
    let offenders = sqlx::query_scalar!(
        r#"SELECT format('leg %s of hold %s of member %s in cell %s: %s points, %s captured, %s '
                         'refunded', leg, authorized_by, member_id, cell, points, captured,
                         refunded) AS "offender!"
           FROM hold_legs JOIN holds h USING (cell, member_id, authorized_by)
           WHERE refunded > captured OR captured > points OR (h.state <> 2 AND captured > 0)
           ORDER BY cell, member_id, authorized_by, leg LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}
