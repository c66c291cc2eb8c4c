//! One request, as often as it has to be sent, and what each attempt tells.

use entente_client::{
    Client, Error, Refusal,
    api::{
        error::ErrorReason,
        points::{
            AuthorizeRequest, BurnRequest, CaptureRequest, EarnRequest, GetOperationRequest,
            ReverseRequest, VoidRequest, get_operation_response::Outcome as Kept,
        },
        types::{Balances, Operation},
    },
};
use tonic::Code;

/// A write of points.
#[derive(Debug, Clone)]
pub(crate) enum Request {
    Earn(EarnRequest),
    Burn(BurnRequest),
    Authorize(AuthorizeRequest),
    Capture(CaptureRequest),
    Void(VoidRequest),
    Reverse(ReverseRequest),
}

/// What an attempt tells.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It is done, and this is what the member has after it.
    Posted { operation: Option<Box<Operation>>, balances: Option<Balances>, replayed: bool },
    /// It is refused for good.
    Refused(ErrorReason),
    /// Nobody knows, or nothing was done; to be sent again.
    Open(Doubt),
    /// An answer that no fault excuses.
    Bad(String),
}

/// Why an outcome is not known yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// The hub was not reached.
    Unreached,
    /// It said at once that it did nothing, and when to come again.
    PutOff,
    /// Anything may have happened.
    Unknown,
}

impl Request {
    /// Sends it once.
    pub(crate) async fn send(&self, client: &Client) -> Outcome {
        macro_rules! sent {
            ($call:ident, $request:expr) => {
                client.$call($request.clone()).await.map(|a| (a.operation, a.balances, a.replayed))
            };
        }
        let answer = match self {
            Self::Earn(request) => sent!(earn, request),
            Self::Burn(request) => sent!(burn, request),
            Self::Authorize(request) => sent!(authorize, request),
            Self::Capture(request) => sent!(capture, request),
            Self::Void(request) => sent!(void, request),
            Self::Reverse(request) => sent!(reverse, request),
        };
        match answer {
            Ok((operation, balances, replayed)) => {
                let operation = operation.map(Box::new);
                Outcome::Posted { operation, balances, replayed }
            }
            Err(error) => judged(&error),
        }
    }
}

/// Asks what became of a request; `None` when the hub has no outcome of it.
pub(crate) async fn asked(client: &Client, request_id: &str) -> Option<Outcome> {
    let request = GetOperationRequest { request_id: request_id.to_owned() };
    match client.get_operation(request).await {
        Ok(answer) => Some(match answer.outcome {
            Some(Kept::Operation(operation)) => Outcome::Posted {
                operation: Some(Box::new(operation)),
                balances: answer.balances,
                replayed: true,
            },
            Some(Kept::Refusal(status)) => Outcome::Refused(Refusal::from_kept(&status).reason),
            None => Outcome::Bad("GetOperation answered nothing".to_owned()),
        }),
        Err(error) => match judged(&error) {
            Outcome::Refused(ErrorReason::OperationUnknown) => None,
            other => Some(other),
        },
    }
}

/// What an error means for the request.
pub(crate) fn judged(error: &Error) -> Outcome {
    match error {
        Error::Refused(refusal) => match refusal.reason {
            ErrorReason::Overloaded | ErrorReason::ShuttingDown | ErrorReason::ClocksApart
                if refusal.retry_after.is_some() && refusal.code == Code::Unavailable =>
            {
                Outcome::Open(Doubt::PutOff)
            }
            ErrorReason::Unspecified | ErrorReason::Internal | ErrorReason::Overloaded => {
                Outcome::Bad(refusal.to_string())
            }
            reason => Outcome::Refused(reason),
        },
        // An INTERNAL of the hub's own making names a fault that is logged.
        Error::Unknown(unknown) if unknown.message.contains("a fault of the hub") => {
            Outcome::Bad(unknown.to_string())
        }
        Error::Unknown(_) => Outcome::Open(Doubt::Unknown),
        Error::Transport(away) if !away.not_admitted => Outcome::Open(Doubt::Unreached),
        Error::Transport(_) | Error::Options(_) => Outcome::Bad(error.to_string()),
    }
}
