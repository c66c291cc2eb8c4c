//! Tables as bytes: in order of their keys, by COPY, with their digest.

use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use futures::TryStreamExt;
use sqlx::PgConnection;
use tokio::{
    fs::File,
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, BufWriter},
};

use super::{NotArchived, refused, standing::ArchivedTable};
use crate::StoreError;

/// What is read from a file at a time.
const CHUNK_BYTES: usize = 256 * 1024;
/// No header is longer.
const MOST_HEADER_BYTES: usize = 8 * 1024;

/// Where bytes go.
#[derive(Debug)]
pub enum Sink<'a> {
    /// Nowhere: they are counted, and their digest is taken.
    Nowhere,
    /// Into a file, which is there only once it is whole.
    File(&'a Path),
}

/// What was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// How many bytes.
    pub byte_count: i64,
    /// Their digest.
    pub sha256: Vec<u8>,
}

impl Copied {
    /// Whether it is what a table's file has to be.
    #[must_use]
    pub fn is(&self, table: &ArchivedTable) -> bool {
        self.byte_count == table.byte_count && self.sha256 == table.sha256
    }
}

/// Counts bytes and takes their digest.
struct Measure {
    digest: Context,
    byte_count: i64,
}

impl Measure {
    fn new() -> Self {
        Self { digest: Context::new(&SHA256), byte_count: 0 }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.digest.update(bytes);
        self.byte_count =
            self.byte_count.saturating_add(i64::try_from(bytes.len()).unwrap_or(i64::MAX));
    }

    fn copied(self) -> Copied {
        Copied { byte_count: self.byte_count, sha256: self.digest.finish().as_ref().to_vec() }
    }
}

/// Copies a table of a month out.
pub(super) async fn out(
    connection: &mut PgConnection,
    (parent, table): (&str, &str),
    sink: Sink<'_>,
) -> Result<Copied, NotArchived> {
    let columns = columns(connection, table).await?.join(", ");
    let key = if parent == "operations" { "cell, seq" } else { "cell, seq, ordinal" };
    let statement = format!(
        "COPY (SELECT {columns} FROM {table} ORDER BY {key}) TO STDOUT (FORMAT csv, HEADER)"
    );
    let mut measure = Measure::new();
    let mut rows = connection.copy_out_raw(&statement).await?;
    match sink {
        Sink::Nowhere => {
            while let Some(bytes) = rows.try_next().await? {
                measure.take(&bytes);
            }
        }
        Sink::File(path) => {
            let unfinished = unfinished(path);
            let failed = |error| failed(&unfinished, error);
            let mut file = BufWriter::new(File::create(&unfinished).await.map_err(failed)?);
            while let Some(bytes) = rows.try_next().await? {
                measure.take(&bytes);
                file.write_all(&bytes).await.map_err(failed)?;
            }
            file.flush().await.map_err(failed)?;
            file.get_ref().sync_all().await.map_err(failed)?;
        }
    }
    Ok(measure.copied())
}

/// Gives a file that is whole its name, for good.
pub(super) async fn finish(path: &Path) -> Result<(), NotArchived> {
    let failed = |error| failed(path, error);
    tokio::fs::rename(unfinished(path), path).await.map_err(failed)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let folder = File::open(folder).await.map_err(failed)?;
    folder.sync_all().await.map_err(failed)
}

/// The digest of a file; `None` where there is none.
pub(super) async fn of_file(path: &Path) -> Result<Option<Copied>, NotArchived> {
    let mut file = match File::open(path).await {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(path, error)),
    };
    let (mut measure, mut chunk) = (Measure::new(), vec![0; CHUNK_BYTES]);
    loop {
        let read = file.read(&mut chunk).await.map_err(|error| failed(path, error))?;
        if read == 0 {
            return Ok(Some(measure.copied()));
        }
        measure.take(&chunk[..read]);
    }
}

/// Copies a file into a table, and says how many rows it has.
pub(super) async fn into(
    connection: &mut PgConnection,
    table: &str,
    path: &Path,
) -> Result<(Copied, u64), NotArchived> {
    let failed = |error| failed(path, error);
    let mut file = BufReader::new(File::open(path).await.map_err(failed)?);
    let mut header = Vec::new();
    let most = u64::try_from(MOST_HEADER_BYTES).unwrap_or(u64::MAX);
    (&mut file).take(most).read_until(b'\n', &mut header).await.map_err(failed)?;
    let columns = named(&header)
        .ok_or_else(|| refused(format!("{}: the first line names no columns", path.display())))?;
    let mut measure = Measure::new();
    measure.take(&header);
    let statement = format!("COPY {table} ({columns}) FROM STDIN (FORMAT csv)");
    let mut rows = connection.copy_in_raw(&statement).await?;
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match file.read(&mut chunk).await {
            Ok(0) => break,
            Ok(read) => {
                measure.take(&chunk[..read]);
                rows.send(&chunk[..read]).await?;
            }
            Err(error) => {
                rows.abort("the file cannot be read").await?;
                return Err(failed(error));
            }
        }
    }
    let row_count = rows.finish().await?;
    Ok((measure.copied(), row_count))
}

/// The columns that a header names: nothing but names of columns.
fn named(header: &[u8]) -> Option<String> {
    let header = std::str::from_utf8(header).ok()?.strip_suffix('\n')?;
    let plain =
        |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    header.split(',').all(plain).then(|| header.replace(',', ", "))
}

async fn columns(connection: &mut PgConnection, table: &str) -> Result<Vec<String>, StoreError> {
    let columns = sqlx::query_scalar!(
        r#"SELECT attname::text AS "name!" FROM pg_attribute
           WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped
           ORDER BY attname"#,
        table
    );
    Ok(columns.fetch_all(connection).await?)
}

fn unfinished(path: &Path) -> PathBuf {
    path.with_extension("csv.part")
}

fn failed(path: &Path, error: std::io::Error) -> NotArchived {
    NotArchived::File { path: path.display().to_string(), error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_names_columns_and_nothing_else() {
        assert_eq!(named(b"cell,posted_at\n").as_deref(), Some("cell, posted_at"));
        for bad in
            [&b"cell"[..], b"", b"\n", b"cell,,seq\n", b"cell) FROM x; --\n", b"Cell\n", b"\xff\n"]
        {
            assert_eq!(named(bad), None, "{bad:?}");
        }
    }
}
