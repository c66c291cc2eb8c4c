//! Loading members: wallets for all, and lots, holds and debts only for those whose commands, whose
//! debts or whose time need them. An earn whose member has nothing due reads one row.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use entente_ledger::{
    Cell, Debt, DebtId, LotId, MemberId, Micros, PartnerId, Points, Seq, TermsVersion, Wallet,
};
use entente_loyalty::{Forward, Member};
use jiff::{Timestamp, civil::Date};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Batch, Heads, Version, Xid, gifts, holds, lots, merges, write_members::is_stale};
use crate::{StoreError, codes};

/// What the commands of a batch need of one member.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemberNeeds {
    /// All open lots, holds and debts.
    pub everything_open: bool,
    /// The open lots that come first in burn order, as many as so many points may take; all open holds
    /// and debts.
    pub taken: Option<Points>,
    /// Lots that these earns opened, open or not.
    pub earns: BTreeSet<Seq>,
    /// Holds that these operations authorized, open or not, with their lots.
    pub holds: BTreeSet<Seq>,
    /// What was earned in these years.
    pub years: BTreeSet<YearKey>,
    /// What was given to others at a partner in these months (UTC), by their first days.
    pub gift_months: BTreeSet<(PartnerId, Date)>,
    /// Of a member that is merged, or taken out of a merge: the other one of the two, whose needs name
    /// this one.
    pub merges_with: Option<(Cell, MemberId)>,
}

/// A partner, and a calendar year (UTC) of activity.
pub type YearKey = (PartnerId, i16);

/// The members of a batch, as loaded.
#[derive(Debug, Default)]
pub struct LoadedMembers {
    /// By id; one that has no wallet is absent.
    pub members: HashMap<MemberId, Member>,
    /// Those of which all open holds are loaded, and open lots: all, or those that come first.
    pub(super) opened: HashSet<MemberId>,
    /// What else their wallets said.
    pub(super) stored: HashMap<MemberId, Stored>,
}

/// What a wallet's row says besides the wallet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stored {
    /// Before this time, nothing of the member expires.
    pub(super) next_due_at: Option<Timestamp>,
    written_by: Xid,
}

impl LoadedMembers {
    /// Every partner whose exposure a command on these members may change, but for its caller.
    #[must_use]
    pub fn partners(&self) -> BTreeSet<PartnerId> {
        let members = self.members.values();
        members
            .flat_map(|member| {
                let lots = member.lots.values().map(|lot| lot.issuer);
                let holds = member
                    .holds
                    .values()
                    .flat_map(|hold| hold.legs.iter().map(|leg| leg.issuer).chain([hold.partner]));
                let debts = member.debts.values().flat_map(|debt| [debt.issuer, debt.creditor]);
                lots.chain(holds).chain(debts)
            })
            .collect()
    }
}

impl LoadedMembers {
    /// Each member with the version of its wallet that was loaded under the heads.
    pub fn versions(&self, heads: &Heads) -> impl Iterator<Item = (&Member, Version)> {
        let version = |stored: &Stored| Version::new(stored.written_by, heads.server);
        let members = self.members.values();
        members.filter_map(move |member| Some((member, version(self.stored.get(&member.id)?))))
    }

    /// When something of a member is due, as it is stored.
    pub(super) fn next_due_at(&self, member: MemberId) -> Option<Timestamp> {
        self.stored.get(&member)?.next_due_at
    }

    /// Whether there are holds to be loaded: open ones, or some that are named.
    pub(super) fn any_holds(&self, needs: &BTreeMap<(Cell, MemberId), MemberNeeds>) -> bool {
        self.members.values().any(|member| member.wallet.held.is_positive())
            || needs.values().any(|needs| !needs.holds.is_empty())
    }

    /// Whether all open lots of a member are to be loaded: not only for a command, but because something
    /// of it is due, or debts are to be repaid.
    fn needs_all_lots(&self, member: &Member, needs: &MemberNeeds, now: Timestamp) -> bool {
        let due = self.next_due_at(member.id);
        needs.everything_open
            || due.is_some_and(|due| due <= now)
            || member.wallet.debt.is_positive()
    }

    /// Whether there are debts to be loaded.
    pub(super) fn any_owes(&self) -> bool {
        self.members.values().any(|member| member.wallet.debt.is_positive())
    }

    /// Whether a member's next due time is stored otherwise than its lots and holds say, as when
    /// what was due has ended.
    #[must_use]
    pub fn any_is_stale(&self) -> bool {
        self.members.values().any(|member| is_stale(self, member))
    }
}

/// Members and cells as two columns, for UNNEST.
pub(super) type Keys = (Vec<i16>, Vec<Uuid>);

