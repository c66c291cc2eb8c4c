//! A stream of earns against a hub that stumbles: played by script.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use entente_api::error::ErrorReason;
use entente_api::points::points_service_server::{PointsService, PointsServiceServer};
use entente_api::points::{
    AuthorizeRequest, AuthorizeResponse, BurnRequest, BurnResponse, CaptureRequest,
    CaptureResponse, DonateRequest, DonateResponse, EarnRequest, EarnResponse, EarnStreamRequest,
    EarnStreamResponse, ExchangeRequest, ExchangeResponse, GetOperationRequest,
    GetOperationResponse, QuoteBurnRequest, QuoteBurnResponse, QuoteEarnRequest, QuoteEarnResponse,
    ReverseRequest, ReverseResponse, TransferRequest, TransferResponse, VoidRequest, VoidResponse,
    earn_stream_response::Outcome,
};
use entente_client::{Client, Error, Resume, Retry, new_request_id};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::{Endpoint, Server};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_types::{ErrorDetails, StatusExt as _, pb};

/// What the server does with one stream.
#[derive(Clone)]
enum Turn {
    /// Does not open it.
    Refuse(Status),
    /// Answers so many lines, then ends as told.
    Answer(usize, Result<(), Status>),
    /// Answers so many lines, refuses the next, and answers all after it.
    RefuseLine(usize, Status),
    /// Answers the second line first.
    Disorder,
    /// Answers every line, to the end.
    Serve,
}

#[derive(Clone, Default)]
struct Script {
    turns: Arc<Mutex<VecDeque<Turn>>>,
    /// The ids of each stream, as they came.
    seen: Arc<Mutex<Vec<Vec<String>>>>,
}

type Answers = mpsc::Sender<Result<EarnStreamResponse, Status>>;

impl Script {
    async fn play(self, turn: Turn, mut lines: Streaming<EarnStreamRequest>, answers: Answers) {
        let (mut count, mut held) = (0, None);
        loop {
            if let Turn::Answer(most, end) = &turn
                && count == *most
            {
                if let Err(status) = end {
                    let _ = answers.send(Err(status.clone())).await;
                }
                return;
            }
            let Ok(Some(line)) = lines.message().await else { return };
            let id = line.earn.unwrap_or_default().request_id;
            if let Some(stream) = self.seen.lock().expect("no test panics here").last_mut() {
                stream.push(id.clone());
            }
            let outcome = match &turn {
                Turn::RefuseLine(at, status) if *at == count => Outcome::Refusal(kept(status)),
                _ => Outcome::Earned(EarnResponse::default()),
            };
            count += 1;
            let (sequence, outcome) = (line.sequence, Some(outcome));
            let answer = EarnStreamResponse { sequence, request_id: id, outcome };
            if matches!(turn, Turn::Disorder) && count == 1 {
                held = Some(answer);
                continue;
            }
            let _ = answers.send(Ok(answer)).await;
            if let Some(held) = held.take() {
                let _ = answers.send(Ok(held)).await;
            }
        }
    }
}

fn kept(status: &Status) -> pb::Status {
    use prost::Message as _;
    pb::Status::decode(status.details()).expect("details")
}

macro_rules! not_in_this_script {
    ($($method:ident($request:ty) -> $response:ty;)*) => {
        #[tonic::async_trait]
        impl PointsService for Script {
            type EarnStreamStream = ReceiverStream<Result<EarnStreamResponse, Status>>;

            async fn earn_stream(
                &self,
                request: Request<Streaming<EarnStreamRequest>>,
            ) -> Result<Response<Self::EarnStreamStream>, Status> {
                self.seen.lock().expect("no test panics here").push(Vec::new());
                let turn = self.turns.lock().expect("no test panics here").pop_front();
                let turn = turn.unwrap_or(Turn::Serve);
                if let Turn::Refuse(status) = turn {
                    return Err(status);
                }
                let (answers, answered) = mpsc::channel(4);
                tokio::spawn(self.clone().play(turn, request.into_inner(), answers));
                Ok(Response::new(ReceiverStream::new(answered)))
            }

            $(async fn $method(&self, _: Request<$request>) -> Result<Response<$response>, Status> {
                Err(Status::unimplemented("not in this script"))
            })*
        }
    };
}

