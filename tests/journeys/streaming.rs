//! EarnStream on the wire: each line has its outcome, in order, whatever its neighbors are.

use entente_client::{
    AuthorizedChannel, Refusal,
    api::{
        error::ErrorReason,
        points::{
            EarnRequest, EarnResponse, EarnStreamRequest, EarnStreamResponse,
            earn_stream_response::Outcome, points_service_client::PointsServiceClient,
        },
    },
};
use entente_testkit::{
    TestHub,
    cast::{self, HARBOR, balances, earn, enrol},
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use crate::wire::Wire;

/// One stream, as its caller holds it.
pub(crate) struct Stream {
    pub(crate) lines: mpsc::Sender<EarnStreamRequest>,
    pub(crate) outcomes: Streaming<EarnStreamResponse>,
}

/// What became of a line.
pub(crate) type Became = Result<EarnResponse, Refusal>;

impl Stream {
    pub(crate) async fn open(channel: AuthorizedChannel) -> Result<Self, Status> {
        let (lines, sent) = mpsc::channel(16);
        let mut client = PointsServiceClient::new(channel);
        let outcomes = client.earn_stream(ReceiverStream::new(sent)).await?.into_inner();
        Ok(Self { lines, outcomes })
    }

    /// Sends a line; `false` when the stream has ended.
    pub(crate) async fn send(&self, sequence: i64, earn: EarnRequest) -> bool {
        self.lines.send(EarnStreamRequest { sequence, earn: Some(earn) }).await.is_ok()
    }

    /// The next outcome: its line's sequence and request id, and what became of it.
    pub(crate) async fn next(&mut self) -> Option<(i64, String, Became)> {
        self.outcomes.message().await.expect("the stream goes on").map(read)
    }
}

pub(crate) fn read(response: EarnStreamResponse) -> (i64, String, Became) {
    let became = match response.outcome.expect("an outcome") {
        Outcome::Earned(earned) => Ok(earned),
        Outcome::Refusal(status) => Err(Refusal::from_kept(&status)),
    };
    (response.sequence, response.request_id, became)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_line_has_its_outcome_in_order_and_a_bad_one_harms_no_other() {
    let hub = TestHub::with_cast().await;
    enrol(&hub.partner(HARBOR).await, "guest").await;
    let good = || earn("guest", 10_000_000, "EUR");
    let with = |change: fn(&mut EarnRequest)| {
        let mut request = good();
        change(&mut request);
        Some(request)
    };
    let lines = [
        (1, Some(good()), None, ""),
        (7, with(|earn| earn.member_reference = "nobody".to_owned()), Some("MEMBER_UNKNOWN"), ""),
        (7, Some(good()), Some("MALFORMED"), "sequence"),
        (8, Some(good()), None, ""),
        (3, with(|earn| earn.category.clear()), Some("MALFORMED"), "sequence earn.category"),
        (9, None, Some("MALFORMED"), "earn"),
        (10, with(|earn| earn.spend = None), Some("MALFORMED"), "earn.spend"),
        (10, Some(good()), Some("MALFORMED"), "sequence"),
        (0, None, Some("MALFORMED"), "sequence earn"),
        (i64::MIN, Some(good()), Some("MALFORMED"), "sequence"),
        (
            11,
            with(|earn| earn.request_id = "x".repeat(5_000)),
            Some("MALFORMED"),
            "earn.request_id",
        ),
        (12, Some(earn("guest", 1_000_000, "USD")), Some("CURRENCY_NOT_OF_TERMS"), ""),
        (i64::MAX, Some(good()), None, ""),
        (i64::MAX, Some(good()), Some("MALFORMED"), "sequence"),
    ];
    let mut stream = Stream::open(Wire::partner(&hub, HARBOR).await.channel()).await.unwrap();
    for (sequence, earn, _, _) in &lines {
        let line = EarnStreamRequest { sequence: *sequence, earn: earn.clone() };
        stream.lines.send(line).await.unwrap();
    }
    for (sequence, earn, reason, fields) in &lines {
        let (answered, id, became) = stream.next().await.expect("an outcome");
        let sent = earn.as_ref().map(|earn| earn.request_id.as_str()).unwrap_or_default();
        assert_eq!((answered, id.as_str()), (*sequence, &sent[..sent.len().min(64)]));
        match (became, reason) {
            (Ok(earned), None) => assert_eq!(earned.operation.unwrap().request_id, sent),
            (Err(refusal), Some(reason)) => {
                assert_eq!(refusal.reason_name(), *reason, "{sequence}");
                let named: Vec<_> = refusal.violations.iter().map(|v| v.field.as_str()).collect();
                assert_eq!(named.join(" "), *fields, "{sequence}");
            }
            (became, _) => panic!("{sequence}: {became:?}"),
        }
    }
    drop(stream.lines);
    assert!(stream.outcomes.message().await.unwrap().is_none(), "a half-close ends the stream");
    assert_eq!(balances(&hub.partner(HARBOR).await, "guest").await.available, 30);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_and_a_call_with_one_id_are_one_earn() {
    let hub = TestHub::with_cast().await;
    let harbor = hub.partner(HARBOR).await;
    enrol(&harbor, "guest").await;
    let request = earn("guest", 10_000_000, "EUR");
    let called = harbor.earn(request.clone()).await.unwrap();
    let mut stream = Stream::open(Wire::partner(&hub, HARBOR).await.channel()).await.unwrap();
    for sequence in 1..=2 {
        assert!(stream.send(sequence, request.clone()).await);
        let (_, _, became) = stream.next().await.expect("an outcome");
        let streamed = became.expect("the earn");
        assert!(streamed.replayed);
        assert_eq!(streamed.operation, called.operation);
    }
    let other = EarnRequest { category: "spa".to_owned(), ..request };
    assert!(stream.send(3, other).await);
    let (_, _, became) = stream.next().await.expect("an outcome");
    assert_eq!(became.unwrap_err().reason, ErrorReason::RequestIdReused);
    assert_eq!(balances(&harbor, "guest").await.available, 10);
    hub.close().await;
}

/// The hub has seen none of these members, so it looks each up while later lines arrive.
#[tokio::test(flavor = "multi_thread")]
async fn the_lines_of_a_member_are_posted_in_their_order() {
    const LINES: i64 = 600;
    let mut hub = TestHub::with_cast().await;
    let guests = ["ann", "ben", "cleo"];
    for guest in guests {
        enrol(&hub.partner(HARBOR).await, guest).await;
    }
    hub.restart().await;
    let mut stream = Stream::open(Wire::partner(&hub, HARBOR).await.channel()).await.unwrap();
    let lines = stream.lines.clone();
    let sending = tokio::spawn(async move {
        for sequence in 1..=LINES {
            let guest = guests[usize::try_from(sequence).unwrap() % guests.len()];
            let earn = Some(earn(guest, 1_000_000, "EUR"));
            lines.send(EarnStreamRequest { sequence, earn }).await.unwrap();
        }
    });
    let mut available = [0; 3];
    for sequence in 1..=LINES {
        let (answered, _, became) = stream.next().await.expect("an outcome");
        assert_eq!(answered, sequence);
        let guest = &mut available[usize::try_from(sequence).unwrap() % guests.len()];
        *guest += 1;
        assert_eq!(became.expect("the earn").balances.unwrap().available, *guest);
    }
    sending.await.unwrap();
    assert_eq!(cast::balances(&hub.partner(HARBOR).await, "ann").await.available, LINES / 3);
    hub.close().await;
}