impl Batch {
    /// Loads members under their heads. `now` decides who has something due.
    pub async fn load(
        &mut self,
        needs: &BTreeMap<(Cell, MemberId), MemberNeeds>,
        now: Timestamp,
    ) -> Result<LoadedMembers, StoreError> {
        let mut loaded = wallets(self.connection(), needs).await?;
        let open = incomplete(&loaded, needs, now);
        let members = open.members();
        if !members.0.is_empty() {
            lots::load(self.connection(), &mut loaded, &open, needs).await?;
            if loaded.any_holds(needs) {
                holds::load(self.connection(), &mut loaded, &members, needs).await?;
            }
            if loaded.any_owes() {
                debts(self.connection(), &mut loaded, &members).await?;
            }
        }
        if needs.values().any(|needs| !needs.years.is_empty()) {
            lots::earned_in_years(self.connection(), &mut loaded, needs).await?;
        }
        if needs.values().any(|needs| !needs.gift_months.is_empty()) {
            gifts::load(self.connection(), &mut loaded, needs).await?;
        }
        merges::load(self, &mut loaded, needs, now).await?;
        loaded.opened.extend(members.1.into_iter().map(MemberId));
        Ok(loaded)
    }
}

/// Members of which what is open is loaded.
#[derive(Debug, Default)]
pub(super) struct Open {
    /// All of it.
    pub(super) all: Keys,
    /// Of lots, those that come first in burn order,
    pub(super) next: Keys,
    /// and how many points they are to give.
    pub(super) taken: Vec<i64>,
}

impl Open {
    fn members(&self) -> Keys {
        let Self { all, next, .. } = self;
        ([all.0.as_slice(), &next.0].concat(), [all.1.as_slice(), &next.1].concat())
    }
}

/// The members of which more than the wallet is needed.
pub(super) fn incomplete(
    loaded: &LoadedMembers,
    needs: &BTreeMap<(Cell, MemberId), MemberNeeds>,
    now: Timestamp,
) -> Open {
    let mut open = Open::default();
    for ((cell, id), needs) in needs {
        let Some(member) = loaded.members.get(id) else { continue };
        let keys = if loaded.needs_all_lots(member, needs, now) {
            &mut open.all
        } else if let Some(points) = needs.taken {
            open.taken.push(points.0);
            &mut open.next
        } else {
            continue;
        };
        keys.0.push(cell.0);
        keys.1.push(id.0);
    }
    open
}

pub(super) async fn wallets(
    connection: &mut PgConnection,
    needs: &BTreeMap<(Cell, MemberId), MemberNeeds>,
) -> Result<LoadedMembers, StoreError> {
    let (cells, ids): Keys = needs.keys().map(|(cell, member)| (cell.0, member.0)).unzip();
    let rows = sqlx::query!(
        r#"SELECT w.cell, w.member_id, w.available, w.held, w.debt, w.xmin AS "written_by!: Xid",
                  w.next_due_at AS "next_due_at: jiff_sqlx::Timestamp",
                  f.into_member_id AS "into_member_id?",
                  f.merged_at AS "merged_at?: jiff_sqlx::Timestamp"
           FROM UNNEST($1::smallint[], $2::uuid[]) AS k (cell, member_id)
           CROSS JOIN LATERAL (
               SELECT *, xmin FROM wallets w
               WHERE w.cell = k.cell AND w.member_id = k.member_id OFFSET 0
           ) w
           LEFT JOIN forwards f ON f.cell = k.cell AND f.member_id = k.member_id"#,
        &cells,
        &ids
    )
    .fetch_all(connection)
    .await?;
    let mut loaded = LoadedMembers::default();
    for row in rows {
        let id = MemberId(row.member_id);
        let mut member = Member::new(id, Cell(row.cell));
        member.wallet = Wallet {
            available: Points(row.available),
            held: Points(row.held),
            debt: Points(row.debt),
        };
        member.forward = row.into_member_id.zip(row.merged_at).map(|(into, merged_at)| Forward {
            into: MemberId(into),
            merged_at: merged_at.to_jiff(),
        });
        let next_due_at = row.next_due_at.map(jiff_sqlx::Timestamp::to_jiff);
        loaded.stored.insert(id, Stored { next_due_at, written_by: row.written_by });
        loaded.members.insert(id, member);
    }
    Ok(loaded)
}

pub(super) async fn debts(
    connection: &mut PgConnection,
    loaded: &mut LoadedMembers,
    (cells, ids): &Keys,
) -> Result<(), StoreError> {
    let rows = sqlx::query!(
        "SELECT d.member_id, d.reversed_by, d.ordinal, d.lot_opened_by, d.lot_ordinal, d.issuer,
                d.creditor, d.terms_version, d.currency, d.price_micros, d.points
         FROM UNNEST($1::smallint[], $2::uuid[]) AS k (cell, member_id)
         CROSS JOIN LATERAL (
             SELECT * FROM debts d
             WHERE d.cell = k.cell AND d.member_id = k.member_id AND d.open OFFSET 0
         ) d",
        cells,
        ids
    )
    .fetch_all(connection)
    .await?;
    for row in rows {
        let Some(member) = loaded.members.get_mut(&MemberId(row.member_id)) else { continue };
        let id = DebtId { made_by: Seq(row.reversed_by), ordinal: row.ordinal };
        let debt = Debt {
            id,
            lot: LotId { opened_by: Seq(row.lot_opened_by), ordinal: row.lot_ordinal },
            issuer: PartnerId(row.issuer),
            creditor: PartnerId(row.creditor),
            terms_version: TermsVersion(row.terms_version),
            currency: codes::currency(&row.currency, "debts", "currency")?,
            price: Micros(row.price_micros),
            points: Points(row.points),
        };
        member.debts.insert(id, debt);
    }
    Ok(())
}