not_in_this_script! {
    earn(EarnRequest) -> EarnResponse;
    burn(BurnRequest) -> BurnResponse;
    authorize(AuthorizeRequest) -> AuthorizeResponse;
    capture(CaptureRequest) -> CaptureResponse;
    void(VoidRequest) -> VoidResponse;
    reverse(ReverseRequest) -> ReverseResponse;
    exchange(ExchangeRequest) -> ExchangeResponse;
    transfer(TransferRequest) -> TransferResponse;
    donate(DonateRequest) -> DonateResponse;
    get_operation(GetOperationRequest) -> GetOperationResponse;
    quote_earn(QuoteEarnRequest) -> QuoteEarnResponse;
    quote_burn(QuoteBurnRequest) -> QuoteBurnResponse;
}

fn status(code: Code, reason: &str) -> Status {
    let details = ErrorDetails::with_error_info(reason, "entente", []);
    Status::with_error_details(code, "as the script says", details)
}

fn quick() -> Resume {
    Resume {
        first_wait: Duration::from_millis(2),
        longest_wait: Duration::from_millis(20),
        patience: Duration::from_secs(5),
        line_attempts: 3,
        ..Resume::default()
    }
}

/// The outcomes of a stream, what ended it, and the ids of each connection.
struct Played {
    sent: Vec<String>,
    outcomes: Vec<(i64, String, Result<(), Error>)>,
    end: Result<(), Error>,
    seen: Vec<Vec<String>>,
}

impl Played {
    /// Each line has one outcome, in order, and all are good but those named.
    fn complete_but_for(&self, bad: &[usize]) {
        assert!(self.end.is_ok(), "{:?}", self.end);
        let ids: Vec<_> = self.outcomes.iter().map(|(_, id, _)| id.clone()).collect();
        assert_eq!(ids, self.sent);
        for (line, (sequence, _, result)) in self.outcomes.iter().enumerate() {
            assert_eq!(usize::try_from(*sequence).expect("a count"), line + 1);
            assert_eq!(result.is_err(), bad.contains(&line), "{line}: {result:?}");
        }
    }
}

/// Sends so many lines against `turns`.
async fn play(turns: Vec<Turn>, count: usize, resume: Resume) -> Played {
    let script = Script { turns: Arc::new(Mutex::new(turns.into())), ..Script::default() };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("bound"));
    let server = Server::builder().add_service(PointsServiceServer::new(script.clone()));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    let channel = Endpoint::from_shared(address.clone()).expect("an address").connect_lazy();
    let client = Client::over(channel, address, Retry::never());
    stream(&client, script, count, resume).await
}

