//! Enforces the table before anything is looked up, and gives the permit.

use axum::{extract::Request, response::Response};
use http::HeaderMap;
use tokio::time::Instant;

use super::{Access, Permit, Row, table};
use crate::{
    edge::{ConnectInfo, answer},
    error::Refused,
    security::{Guard, SessionEnd},
};

/// What tokens are checked by.
#[derive(Debug, Clone)]
pub(crate) enum Door {
    /// Tokens are needed, as the table says.
    Guarded(Guard),
    /// Nothing knows tokens: only what needs none can be called.
    Unopened,
    /// Certificates are enough: to measure what tokens cost, and to test what lies before them.
    #[cfg(any(test, feature = "unguarded"))]
    Unguarded,
}

impl Door {
    /// Whether the clock that certificates are judged by is one that the database does not contradict.
    pub(crate) async fn knows_the_time(&self) -> bool {
        match self {
            Self::Guarded(guard) => guard.knows_the_time().await,
            Self::Unopened => true,
            #[cfg(any(test, feature = "unguarded"))]
            Self::Unguarded => true,
        }
    }
}

/// Answers calls that are not allowed; lets the others pass, with their permit and their row.
pub(crate) async fn authorize(
    door: &Door,
    mut request: Request,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let asked = Asked::of(&request);
    match permit(door, asked).await {
        Ok((permit, row)) => {
            request.extensions_mut().insert(permit);
            request.extensions_mut().insert(row);
            next(request).await
        }
        Err(refused) => answer(&refused),
    }
}

/// What is asked: the parts of a request that others than its handler may look at.
#[derive(Clone, Copy)]
struct Asked<'a> {
    path: &'a str,
    headers: &'a HeaderMap,
    connection: Option<&'a ConnectInfo>,
}

impl<'a> Asked<'a> {
    fn of(request: &'a Request) -> Self {
        let connection = request.extensions().get::<ConnectInfo>();
        Self { path: request.uri().path(), headers: request.headers(), connection }
    }
}

/// In order: the connection's certificate, the table's row, the token, its scope.
async fn permit(door: &Door, asked: Asked<'_>) -> Result<(Permit, &'static Row), Refused> {
    let connection = asked.connection.ok_or_else(Refused::unauthenticated)?;
    if connection.fate.is_cut() || connection.valid_until <= Instant::now() {
        return Err(Refused::unauthenticated());
    }
    let row = table::row(asked.path).ok_or_else(Refused::not_allowed)?;
    if !row.callers.include(connection.caller.role()) {
        return Err(Refused::not_allowed());
    }
    let session = session(door, connection, row, asked.headers).await?;
    Ok((Permit::new(connection.caller.clone(), connection.thumbprint, session), row))
}

async fn session(
    door: &Door,
    connection: &ConnectInfo,
    row: &Row,
    headers: &HeaderMap,
) -> Result<Option<SessionEnd>, Refused> {
    let scope = match row.access {
        Access::Open => {
            // Health answers also while the database is away; nobody else asks for so little.
            if let Door::Guarded(guard) = door
                && guard.in_force().is_ok_and(|it| it.denies_certificate(&connection.thumbprint))
            {
                return Err(Refused::unauthenticated());
            }
            return Ok(None);
        }
        Access::Token => None,
        Access::Scope(scope) => Some(scope),
    };
    let guard = match door {
        Door::Guarded(guard) => guard,
        Door::Unopened => return Err(Refused::token()),
        #[cfg(any(test, feature = "unguarded"))]
        Door::Unguarded => return Ok(None),
    };
    let session = guard.session(connection, headers).await?;
    if let Some(scope) = scope
        && !session.scopes().include(scope)
    {
        return Err(Refused::scope_missing(scope));
    }
    Ok(Some(SessionEnd::new(session, guard.clone())))
}

#[cfg(test)]
mod tests {
    use std::{net::SocketAddr, time::Duration};

    use axum::body::Body;
    use entente_api::error::ErrorReason;
    use entente_identity::Thumbprint;

    use super::*;
    use crate::{
        caller::{Caller, OperatorName},
        edge::Fate,
    };

    const EARN: &str = "/entente.points.v1.PointsService/Earn";
    const SUSPEND: &str = "/entente.partner.v1.PartnerService/SuspendPartner";

    fn harbor() -> Caller {
        Caller::Partner("harbor-hotels".parse().expect("a good code"))
    }

    fn amelia() -> Caller {
        Caller::Operator(OperatorName::new("amelia"))
    }

    /// A request over a connection whose certificate is valid for so long.
    fn request(path: &str, caller: Caller, left: Duration) -> Request {
        let connection = ConnectInfo {
            caller,
            thumbprint: Thumbprint::from_bytes([0; 32]),
            valid_until: Instant::now() + left,
            peer: SocketAddr::from(([127, 0, 0, 1], 1)),
            fate: Fate::default(),
        };
        let request = Request::post(path).extension(connection).body(Body::empty());
        request.expect("a request")
    }

    async fn asked(door: &Door, request: Request) -> Result<(Permit, &'static Row), ErrorReason> {
        permit(door, Asked::of(&request)).await.map_err(|refused| refused.reason())
    }

    #[tokio::test]
    async fn only_the_row_of_a_path_admits_a_caller() {
        let hour = Duration::from_hours(1);
        for (path, caller, admitted) in [
            (EARN, harbor(), true),
            (EARN, amelia(), false),
            (SUSPEND, amelia(), true),
            (SUSPEND, harbor(), false),
            ("/entente.points.v1.PointsService/earn", harbor(), false),
            ("/", amelia(), false),
        ] {
            let asked = asked(&Door::Unguarded, request(path, caller.clone(), hour)).await;
            let reason = asked.as_ref().err().copied();
            assert_eq!(reason, (!admitted).then_some(ErrorReason::NotAllowed), "{path} {caller}");
            if let Ok((permit, row)) = asked {
                assert_eq!((permit.caller(), row.path), (&caller, path));
            }
        }
    }

    #[tokio::test]
    async fn without_anything_that_knows_tokens_nothing_passes_that_needs_one() {
        let hour = Duration::from_hours(1);
        let asked = asked(&Door::Unopened, request(EARN, harbor(), hour)).await;
        assert_eq!(asked.map(drop), Err(ErrorReason::TokenRefused));
    }

    #[tokio::test]
    async fn a_connection_does_not_outlive_its_certificate() {
        let ended = asked(&Door::Unguarded, request(EARN, harbor(), Duration::ZERO)).await;
        assert_eq!(ended.map(drop), Err(ErrorReason::Unauthenticated));
    }

    #[tokio::test]
    async fn a_request_without_a_connection_is_nobodys() {
        let request = Request::post(EARN).body(Body::empty()).expect("a request");
        let asked = asked(&Door::Unguarded, request).await;
        assert_eq!(asked.map(drop), Err(ErrorReason::Unauthenticated));
    }
}
