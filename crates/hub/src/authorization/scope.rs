//! Scopes: what a token is good for. A partner may have all that partners have; an operator what its
//! roles give.

use std::fmt;

use crate::caller::Role;

macro_rules! scopes {
    ($($(#[$doc:meta])* $scope:ident = $name:literal;)*) => {
        /// What a token is good for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Scope {
            $($(#[$doc])* $scope,)*
        }

        impl Scope {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$scope,)*];

            /// As tokens have it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$scope => $name,)* }
            }
        }
    };
}

scopes! {
    /// Credit points.
    PointsEarn = "points:earn";
    /// Burn, authorize, capture, void, reverse, exchange, give and donate points.
    PointsBurn = "points:burn";
    /// Read operations and quotes.
    PointsRead = "points:read";
    /// Read members' balances and operations.
    MembersRead = "members:read";
    /// Link members.
    MembersLink = "members:link";
    /// Change members of any brand.
    MembersWrite = "members:write";
    /// Watch events, and read how they are delivered.
    EventsRead = "events:read";
    /// Keep webhooks.
    WebhooksWrite = "webhooks:write";
    /// Read positions, windows and statements.
    SettlementRead = "settlement:read";
    /// Agree to statements, and object.
    SettlementAgree = "settlement:agree";
    /// Close windows and record payments.
    SettlementWrite = "settlement:write";
    /// Read partners, terms, keys and operators.
    PartnersRead = "partners:read";
    /// Create partners and publish terms.
    PartnersWrite = "partners:write";
    /// Read the ledger's kind and clock.
    LedgerRead = "ledger:read";
    /// Move the clock of a simulation.
    LedgerWrite = "ledger:write";
    /// Rotate and revoke keys.
    KeysWrite = "keys:write";
    /// Propose acts that need two operators.
    ActsPropose = "acts:propose";
    /// Approve and reject them.
    ActsApprove = "acts:approve";
    /// Read the trail of security events.
    AuditRead = "audit:read";
    /// Suspend and resume partners.
    SecurityWrite = "security:write";
}

/// A set of scopes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Scopes(u32);

/// What an operator may do, and what it may propose and approve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OperatorRole {
    /// Partners, terms, caps, keys and members' references.
    Onboarding,
    /// Closing windows, payments, adjustments, the clock of a simulation.
    Settlement,
    /// Roles, revocation, suspension, erasure, the trail of security events.
    Security,
    /// Reads, and changes nothing.
    Auditor,
}

impl Scope {
    /// The scope of a name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|scope| scope.name() == name)
    }

    #[expect(clippy::as_conversions, reason = "the enum numbers its bits")]
    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

impl Scopes {
    /// A set of these.
    #[must_use]
    pub const fn of(scopes: &[Scope]) -> Self {
        let (mut bits, mut at) = (0, 0);
        while at < scopes.len() {
            bits |= scopes[at].bit();
            at += 1;
        }
        Self(bits)
    }

    /// What a token says: names separated by a space. Names that this hub does not know give nothing.
    #[must_use]
    pub fn of_claim(claim: &str) -> Self {
        claim.split(' ').filter_map(Scope::of_name).fold(Self::default(), Self::with)
    }

    /// All that a partner may have.
    #[must_use]
    pub const fn of_partners() -> Self {
        use Scope as S;
        Self::of(&[
            S::PointsEarn,
            S::PointsBurn,
            S::PointsRead,
            S::MembersRead,
            S::MembersLink,
            S::EventsRead,
            S::WebhooksWrite,
            S::SettlementRead,
            S::SettlementAgree,
            S::PartnersRead,
            S::LedgerRead,
            S::KeysWrite,
        ])
    }

    /// All that an operator of these roles may have.
    #[must_use]
    pub fn of_roles(roles: &[OperatorRole]) -> Self {
        roles.iter().fold(Self::default(), |all, role| Self(all.0 | role.scopes().0))
    }

    /// With one more.
    #[must_use]
    pub const fn with(self, scope: Scope) -> Self {
        Self(self.0 | scope.bit())
    }

    /// Those that are in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether one is among them.
    #[must_use]
    pub const fn include(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.iter().copied().filter(move |scope| self.include(*scope))
    }

    pub(crate) const fn bits(self) -> u32 {
        self.0
    }

    pub(crate) const fn of_bits(bits: u32) -> Self {
        Self(bits)
    }
}

impl OperatorRole {
    /// All of them: what the first operators have.
    pub const ALL: [Self; 4] = [Self::Onboarding, Self::Settlement, Self::Security, Self::Auditor];

    /// Its number in the contract and in the database.
    #[must_use]
    pub const fn code(self) -> i32 {
        match self {
            Self::Onboarding => 1,
            Self::Settlement => 2,
            Self::Security => 3,
            Self::Auditor => 4,
        }
    }

    /// The role of a number.
    #[must_use]
    pub fn of_code(code: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.code() == code)
    }

    /// For metadata and for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Onboarding => "onboarding",
            Self::Settlement => "settlement",
            Self::Security => "security",
            Self::Auditor => "auditor",
        }
    }

    const fn scopes(self) -> Scopes {
        use Scope as S;
        let reads = Scopes::of(&[S::PartnersRead, S::SettlementRead, S::LedgerRead]);
        let acts = Scopes::of(&[S::ActsPropose, S::ActsApprove]);
        let own = match self {
            Self::Onboarding => {
                Scopes::of(&[S::PartnersWrite, S::MembersWrite, S::KeysWrite]).0 | acts.0
            }
            Self::Settlement => {
                let own = [S::SettlementAgree, S::SettlementWrite, S::LedgerWrite];
                Scopes::of(&own).0 | acts.0
            }
            Self::Security => {
                Scopes::of(&[S::SecurityWrite, S::KeysWrite, S::AuditRead]).0 | acts.0
            }
            Self::Auditor => Scopes::of(&[S::AuditRead]).0,
        };
        Scopes(reads.0 | own)
    }
}

/// Space-separated, as in a token.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(f, "{space}{}", scope.name())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scopes({self})")
    }
}

/// All that a caller of this kind could ever have.
#[must_use]
pub fn possible(role: Role) -> Scopes {
    match role {
        Role::Partner => Scopes::of_partners(),
        Role::Operator => Scopes::of_roles(&OperatorRole::ALL),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_token_says_is_read_back_and_what_is_unknown_gives_nothing() {
        let partners = Scopes::of_partners();
        assert_eq!(Scopes::of_claim(&partners.to_string()), partners);
        assert_eq!(Scopes::of_claim("points:mint  points:earn"), Scopes::of(&[Scope::PointsEarn]));
        assert_eq!(Scopes::of_claim(""), Scopes::default());
    }

    #[test]
    fn no_partner_has_what_is_for_operators_and_an_auditor_changes_nothing() {
        for scope in [Scope::MembersWrite, Scope::PartnersWrite, Scope::SettlementWrite] {
            assert!(!Scopes::of_partners().include(scope), "{}", scope.name());
        }
        let auditor = Scopes::of_roles(&[OperatorRole::Auditor]);
        assert!(auditor.iter().all(|scope| scope.name().ends_with(":read")), "{auditor}");
        assert_eq!(Scopes::of_roles(&[]), Scopes::default());
    }

    #[test]
    fn every_scope_can_be_had_by_somebody() {
        for scope in Scope::ALL {
            let had =
                possible(Role::Partner).include(*scope) || possible(Role::Operator).include(*scope);
            assert!(had, "{}", scope.name());
        }
    }
}
