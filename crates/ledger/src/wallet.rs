//! What a member has in all.

use crate::Points;

/// A member's points: the sum of its lots is available + held, and debt is positive only when
/// available is 0.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Wallet {
    /// What can be burned now.
    pub available: Points,
    /// What open holds set aside.
    pub held: Points,
    /// What clawbacks are still owed.
    pub debt: Points,
}
