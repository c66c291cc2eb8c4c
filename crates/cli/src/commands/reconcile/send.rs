//! From a file to the hub, and the report back: one thread reads, one task sends, and what the hub says
//! is gathered here.

use entente_api::settlement::{
    Break, Reconciliation, RecordHeader, RecordLines, UnreadableRow, reconcile_response::Part,
};
use entente_client::{Client, RecordSink};
use indicatif::ProgressBar;
use tokio::sync::mpsc;

use super::layout::Layout;
use super::row;
use super::statement::Operations;
use crate::demo::progress::Progress;
use crate::output::Format;
use crate::records::Records;

/// Rows in a message, below what the hub takes: an operation of a statement may be a few. And messages that wait to be sent.
const CHUNK: usize = 900;
const WAITING: usize = 4;

/// A file whose header was read.
pub(super) struct Opened {
    pub(super) records: Records,
    pub(super) digest: Vec<u8>,
    pub(super) length: u64,
}

/// What the hub answered.
pub(super) struct Answered {
    pub(super) report: Reconciliation,
    pub(super) breaks: Vec<Break>,
}

/// A message's rows, and how much of the file is read with them. The whole file is read when an empty one
/// comes at `u64::MAX`: a file that cannot be read to its end is no record.
type Chunk = (RecordLines, u64);

/// Sends a record, unless the hub has kept its report.
pub(super) async fn all(
    client: &Client,
    header: RecordHeader,
    (opened, layout): (Opened, Layout),
    output: Format,
) -> anyhow::Result<Answered> {
    let length = usize::try_from(opened.length).unwrap_or(usize::MAX);
    let bar = Progress::new(output).bytes("reconcile", length);
    let (sink, mut answers) = client.reconcile(header).await?;
    let mut gathered = Gathered::default();
    let first = answers.next().await?;
    let wanted = matches!(first, Some(Part::Progress(_)));
    gathered.take(first);
    let sending = wanted.then(|| {
        let (read, rows) = mpsc::channel(WAITING);
        let reading = tokio::task::spawn_blocking(move || read_all(opened.records, &layout, &read));
        let bar = bar.clone();
        let sending = tokio::spawn(send_all(sink, rows, bar));
        (reading, sending)
    });
    let told = loop {
        match answers.next().await {
            Ok(None) => break Ok(()),
            Ok(part) => gathered.take(part),
            Err(error) => break Err(error),
        }
    };
    bar.finish_and_clear();
    if let Some((reading, sending)) = sending {
        if told.is_err() {
            sending.abort();
        }
        // What ended the stream is what is told.
        let read = reading.await?;
        told?;
        read?;
        sending.await?;
    } else {
        told?;
    }
    gathered.answered()
}

#[derive(Default)]
struct Gathered {
    report: Option<Reconciliation>,
    breaks: Vec<Break>,
}

impl Gathered {
    fn take(&mut self, part: Option<Part>) {
        match part {
            Some(Part::Report(report)) => self.report = Some(report),
            Some(Part::Breaks(found)) => self.breaks.extend(found.breaks),
            Some(Part::Progress(_)) | None => {}
        }
    }

    fn answered(self) -> anyhow::Result<Answered> {
        let report = self.report.ok_or_else(|| anyhow::anyhow!("the hub answered no report"))?;
        Ok(Answered { report, breaks: self.breaks })
    }
}

/// Reads rows into messages. Where nobody takes them any more, the answers say why.
fn read_all(
    mut records: Records,
    layout: &Layout,
    read: &mpsc::Sender<Chunk>,
) -> std::io::Result<()> {
    let mut lines = RecordLines::default();
    let mut bytes = 0;
    let mut operations = layout.statement.then(Operations::default);
    while let Some(record) = records.next()? {
        bytes = record.bytes;
        let line = match &record.text {
            Ok(text) => row::line(text, layout, record.line),
            Err(bad) => Err(*bad),
        };
        match line {
            Ok(None) => {}
            Ok(Some(line)) => match &mut operations {
                Some(operations) => lines.lines.extend(operations.take(line)),
                None => lines.lines.push(line),
            },
            Err(bad) => {
                let row = i64::try_from(record.line).unwrap_or(i64::MAX);
                let reason = record.why(bad).to_owned();
                lines.unreadable.push(UnreadableRow { row, reason });
            }
        }
        if lines.lines.len().max(lines.unreadable.len()) >= CHUNK
            && read.blocking_send((std::mem::take(&mut lines), bytes)).is_err()
        {
            return Ok(());
        }
    }
    lines.lines.extend(operations.map(|mut last| last.finish()).unwrap_or_default());
    // Whoever does not take them has said why.
    let _ = read.blocking_send((lines, bytes));
    let _ = read.blocking_send((RecordLines::default(), u64::MAX));
    Ok(())
}

async fn send_all(mut sink: RecordSink, mut rows: mpsc::Receiver<Chunk>, bar: ProgressBar) {
    while let Some((lines, bytes)) = rows.recv().await {
        if bytes == u64::MAX {
            // Where the stream has ended, the answers say why.
            let _ = sink.end().await;
            return;
        }
        if sink.send(lines).await.is_err() {
            return;
        }
        bar.set_position(bytes);
    }
}
