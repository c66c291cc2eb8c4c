//! EarnStream: reads lines, posts each as Earn does, and answers in the order of the lines.
//!
//! Two loops in one task. The reading one parses a line, finds its member, and queues it, in order,
//! so that a member's lines are posted in order. The answering one waits for the oldest line's
//! commit. Between them are so many lines at most; then the reading one reads no further, and the
//! client's HTTP/2 window fills.

use std::{pin::pin, sync::Arc, time::Duration};

use entente_api::{
    error::ErrorReason,
    points::{EarnResponse, EarnStreamRequest, EarnStreamResponse, earn_stream_response::Outcome},
};
use entente_ledger::PartnerId;
use futures::{StreamExt, stream::FuturesOrdered};
use prost::Message;
use tokio::{sync::mpsc, time::Instant};
use tonic::Streaming;

use super::points::submission;
use crate::{
    deadline::Deadline,
    error::{Refused, RpcError},
    method::WriteResponse,
    parse::Violations,
    personal::Vault,
    posting::{Answer, Posted, Posting, Resolved, Submission},
    streams::{Ending, Inbox, Outbox, Stalled},
};

/// The outcomes of lines, as tonic sends them.
pub(super) type Outcomes = Inbox<EarnStreamResponse>;

/// How many lines are unanswered at most, those counted whose outcomes wait to be read.
const UNANSWERED: usize = 1_024;

/// Of a request id that is echoed; a good one has 36.
const ECHOED_CHARACTERS: usize = 64;

/// What the lines of a stream need.
pub(super) struct Lines {
    pub(super) posting: Posting,
    pub(super) partner: PartnerId,
    /// How long each may take.
    pub(super) deadline: Duration,
    /// How members are found.
    pub(super) vault: Arc<Vault>,
}

/// How an answer names its line.
struct Name {
    sequence: i64,
    request_id: String,
}

/// A line that is read.
struct Line {
    name: Name,
    deadline: Deadline,
    asked: Result<Submission, Refused>,
}

/// A line that waits for its answer.
struct Pending {
    name: Name,
    deadline: Deadline,
    answer: Answer,
}

impl Lines {
    /// Serves a stream until its end.
    pub(super) async fn run(
        self,
        requests: Streaming<EarnStreamRequest>,
        outbox: Outbox<EarnStreamResponse>,
        ending: Ending,
    ) {
        // The answering loop holds one line, and some outcomes wait to be read.
        let between = UNANSWERED - Outbox::<EarnStreamResponse>::waiting() - 1;
        let (queued, unanswered) = mpsc::channel(between);
        let reading = async { Ok(self.read(requests, queued, ending).await) };
        let served = tokio::select! {
            served = async { tokio::try_join!(reading, answer(unanswered, &outbox)) } => served,
            () = outbox.gone() => Err(Stalled::Gone),
        };
        match served {
            Ok((how, ())) => outbox.end(how),
            Err(Stalled::Unread) => outbox.end(Err(Refused::stream_unread())),
            Err(Stalled::Gone) => {}
        }
    }

    /// Reads and queues lines until the client has no more, or may send no more.
    async fn read(
        &self,
        mut requests: Streaming<EarnStreamRequest>,
        queued: mpsc::Sender<Pending>,
        ending: Ending,
    ) -> Result<(), Refused> {
        let mut resolving = FuturesOrdered::new();
        let mut ending = pin!(ending.reached());
        let (mut last, mut end) = (0, None);
        loop {
            tokio::select! {
                biased;
                Some((place, line, resolved)) = resolving.next() => {
                    self.queue(place, line, resolved).await;
                }
                refused = &mut ending, if end.is_none() => end = Some(Err(refused)),
                read = next(&queued, &mut requests), if end.is_none() => match read {
                    Ok(Some((place, request))) => {
                        let line = line((self.partner, self.deadline), &self.vault, request, &mut last);
                        let found = line.asked.as_ref().ok();
                        let found = found.and_then(|asked| self.posting.remembered(asked));
                        match found {
                            // Nothing before it is still looked for, so it keeps its order.
                            found @ Some(_) if resolving.is_empty() => {
                                self.queue(place, line, found.map(Ok)).await;
                            }
                            found => resolving.push_back(async move {
                                let resolved = self.resolve(&line, found).await;
                                (place, line, resolved)
                            }),
                        }
                    }
                    Ok(None) => end = Some(Ok(())),
                    Err(refused) => end = Some(Err(refused)),
                },
                else => return end.unwrap_or(Ok(())),
            }
        }
    }

    /// Finds the member; `None` for a line that needs none.
    async fn resolve(
        &self,
        line: &Line,
        found: Option<Resolved>,
    ) -> Option<Result<Resolved, RpcError>> {
        let asked = line.asked.as_ref().ok()?;
        match found {
            Some(found) => Some(Ok(found)),
            None => Some(self.posting.resolve(asked).await),
        }
    }

