//! The permit: a value that only authorization can make, and that every use case asks for.

use entente_identity::Thumbprint;
use entente_loyalty::{Catalogue, Partner, PartnerCode};

use super::OperatorRole;
use crate::{
    caller::{Caller, OperatorName},
    error::{Refused, RpcError},
    security::{Actor, SessionEnd},
};

/// Says that the table allows this caller this RPC. It says nothing of whose data may be touched:
/// [`Permit::partner_in`] and [`Permit::subject`] do.
#[derive(Debug, Clone)]
pub struct Permit {
    caller: Caller,
    thumbprint: Option<Thumbprint>,
    session: Option<SessionEnd>,
}

impl Permit {
    pub(in crate::authorization) fn new(
        caller: Caller,
        thumbprint: Thumbprint,
        session: Option<SessionEnd>,
    ) -> Self {
        Self { caller, thumbprint: Some(thumbprint), session }
    }

    #[cfg(test)]
    pub(in crate::authorization) fn plain(caller: Caller) -> Self {
        Self { caller, thumbprint: None, session: None }
    }

    /// The permit of a request that came through the edge.
    pub fn of<T>(request: &tonic::Request<T>) -> Result<&Self, RpcError> {
        let permit = request.extensions().get::<Self>();
        permit.ok_or_else(|| RpcError::fault("a request reached a handler without a permit"))
    }

    /// Who calls.
    #[must_use]
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Who calls, by which certificate: for the trail of security events.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor { name: self.caller.to_string(), certificate: self.thumbprint }
    }

    /// When the call's token ends: for streams. A call that needs no token has none.
    #[must_use]
    pub fn session_end(&self) -> Option<SessionEnd> {
        self.session.clone()
    }

    /// Refuses an operator who has not a role, by what is in force.
    pub fn needs(&self, role: OperatorRole) -> Result<(), Refused> {
        let name = self.operator()?;
        // Without a session, the hub asks for no tokens at all.
        let Some(session) = &self.session else { return Ok(()) };
        if session.roles_of(name.as_str())?.contains(&role) {
            return Ok(());
        }
        Err(Refused::role_missing(role))
    }

    /// Whose keys a call is about: those of the owner that the request names, if any. A partner has
    /// its own alone.
    pub fn owner(&self, named: Option<String>) -> Result<String, Refused> {
        let own = self.caller.to_string();
        match (&self.caller, named) {
            (_, None) => Ok(own),
            (Caller::Operator(_), Some(named)) => Ok(named),
            (Caller::Partner(_), Some(named)) if named == own => Ok(own),
            (Caller::Partner(_), Some(_)) => Err(Refused::not_allowed()),
        }
    }

    /// The calling partner as the ledger knows it. A certificate may name a partner that operators
    /// have not created yet: to the ledger that is nobody.
    pub fn partner_in<'a>(&self, catalogue: &'a Catalogue) -> Result<&'a Partner, Refused> {
        match &self.caller {
            Caller::Partner(code) => {
                catalogue.by_code(code.as_str()).ok_or_else(Refused::unauthenticated)
            }
            Caller::Operator(_) => Err(Refused::not_allowed()),
        }
    }

    /// The calling operator.
    pub fn operator(&self) -> Result<&OperatorName, Refused> {
        match &self.caller {
            Caller::Operator(name) => Ok(name),
            Caller::Partner(_) => Err(Refused::not_allowed()),
        }
    }

    /// Whose data a read is about, by the code that the request names, if any. A partner reads
    /// itself alone, and naming another is refused before anything is looked up. An operator who
    /// names nobody gets `None`.
    pub fn subject(&self, named: Option<PartnerCode>) -> Result<Option<PartnerCode>, Refused> {
        match &self.caller {
            Caller::Operator(_) => Ok(named),
            Caller::Partner(own) => match named {
                Some(other) if other != *own => Err(Refused::not_allowed()),
                Some(_) | None => Ok(Some(own.clone())),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(code: &str) -> PartnerCode {
        code.parse().expect("a good code")
    }

    #[test]
    fn a_partner_is_the_only_subject_of_its_own_reads() {
        let permit = Permit::plain(Caller::Partner(code("harbor-hotels")));
        let own = Ok(Some(code("harbor-hotels")));
        assert_eq!(permit.subject(None), own);
        assert_eq!(permit.subject(Some(code("harbor-hotels"))), own);
        assert_eq!(permit.subject(Some(code("rover-rides"))), Err(Refused::not_allowed()));
    }

    #[test]
    fn an_operator_reads_whom_it_names() {
        let permit = Permit::plain(Caller::Operator(OperatorName::new("amelia")));
        assert_eq!(permit.subject(None), Ok(None));
        assert_eq!(permit.subject(Some(code("rover-rides"))), Ok(Some(code("rover-rides"))));
    }

    #[test]
    fn a_partner_that_the_ledger_does_not_know_is_nobody() {
        let permit = Permit::plain(Caller::Partner(code("harbor-hotels")));
        let nobody = Catalogue::new(1, Vec::new());
        assert_eq!(permit.partner_in(&nobody), Err(Refused::unauthenticated()));
    }
}
