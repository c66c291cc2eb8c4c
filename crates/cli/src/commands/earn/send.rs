//! From a file to the hub and back: one thread reads, one task sends, and outcomes are told in the
//! order of the file.

use anyhow::Context as _;
use entente_client::{Client, EarnOutcomes, Error, Resume};
use tokio::sync::mpsc;

use super::lines::{Purchase, Purchases};
use super::outcome::Tally;
use crate::demo::progress::Progress;
use crate::output::Format;

/// Lines between the file and the hub, and lines without an outcome, beyond those of the stream.
const WAITING: usize = 1_024;

/// A line that was sent, or that cannot be.
struct Told {
    line: u64,
    bytes: u64,
    bad: Option<&'static str>,
}

/// Sends every purchase and tells every outcome.
pub(super) async fn all(
    client: &Client,
    purchases: Purchases,
    tally: &mut Tally,
    output: Format,
) -> anyhow::Result<()> {
    let length = usize::try_from(purchases.length()).unwrap_or(usize::MAX);
    let bar = Progress::new(output).bytes("earn", length);
    let (mut sink, mut outcomes) = client.earn_stream(Resume::default());
    let (read, mut to_send) = mpsc::channel(WAITING);
    let reading = tokio::task::spawn_blocking(move || read_all(purchases, &read));
    let (told, mut to_tell) = mpsc::channel(WAITING);
    let sending = tokio::spawn(async move {
        while let Some(Purchase { line, bytes, request }) = to_send.recv().await {
            let bad = match request {
                Ok(request) => match sink.send(request).await {
                    Ok(_) => None,
                    // Its outcomes say why.
                    Err(_) => return,
                },
                Err(bad) => Some(bad),
            };
            if told.send(Told { line, bytes, bad }).await.is_err() {
                return;
            }
        }
    });
    let telling = tell_all(&mut to_tell, &mut outcomes, tally, |bytes| bar.set_position(bytes));
    let ended = telling.await;
    bar.finish_and_clear();
    // A stream that was given up leaves nobody to read for.
    drop((to_tell, outcomes));
    sending.await?;
    let read = reading.await?;
    ended?;
    read.context("the file cannot be read to its end")
}

fn read_all(mut purchases: Purchases, read: &mpsc::Sender<Purchase>) -> std::io::Result<()> {
    while let Some(purchase) = purchases.next()? {
        if read.blocking_send(purchase).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

async fn tell_all(
    lines: &mut mpsc::Receiver<Told>,
    outcomes: &mut EarnOutcomes,
    tally: &mut Tally,
    read: impl Fn(u64),
) -> anyhow::Result<()> {
    loop {
        // The stream may be given up while no line is told, since none can be sent.
        let Some(Told { line, bytes, bad }) = lines.recv().await else { break };
        match bad {
            Some(bad) => tally.unreadable(line, bad)?,
            None => match outcomes.next().await? {
                Some(outcome) => tally.outcome(line, outcome)?,
                None => break,
            },
        }
        read(bytes);
    }
    match outcomes.next().await {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::into(error)),
    }
}
