//! Obligations, as rows: what each party pays another for a window, as the arrangement nets it.

use entente_ledger::{Currency, Micros, PartnerId, WindowId};
use entente_settlement::{Owed, iso20022::PaymentId};
use sqlx::{PgConnection, PgExecutor};

use crate::{StoreError, codes};

/// A payment that settles a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obligation {
    /// The window.
    pub window: WindowId,
    /// Who pays whom how much.
    pub owed: Owed,
    /// What is paid of it.
    pub paid: Micros,
    /// What names it for banks.
    pub end_to_end_id: String,
}

/// A row, as all reads have it.
struct Row {
    window_id: i32,
    payer: i32,
    payee: i32,
    currency: String,
    micros: i64,
    paid_micros: i64,
    end_to_end_id: String,
}

impl Obligation {
    /// What is left of it.
    #[must_use]
    pub const fn left(&self) -> Micros {
        Micros(self.owed.amount.0.saturating_sub(self.paid.0))
    }

    fn read(row: Row) -> Result<Self, StoreError> {
        let currency = codes::currency(&row.currency, "obligations", "currency")?;
        let (payer, payee) = (PartnerId(row.payer), PartnerId(row.payee));
        Ok(Self {
            window: WindowId(row.window_id),
            owed: Owed { currency, payer, payee, amount: Micros(row.micros) },
            paid: Micros(row.paid_micros),
            end_to_end_id: row.end_to_end_id,
        })
    }
}

/// The obligations of a window that a partner is part of, or all, in order of currency, payer and payee.
pub async fn obligations(
    executor: impl PgExecutor<'_>,
    window: WindowId,
    partner: Option<PartnerId>,
) -> Result<Vec<Obligation>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT window_id, payer, payee, currency, micros, paid_micros, end_to_end_id
         FROM obligations
         WHERE window_id = $1 AND ($2::integer IS NULL OR payer = $2 OR payee = $2)
         ORDER BY currency, payer, payee",
        window.0,
        partner.map(|partner| partner.0)
    );
    rows.fetch_all(executor).await?.into_iter().map(Obligation::read).collect()
}

/// Those of these end-to-end ids that there are.
pub async fn obligations_by_id(
    executor: impl PgExecutor<'_>,
    ids: &[String],
) -> Result<Vec<Obligation>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT window_id, payer, payee, currency, micros, paid_micros, end_to_end_id
         FROM obligations WHERE end_to_end_id = ANY ($1) ORDER BY end_to_end_id",
        ids
    );
    rows.fetch_all(executor).await?.into_iter().map(Obligation::read).collect()
}

/// What a party has not paid yet in a currency, the oldest window first.
pub(super) async fn unpaid_of(
    executor: impl PgExecutor<'_>,
    (payer, currency): (PartnerId, Currency),
) -> Result<Vec<Obligation>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT window_id, payer, payee, currency, micros, paid_micros, end_to_end_id
         FROM obligations WHERE payer = $1 AND currency = $2 AND NOT paid
         ORDER BY window_id, payee",
        payer.0,
        currency.code()
    );
    rows.fetch_all(executor).await?.into_iter().map(Obligation::read).collect()
}

/// Writes what is owed for a window that closes.
pub(super) async fn write(
    connection: &mut PgConnection,
    window: WindowId,
    owed: &[Owed],
) -> Result<(), StoreError> {
    let mut ids = Vec::with_capacity(owed.len());
    for owed in owed {
        let id = PaymentId::of(window, owed)
            .map_err(|_| StoreError::inconsistent("obligations", "end_to_end_id", window.0))?;
        ids.push(id.to_string());
    }
    sqlx::query!(
        "INSERT INTO obligations (window_id, currency, payer, payee, micros, end_to_end_id)
         SELECT $1, * FROM UNNEST($2::text[], $3::integer[], $4::integer[], $5::bigint[], $6::text[])",
        window.0,
        &owed.iter().map(|owed| owed.currency.to_string()).collect::<Vec<_>>(),
        &owed.iter().map(|owed| owed.payer.0).collect::<Vec<_>>(),
        &owed.iter().map(|owed| owed.payee.0).collect::<Vec<_>>(),
        &owed.iter().map(|owed| owed.amount.0).collect::<Vec<_>>(),
        &ids
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// What of a party's obligations counts in its exposure: of each window its net, as far as it has not
/// paid that much. However a window is netted, that is what it has to pay in the end.
pub(super) async fn counted(
    executor: impl PgExecutor<'_>,
    (payer, currency): (PartnerId, Currency),
) -> Result<Micros, StoreError> {
    let sum = sqlx::query_scalar!(
        r#"SELECT COALESCE(sum(greatest(least(u.rest, (
                      SELECT sum(CASE WHEN n.payer = $1 THEN n.micros ELSE -n.micros END)
                      FROM obligations n
                      WHERE n.window_id = u.window_id AND n.currency = $2
                        AND $1 IN (n.payer, n.payee))), 0)), 0)::bigint AS "sum!"
           FROM (SELECT window_id, sum(micros - paid_micros) AS rest FROM obligations
                 WHERE payer = $1 AND currency = $2 AND NOT paid GROUP BY window_id) AS u"#,
        payer.0,
        currency.code()
    );
    Ok(Micros(sum.fetch_one(executor).await?))
}
