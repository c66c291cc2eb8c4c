//! What a caller sees when a hub stumbles: played against a server that answers by script.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use entente_api::error::ErrorReason;
use entente_api::member::member_service_server::{MemberService, MemberServiceServer};
use entente_api::member::{
    CheckLinkRequest, CheckLinkResponse, ConfirmLinkRequest, ConfirmLinkResponse,
    CreateLinkCodeRequest, CreateLinkCodeResponse, ExportMemberRequest, ExportMemberResponse,
    GetBalanceRequest, GetBalanceResponse, LinkMemberRequest, LinkMemberResponse,
    ListOperationsRequest, ListOperationsResponse, RedeemLinkCodeRequest, RedeemLinkCodeResponse,
    UnlinkRequest, UnlinkResponse, UnmergeMembersRequest, UnmergeMembersResponse,
};
use entente_client::{Client, Error, Retry, new_request_id};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Endpoint, Server};
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// What the server does with one attempt.
enum Turn {
    Answer,
    Refuse(Status),
    Silence,
}

#[derive(Clone, Default)]
struct Script {
    turns: Arc<Mutex<VecDeque<Turn>>>,
    seen: Arc<Mutex<Vec<String>>>,
}

#[tonic::async_trait]
impl MemberService for Script {
    async fn link_member(
        &self,
        request: Request<LinkMemberRequest>,
    ) -> Result<Response<LinkMemberResponse>, Status> {
        self.seen.lock().expect("no test panics here").push(request.into_inner().request_id);
        let turn = self.turns.lock().expect("no test panics here").pop_front();
        match turn {
            Some(Turn::Refuse(status)) => Err(status),
            Some(Turn::Silence) => std::future::pending().await,
            Some(Turn::Answer) | None => Ok(Response::new(LinkMemberResponse::default())),
        }
    }

    async fn check_link(
        &self,
        _: Request<CheckLinkRequest>,
    ) -> Result<Response<CheckLinkResponse>, Status> {
        Err(Status::unimplemented("not in this script"))
    }

    async fn unlink(&self, _: Request<UnlinkRequest>) -> Result<Response<UnlinkResponse>, Status> {
        Err(Status::unimplemented("not in this script"))
    }

    async fn create_link_code(
        &self,
        _: Request<CreateLinkCodeRequest>,
    ) -> Result<Response<CreateLinkCodeResponse>, Status> {
        Err(Status::unimplemented("not in this script"))
    }

    async fn redeem_link_code(
        &self,
        _: Request<RedeemLinkCodeRequest>,
    ) -> Result<Response<RedeemLinkCodeResponse>, Status> {
        Err(Status::unimplemented("not in this script"))
    }

    async fn confirm_link(
        &self,
        _: Request<ConfirmLinkRequest>,
    ) -> Result<Response<ConfirmLinkResponse>, Status> {
        Err(Status::unimplemented("not in this script"))
    }

    async fn unmerge_members(
        &self,
        _: Request<UnmergeMembersRequest>,
    ) -> Result<Response<UnmergeMembersResponse>, Status> {
        Err(Status::unimplemented("not in this script"))
    }

    async fn export_member(
        &self,
        _: Request<ExportMemberRequest>,
    ) -> Result<Response<ExportMemberResponse>, Status> {
        Err(Status::unimplemented("not in this script"))
    }

    async fn get_balance(
        &self,
        _: Request<GetBalanceRequest>,
    ) -> Result<Response<GetBalanceResponse>, Status> {
        Err(Status::unimplemented("not in this script"))
    }

    async fn list_operations(
        &self,
        _: Request<ListOperationsRequest>,
    ) -> Result<Response<ListOperationsResponse>, Status> {
        Err(Status::unimplemented("not in this script"))
    }
}

fn quick() -> Retry {
    Retry {
        deadline: Duration::from_secs(5),
        attempt_deadline: Duration::from_millis(100),
        attempts: 4,
        first_wait: Duration::from_millis(5),
        longest_wait: Duration::from_millis(20),
    }
}

fn refusal(code: Code, reason: &str, retry_after: Option<Duration>) -> Turn {
    let mut details =
        ErrorDetails::with_error_info(reason, "entente", [("held".into(), "7".into())]);
    if retry_after.is_some() {
        details.set_retry_info(retry_after);
    }
    Turn::Refuse(Status::with_error_details(code, "as the script says", details))
}

