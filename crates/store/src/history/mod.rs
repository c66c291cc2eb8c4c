//! A past for a ledger that is measured: pairs of an earn and the burn of all that it gave, as the hub
//! itself has posted a few, copied with a place, a time, a request id and a receipt of their own. What
//! results is whole: numbers, wallets, lots, positions and heads are as if the hub had written each.
//!
//! Only for benches, as the owner of a ledger that was made for one. The answers that are kept with
//! copied requests are those of the model.

mod sql;

use sqlx::{Connection, PgConnection};

use crate::StoreError;

/// What the receipts of models begin with: pairs that the hub posted to be copied. A member of a model
/// has no other operations, and is of no copied pair.
pub const MODEL: &str = "model-";

/// Who writes a past, pair by pair, between two operations of the hub.
#[derive(Debug)]
pub struct History {
    connection: PgConnection,
    pairs: i64,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Operations, two a pair.
    pub operations: i64,
    /// Points that earns issued.
    pub issued: i64,
    /// Points that burns redeemed.
    pub redeemed: i64,
}

impl History {
    /// Takes the models' rows and the members that are there: everybody who has earned.
    ///
    /// # Errors
    /// `StoreError::Ledger` where the hub has posted no model.
    pub async fn open(owner_url: &str) -> Result<Self, StoreError> {
        let mut connection = PgConnection::connect(owner_url).await?;
        for statement in sql::OPEN {
            sqlx::query(*statement).execute(&mut connection).await?;
        }
        let counts: (i64, i64) = sqlx::query_as(sql::COUNT).fetch_one(&mut connection).await?;
        if counts.0 == 0 || counts.1 == 0 {
            return Err(StoreError::Ledger(
                "there is no model to copy, or nobody to have it".into(),
            ));
        }
        Ok(Self { connection, pairs: 0 })
    }

    /// Writes so many pairs more into the open window, in one transaction under all heads, at times
    /// between the ledger's last one and now.
    ///
    /// # Errors
    /// A failure of the database; then none of them is there.
    pub async fn add(&mut self, pairs: i64) -> Result<Written, StoreError> {
        let mut tx = self.connection.begin().await?;
        sqlx::query(sql::LOCK).execute(&mut *tx).await?;
        sqlx::query("TRUNCATE history_pairs").execute(&mut *tx).await?;
        let place = sqlx::query(sql::PLACE).bind(self.pairs).bind(pairs);
        place.execute(&mut *tx).await?;
        for statement in sql::COPY {
            sqlx::query(*statement).execute(&mut *tx).await?;
        }
        let written: (i64, i64, i64) = sqlx::query_as(sql::WRITTEN).fetch_one(&mut *tx).await?;
        tx.commit().await?;
        self.pairs = self.pairs.saturating_add(pairs);
        let (operations, issued, redeemed) = written;
        Ok(Written { operations, issued, redeemed })
    }

    /// Does what a server does by itself with time: vacuums, and gathers statistics. Answers the size
    /// of the database in bytes.
    ///
    /// # Errors
    /// A failure of the database.
    pub async fn close(mut self) -> Result<i64, StoreError> {
        for statement in sql::SETTLE {
            sqlx::query(*statement).execute(&mut self.connection).await?;
        }
        let bytes = sqlx::query_scalar(sql::BYTES).fetch_one(&mut self.connection).await?;
        self.connection.close().await?;
        Ok(bytes)
    }
}

impl Written {
    /// This and more.
    #[must_use]
    pub const fn and(self, more: Self) -> Self {
        Self {
            operations: self.operations.saturating_add(more.operations),
            issued: self.issued.saturating_add(more.issued),
            redeemed: self.redeemed.saturating_add(more.redeemed),
        }
    }
}
