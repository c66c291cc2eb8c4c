//! Enforces the table before anything is looked up, and gives the permit.

use axum::{extract::Request, middleware::Next, response::Response};
use tokio::time::Instant;

use super::{Permit, table};
use crate::{
    edge::{ConnectInfo, answer},
    error::Refused,
};

/// Answers calls that are not allowed; lets the others pass, with their permit and their row.
pub(crate) async fn authorize(mut request: Request, next: Next) -> Response {
    match permit(&request) {
        Ok((permit, row)) => {
            request.extensions_mut().insert(permit);
            request.extensions_mut().insert(row);
            next.run(request).await
        }
        Err(refused) => answer(&refused),
    }
}

fn permit(request: &Request) -> Result<(Permit, &'static table::Row), Refused> {
    let connection = request.extensions().get::<ConnectInfo>();
    let connection = connection.ok_or_else(Refused::unauthenticated)?;
    if connection.valid_until <= Instant::now() {
        return Err(Refused::unauthenticated());
    }
    let row = table::row(request.uri().path()).ok_or_else(Refused::not_allowed)?;
    if !row.callers.include(connection.caller.role()) {
        return Err(Refused::not_allowed());
    }
    Ok((Permit::new(connection.caller.clone()), row))
}

#[cfg(test)]
mod tests {
    use std::{net::SocketAddr, time::Duration};

    use axum::body::Body;
    use entente_api::error::ErrorReason;
    use entente_identity::Thumbprint;

    use super::*;
    use crate::caller::{Caller, OperatorName};

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
        };
        let request = Request::post(path).extension(connection).body(Body::empty());
        request.expect("a request")
    }

    #[test]
    fn only_the_row_of_a_path_admits_a_caller() {
        let hour = Duration::from_hours(1);
        for (path, caller, admitted) in [
            (EARN, harbor(), true),
            (EARN, amelia(), false),
            (SUSPEND, amelia(), true),
            (SUSPEND, harbor(), false),
            ("/entente.points.v1.PointsService/earn", harbor(), false),
            ("/", amelia(), false),
        ] {
            let asked = permit(&request(path, caller.clone(), hour));
            let reason = asked.as_ref().err().map(Refused::reason);
            assert_eq!(reason, (!admitted).then_some(ErrorReason::NotAllowed), "{path} {caller}");
            if let Ok((permit, row)) = asked {
                assert_eq!((permit.caller(), row.path), (&caller, path));
            }
        }
    }

    #[test]
    fn a_connection_does_not_outlive_its_certificate() {
        let ended = permit(&request(EARN, harbor(), Duration::ZERO));
        assert_eq!(ended.map(drop), Err(Refused::unauthenticated()));
    }

    #[test]
    fn a_request_without_a_connection_is_nobodys() {
        let request = Request::post(EARN).body(Body::empty()).expect("a request");
        assert_eq!(permit(&request).map(drop), Err(Refused::unauthenticated()));
    }
}