async fn serve(script: Script) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("bound"));
    let server = Server::builder().add_service(MemberServiceServer::new(script));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    let channel = Endpoint::from_shared(address.clone()).expect("an address").connect_lazy();
    Client::over(channel, address, quick())
}

/// Enrols once against `turns`: the outcome, and the request ids that the server saw.
async fn play(turns: Vec<Turn>) -> (Result<LinkMemberResponse, Error>, Vec<String>) {
    let script = Script { turns: Arc::new(Mutex::new(turns.into())), ..Script::default() };
    let client = serve(script.clone()).await;
    let request =
        LinkMemberRequest { request_id: new_request_id(), member_assertion: "signed".to_owned() };
    let outcome = client.link_member(request).await;
    let seen = script.seen.lock().expect("no test panics here").clone();
    (outcome, seen)
}

#[tokio::test]
async fn an_overloaded_hub_is_asked_again_with_the_same_id() {
    let overloaded = || refusal(Code::Unavailable, "OVERLOADED", None);
    let (outcome, seen) = play(vec![overloaded(), overloaded(), Turn::Answer]).await;
    assert!(outcome.is_ok(), "{outcome:?}");
    assert_eq!(seen.len(), 3);
    assert!(seen.iter().all(|id| *id == seen[0]));
}

#[tokio::test]
async fn a_silent_hub_is_asked_again_with_the_same_id() {
    let (outcome, seen) = play(vec![Turn::Silence, Turn::Answer]).await;
    assert!(outcome.is_ok(), "{outcome:?}");
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test]
async fn the_wait_that_the_hub_asks_for_is_kept() {
    let asked = Duration::from_millis(300);
    let begun = Instant::now();
    let (outcome, _) = play(vec![refusal(Code::Unavailable, "SHUTTING_DOWN", Some(asked))]).await;
    assert!(outcome.is_ok(), "{outcome:?}");
    assert!(begun.elapsed() >= asked);
}

#[tokio::test]
async fn a_wait_beyond_the_deadline_is_not_begun() {
    let asked = Duration::from_mins(1);
    let begun = Instant::now();
    let (outcome, seen) = play(vec![refusal(Code::Unavailable, "OVERLOADED", Some(asked))]).await;
    let refused = outcome.expect_err("the script refuses");
    assert_eq!(refused.refusal().map(|refusal| refusal.retry_after), Some(Some(asked)));
    assert_eq!(seen.len(), 1);
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_business_refusal_is_final_and_typed() {
    let turns = vec![refusal(Code::FailedPrecondition, "CAPTURE_EXCEEDS_HOLD", None)];
    let (outcome, seen) = play(turns).await;
    let error = outcome.expect_err("the script refuses");
    let refusal = error.refusal().expect("a refusal");
    assert_eq!(refusal.reason, ErrorReason::CaptureExceedsHold);
    assert_eq!(refusal.code, Code::FailedPrecondition);
    assert_eq!(refusal.metadata.get("held").map(String::as_str), Some("7"));
    assert_eq!(seen.len(), 1);
}

#[tokio::test]
async fn attempts_are_bounded_and_leave_the_outcome_unknown() {
    let (outcome, seen) = play((0..10).map(|_| Turn::Silence).collect()).await;
    match outcome {
        Err(Error::Unknown(unknown)) => assert_eq!(unknown.attempts, quick().attempts),
        other => panic!("{other:?}"),
    }
    assert_eq!(seen.len(), 4);
}

#[tokio::test]
async fn a_refusal_after_a_lost_answer_leaves_the_outcome_unknown() {
    let mut turns = vec![Turn::Silence];
    turns.extend((0..9).map(|_| refusal(Code::Unavailable, "OVERLOADED", None)));
    let (outcome, _) = play(turns).await;
    assert!(matches!(outcome, Err(Error::Unknown(_))), "{outcome:?}");
}

#[tokio::test]
async fn a_hub_that_is_away_is_told_apart_from_a_refusal() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("bound"));
    drop(listener);
    let channel = Endpoint::from_shared(address.clone()).expect("an address").connect_lazy();
    let client = Client::over(channel, address, quick());
    let outcome = client.link_member(LinkMemberRequest::default()).await;
    assert!(matches!(outcome, Err(Error::Transport(_))), "{outcome:?}");
}
