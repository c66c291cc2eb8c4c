//! Debts: clawed points that the member no longer had.

use crate::{Currency, LotId, Micros, PartnerId, Points, Seq, TermsVersion};

/// A debt is named by the operation that made it: a reversal makes one, a merge brings several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DebtId {
    /// The operation, in the member's cell.
    pub made_by: Seq,
    /// Which of its debts, the oldest first.
    pub ordinal: i16,
}

/// What a member owes of one clawback. It is repaid by whatever becomes available, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Debt {
    /// What made it.
    pub id: DebtId,
    /// The lot that was clawed.
    pub lot: LotId,
    /// That lot's issuer.
    pub issuer: PartnerId,
    /// Who is owed: the issuer when it funds at redemption, the hub's pool when at issue.
    pub creditor: PartnerId,
    /// The clawed lot's terms.
    pub terms_version: TermsVersion,
    /// Those terms' currency.
    pub currency: Currency,
    /// Those terms' reimbursement per point, which prices repayment.
    pub price: Micros,
    /// The points still owed.
    pub points: Points,
}
