//! How an EarnStream ends: cut at any byte, unread, too many, and with the hub.

use std::{
    collections::HashSet,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use entente_client::{
    Refusal,
    api::{
        error::ErrorReason,
        points::{EarnRequest, EarnStreamRequest, points_service_client::PointsServiceClient},
    },
};
use entente_hub::config::{Limits, PostingLimits};
use entente_testkit::{
    TestHub,
    cast::{HARBOR, ROVER, balances, earn, enrol},
};
use http_body::Frame;
use prost::{Message as _, bytes::Bytes};
use tokio::task::JoinSet;
use tonic::{Status, body::Body};
use tower::ServiceExt as _;

use crate::{
    streaming::{Stream, read},
    wire::Wire,
};

/// What comes before each message on the wire.
const PREFIX: usize = 5;

/// A body that ends after so many bytes.
struct Cut {
    body: Body,
    left: usize,
}

impl http_body::Body for Cut {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(context));
        let Some(frame) = frame.transpose()? else { return Poll::Ready(None) };
        let mut data = frame.into_data().expect("requests have no trailers");
        data.truncate(self.left);
        self.left -= data.len();
        Poll::Ready(Some(Ok(Frame::data(data))))
    }
}

fn earns(count: i64) -> Vec<EarnStreamRequest> {
    let line =
        |sequence| EarnStreamRequest { sequence, earn: Some(earn("guest", 1_000_000, "EUR")) };
    (1..=count).map(line).collect()
}

fn refusal(status: &Status) -> ErrorReason {
    Refusal::from_status(status).reason
}