async fn stream(client: &Client, script: Script, count: usize, resume: Resume) -> Played {
    let (mut sink, mut stream) = client.earn_stream(resume);
    let sent: Vec<_> = (0..count).map(|_| new_request_id()).collect();
    let ids = sent.clone();
    tokio::spawn(async move {
        for request_id in ids {
            if sink.send(EarnRequest { request_id, ..EarnRequest::default() }).await.is_err() {
                return;
            }
        }
    });
    let mut outcomes = Vec::new();
    let end = loop {
        match stream.next().await {
            Ok(Some(outcome)) => {
                let result = outcome.result.map(drop);
                outcomes.push((outcome.sequence, outcome.request_id, result));
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    let seen = script.seen.lock().expect("no test panics here").clone();
    Played { sent, outcomes, end, seen }
}

#[tokio::test]
async fn lines_without_an_outcome_are_sent_again_with_the_same_ids() {
    let lost = || Err(status(Code::Unavailable, "SHUTTING_DOWN"));
    let turns = vec![
        Turn::Answer(3, lost()),
        Turn::Answer(0, Ok(())),
        Turn::Answer(2, Err(Status::internal("h2 protocol error"))),
        Turn::Refuse(status(Code::ResourceExhausted, "TOO_MANY_STREAMS")),
        Turn::Answer(1, Err(status(Code::ResourceExhausted, "STREAM_UNREAD"))),
        Turn::Serve,
    ];
    let played = play(turns, 40, quick()).await;
    played.complete_but_for(&[]);
    assert_eq!(played.seen.len(), 6);
    assert_eq!(played.seen[5], played.sent[6..], "from the first line without an outcome");
}

#[tokio::test]
async fn more_lines_than_may_be_unanswered_all_come_through() {
    let played = play(vec![Turn::Answer(1_500, Ok(()))], 5_000, quick()).await;
    played.complete_but_for(&[]);
}

#[tokio::test]
async fn a_refused_line_is_its_own_outcome_and_one_put_off_is_sent_again() {
    let unknown = status(Code::NotFound, "MEMBER_UNKNOWN");
    let played = play(vec![Turn::RefuseLine(2, unknown)], 10, quick()).await;
    played.complete_but_for(&[2]);
    let refusal = played.outcomes[2].2.as_ref().expect_err("refused").refusal().cloned();
    assert_eq!(refusal.expect("a refusal").reason, ErrorReason::MemberUnknown);
    assert_eq!(played.seen.len(), 1);

    let overloaded = || status(Code::Unavailable, "OVERLOADED");
    let turns = vec![Turn::RefuseLine(2, overloaded()), Turn::RefuseLine(0, overloaded())];
    let played = play(turns, 10, quick()).await;
    played.complete_but_for(&[]);
    assert_eq!(played.seen[2], played.sent[2..]);
}

#[tokio::test]
async fn a_line_that_is_put_off_too_often_is_unknown_and_the_stream_goes_on() {
    let late = || status(Code::DeadlineExceeded, "DEADLINE_PASSED");
    let turns =
        vec![Turn::RefuseLine(1, late()), Turn::RefuseLine(0, late()), Turn::RefuseLine(0, late())];
    let played = play(turns, 10, quick()).await;
    played.complete_but_for(&[1]);
    assert!(matches!(&played.outcomes[1].2, Err(Error::Unknown(unknown)) if unknown.attempts == 3));
}

#[tokio::test]
async fn answers_out_of_order_are_not_believed() {
    let played = play(vec![Turn::Disorder], 10, quick()).await;
    played.complete_but_for(&[]);
    assert_eq!(played.seen.len(), 2);
}

#[tokio::test]
async fn a_hub_that_wants_none_of_us_ends_the_stream() {
    let refused = Turn::Refuse(status(Code::PermissionDenied, "NOT_ALLOWED"));
    let played = play(vec![refused], 10, quick()).await;
    assert!(matches!(played.end, Err(Error::Refused(_))), "{:?}", played.end);
    assert!(played.outcomes.is_empty());
}

#[tokio::test]
async fn a_hub_that_stays_away_ends_the_stream() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("bound"));
    drop(listener);
    let channel = Endpoint::from_shared(address.clone()).expect("an address").connect_lazy();
    let client = Client::over(channel, address, Retry::never());
    let brief = Resume { patience: Duration::from_millis(100), ..quick() };
    let played = stream(&client, Script::default(), 3, brief).await;
    assert!(matches!(played.end, Err(Error::Transport(_))), "{:?}", played.end);
}

#[tokio::test]
async fn a_stream_without_lines_ends_well() {
    let played = play(vec![], 0, quick()).await;
    played.complete_but_for(&[]);
    assert!(played.seen.is_empty(), "nothing was opened");
}