    async fn queue(
        &self,
        place: mpsc::Permit<'_, Pending>,
        line: Line,
        resolved: Option<Result<Resolved, RpcError>>,
    ) {
        let answer = match (line.asked, resolved) {
            (Err(refused), _) => Answer::Known(Err(refused.into())),
            (Ok(_), Some(Err(error))) => Answer::Known(Err(error)),
            (Ok(asked), Some(Ok(resolved))) => self.posting.queue(asked, resolved).await,
            (Ok(_), None) => Answer::Known(Err(RpcError::fault("a line was not resolved"))),
        };
        place.send(Pending { name: line.name, deadline: line.deadline, answer });
    }
}

/// Reads a line of a partner's, which may take so long.
fn line(
    (partner, within): (PartnerId, Duration),
    vault: &Vault,
    request: EarnStreamRequest,
    last: &mut i64,
) -> Line {
    let deadline = Deadline(Instant::now() + within);
    let mut request_id = String::new();
    let mut violations = Violations::default();
    if request.sequence <= *last {
        violations.add("sequence", format!("has to be more than {last}"));
    }
    *last = request.sequence.max(*last);
    let asked = violations.required("earn", request.earn).map(|earn| {
        let asked = submission(partner, &earn, (deadline, vault));
        // Copied, so that a line that waits keeps no more of the message than that.
        request_id = earn.request_id.chars().take(ECHOED_CHARACTERS).collect();
        asked.map_err(|refused| refused.inside("earn"))
    });
    let asked = match asked {
        Some(Ok(asked)) if violations.is_empty() => Ok(asked),
        Some(Err(refused)) => Err(violations.and(refused)),
        _ => Err(violations.refused()),
    };
    Line { name: Name { sequence: request.sequence, request_id }, deadline, asked }
}

/// The next line, and a place for it; `None` at the end. What is no message at all ends the stream:
/// nobody knows where the next one begins.
async fn next<'a>(
    queued: &'a mpsc::Sender<Pending>,
    requests: &mut Streaming<EarnStreamRequest>,
) -> Result<Option<(mpsc::Permit<'a, Pending>, EarnStreamRequest)>, Refused> {
    let Ok(place) = queued.reserve().await else { return Ok(None) };
    let read = requests.message().await.map_err(|_| {
        let message = "a message of the stream is unreadable, or too long";
        Refused::new(ErrorReason::Malformed, message)
    });
    Ok(read?.map(|request| (place, request)))
}

/// Answers lines in their order, each after its commit.
async fn answer(
    mut unanswered: mpsc::Receiver<Pending>,
    outbox: &Outbox<EarnStreamResponse>,
) -> Result<(), Stalled> {
    while let Some(Pending { name, deadline, answer }) = unanswered.recv().await {
        let posted = tokio::time::timeout_at(deadline.0, answer.posted()).await;
        let posted = posted.unwrap_or_else(|_| Err(Refused::deadline_passed().into()));
        let outcome = match posted.and_then(|posted| earned(&posted)) {
            Ok(earned) => Outcome::Earned(earned),
            Err(error) => Outcome::Refusal(error.into()),
        };
        let Name { sequence, request_id } = name;
        outbox.send(EarnStreamResponse { sequence, request_id, outcome: Some(outcome) }).await?;
    }
    Ok(())
}

fn earned(posted: &Posted) -> Result<EarnResponse, RpcError> {
    let mut response =
        EarnResponse::decode(posted.answer.as_slice()).map_err(RpcError::internal)?;
    if posted.replayed {
        response.set_replayed();
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use entente_api::{points::EarnRequest, types::Money};

    use super::*;

    /// A string in a buffer that is far too large for it.
    fn roomy(text: &str) -> String {
        let mut string = String::with_capacity(1 << 20);
        string.push_str(text);
        string
    }

    #[tokio::test]
    async fn a_line_that_waits_keeps_no_more_of_its_message_than_it_echoes() {
        let good = "7d0c1e1c-6f0b-4d1b-9c59-0d3b1f6f7a10";
        let vault = Vault::new(&[7; 32]);
        for (sent, echoed) in [(good, good), (&"\u{20ac}".repeat(9_000), &"\u{20ac}".repeat(64))] {
            let earn = EarnRequest {
                request_id: roomy(sent),
                member_reference: roomy("guest"),
                spend: Some(Money { currency: roomy("EUR"), micros: 1_000_000 }),
                category: roomy("stay"),
                receipt_reference: roomy("receipt"),
                ..EarnRequest::default()
            };
            let request = EarnStreamRequest { sequence: 1, earn: Some(earn) };
            let read = line((PartnerId(1), Duration::from_secs(5)), &vault, request, &mut 0);
            assert_eq!(read.name.request_id, echoed);
            assert!(read.name.request_id.capacity() <= 4 * ECHOED_CHARACTERS);
            assert_eq!(read.asked.is_ok(), sent == good);
            if let Ok(asked) = read.asked {
                assert!(asked.receipt_reference.capacity() < 64, "the receipt's buffer");
            }
        }
    }
}