async fn with_a_guest(limits: Limits) -> TestHub {
    let hub = TestHub::within(limits).await;
    enrol(&hub.partner(HARBOR).await, "guest").await;
    hub
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_cut_at_any_byte_answers_the_whole_lines_before_it() {
    let hub = with_a_guest(Limits::default()).await;
    let channel = Wire::partner(&hub, HARBOR).await.channel();
    let lines = earns(2);
    let ends: Vec<_> = lines
        .iter()
        .scan(0, |end, line| {
            *end += PREFIX + line.encoded_len();
            Some(*end)
        })
        .collect();
    // tonic takes a prefix whose message does not begin for the end of the stream.
    let is_an_end = |left| [0, PREFIX, ends[0], ends[0] + PREFIX, ends[1]].contains(&left);
    for left in 0..=ends[1] {
        let cut =
            channel.clone().map_request(move |request: tonic::codegen::http::Request<Body>| {
                request.map(|body| Body::new(Cut { body, left }))
            });
        let mut client = PointsServiceClient::new(cut);
        let sent = futures::stream::iter(lines.clone());
        let mut outcomes = client.earn_stream(sent).await.unwrap().into_inner();
        let whole = ends.iter().filter(|end| **end <= left).count();
        for line in &lines[..whole] {
            let (sequence, _, became) = read(outcomes.message().await.unwrap().unwrap());
            assert_eq!((sequence, became.is_ok()), (line.sequence, true), "{left}");
        }
        match outcomes.message().await {
            Ok(None) => assert!(is_an_end(left), "{left}"),
            Ok(Some(more)) => panic!("{left}: {more:?}"),
            Err(status) => {
                assert_eq!(refusal(&status), ErrorReason::Malformed, "{left}: {status:?}");
                assert!(!is_an_end(left), "{left}");
            }
        }
    }
    assert_eq!(balances(&hub.partner(HARBOR).await, "guest").await.available, 2);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_may_be_longer_than_a_message_but_no_message_of_it() {
    let hub = with_a_guest(Limits { max_message_bytes: 2_048, ..Limits::default() }).await;
    let mut stream = Stream::open(Wire::partner(&hub, HARBOR).await.channel()).await.unwrap();
    for line in earns(40) {
        stream.lines.send(line).await.unwrap();
        stream.next().await.expect("an outcome").2.expect("an earn");
    }
    let long = EarnRequest { member_reference: "g".repeat(3_000), ..earn("guest", 1, "EUR") };
    assert!(stream.send(41, long).await);
    let status = stream.outcomes.message().await.unwrap_err();
    assert_eq!(refusal(&status), ErrorReason::Malformed);
    hub.close().await;
}

/// Neither side reads nor stops: the hub stops reading, then ends the stream; and whatever has no
/// answer is sent again.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_nobody_reads_ends_and_what_is_unanswered_is_sent_again() {
    const LINES: i64 = 6_000;
    let hub = with_a_guest(Limits { stream_unread_ms: 400, ..Limits::default() }).await;
    let channel = Wire::partner_with_small_windows(&hub, HARBOR).await.channel();
    let stream = Stream::open(channel.clone()).await.unwrap();
    let Stream { lines, mut outcomes } = stream;
    let all = earns(LINES);
    let (first, second) = (all.clone(), all);
    let sending = tokio::spawn(async move {
        for line in first {
            if lines.send(line).await.is_err() {
                return;
            }
        }
    });
    // Until nothing moves for twice as long as it may be unread: the hub has stopped by then.
    let (harbor, mut before) = (hub.partner(HARBOR).await, 0);
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = balances(&harbor, "guest").await.available;
        if now > 0 && now == before {
            break;
        }
        before = now;
    }
    assert!(before < LINES, "the hub reads no further: {before}");
    let mut answered = 0;
    let status = loop {
        match outcomes.message().await {
            Ok(Some(outcome)) => {
                answered += 1;
                assert_eq!(outcome.sequence, answered);
            }
            Ok(None) => panic!("an unread stream does not end well"),
            Err(status) => break status,
        }
    };
    assert_eq!(refusal(&status), ErrorReason::StreamUnread, "{status:?}");
    assert!(before <= answered + 1_024, "{before} posted, {answered} answered");
    sending.abort();

    let mut again = Stream::open(channel).await.unwrap();
    let rest = second.into_iter().skip(usize::try_from(answered).unwrap());
    let lines = again.lines.clone();
    tokio::spawn(async move {
        for line in rest {
            lines.send(line).await.unwrap();
        }
    });
    for sequence in answered + 1..=LINES {
        let (found, _, became) = again.next().await.expect("an outcome");
        assert_eq!((found, became.is_ok()), (sequence, true));
    }
    assert_eq!(balances(&hub.partner(HARBOR).await, "guest").await.available, LINES);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_has_so_many_streams_open_and_no_more() {
    let hub = with_a_guest(Limits { streams_per_partner: 2, ..Limits::default() }).await;
    let channel = Wire::partner(&hub, HARBOR).await.channel();
    let mut first = Stream::open(channel.clone()).await.unwrap();
    let _second = Stream::open(channel.clone()).await.unwrap();
    let status = Stream::open(channel.clone()).await.err().expect("a third");
    let refused = Refusal::from_status(&status);
    assert_eq!((refused.reason, &*refused.metadata["most"]), (ErrorReason::TooManyStreams, "2"));
    assert!(refused.retry_after.is_some());
    Stream::open(Wire::partner(&hub, ROVER).await.channel()).await.expect("another partner's");
    drop(first.lines);
    assert!(first.outcomes.message().await.unwrap().is_none());
    drop(first.outcomes);
    Stream::open(channel).await.expect("one has ended");
    hub.close().await;
}

/// Two calls may wait, and streams have thousands of lines.
#[tokio::test(flavor = "multi_thread")]
async fn no_number_of_streams_makes_another_partners_calls_be_refused() {
    const STREAMS: usize = 4;
    const LINES: i64 = 200;
    let small = PostingLimits { writers: 1, queue: 2, batch: 8, ..PostingLimits::default() };
    let hub = TestHub::posting(small).await;
    enrol(&hub.partner(HARBOR).await, "guest").await;
    let rover = hub.partner(ROVER).await;
    for rider in 0..100 {
        enrol(&rover, &format!("rider-{rider}")).await;
    }
    let mut flooding = JoinSet::new();
    for _ in 0..STREAMS {
        let mut stream = Stream::open(Wire::partner(&hub, HARBOR).await.channel()).await.unwrap();
        let lines = stream.lines.clone();
        flooding.spawn(async move {
            for line in earns(LINES) {
                lines.send(line).await.unwrap();
            }
        });
        flooding.spawn(async move {
            // On a slow machine a line may wait for longer than it may take.
            for sequence in 1..=LINES {
                assert_eq!(stream.next().await.expect("an outcome").0, sequence);
            }
        });
    }
    let mut calls = PointsServiceClient::new(Wire::partner(&hub, ROVER).await.channel());
    let mut called = 0;
    while !flooding.is_empty() || called < 10 {
        // Members that the hub has not looked up come by both queues.
        let rider = format!("rider-{}", called % 100);
        let answered = calls.earn(earn(&rider, 1_000_000, "USD")).await;
        assert!(answered.is_ok(), "call {called}: {answered:?}");
        called += 1;
        while let Some(ended) = flooding.try_join_next() {
            ended.unwrap();
        }
    }
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_answers_what_was_read_and_says_goodbye() {
    const LINES: i64 = 4_000;
    let mut hub = with_a_guest(Limits::default()).await;
    let Stream { lines, mut outcomes } =
        Stream::open(Wire::partner(&hub, HARBOR).await.channel()).await.unwrap();
    let all = earns(LINES);
    let sent = all.clone();
    tokio::spawn(async move {
        for line in sent {
            if lines.send(line).await.is_err() {
                return;
            }
        }
        // Open until the hub ends it.
        lines.closed().await;
    });
    let reading = tokio::spawn(async move {
        let mut answered = 0;
        loop {
            match outcomes.message().await {
                Ok(Some(outcome)) => {
                    answered += 1;
                    assert_eq!(outcome.sequence, answered);
                }
                Ok(None) => panic!("the client has more to send"),
                Err(status) => return (answered, status),
            }
        }
    });
    hub.restart().await;
    let (answered, status) = reading.await.unwrap();
    assert_eq!(refusal(&status), ErrorReason::ShuttingDown, "{status:?}");
    let harbor = hub.partner(HARBOR).await;
    let posted = balances(&harbor, "guest").await.available;
    assert_eq!(posted, answered, "all that was read is answered");

    let mut again = Stream::open(Wire::partner(&hub, HARBOR).await.channel()).await.unwrap();
    let sent = again.lines.clone();
    tokio::spawn(async move {
        for line in all {
            sent.send(line).await.unwrap();
        }
    });
    drop(std::mem::replace(&mut again.lines, tokio::sync::mpsc::channel(1).0));
    let mut seen = HashSet::new();
    let mut replayed = 0;
    while let Some((_, id, became)) = again.next().await {
        replayed += i64::from(became.expect("an earn").replayed);
        assert!(seen.insert(id));
    }
    assert_eq!((i64::try_from(seen.len()).unwrap(), replayed), (LINES, answered));
    assert_eq!(balances(&harbor, "guest").await.available, LINES);
    hub.close().await;
}
