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
