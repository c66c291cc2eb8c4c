//! The server's configuration: written at every start, so that it is always that of this version.

use std::{
    fmt::Write,
    fs::{self, OpenOptions},
    io::Write as _,
    path::Path,
};

use crate::{
    error::{At, Error},
    options::Options,
    place::Place,
    state,
};

/// Loopback alone, with a password; for a small machine that shares its memory with a hub.
const SETTINGS: &str = "\
# Written at every start by entente-embedded; changes made here are lost.
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 100
password_encryption = 'scram-sha-256'
shared_buffers = '256MB'
max_locks_per_transaction = 256
wal_compression = on
max_wal_size = '4GB'
checkpoint_timeout = '15min'
checkpoint_completion_target = 0.9
idle_in_transaction_session_timeout = '60s'
timezone = 'UTC'
log_timezone = 'UTC'
logging_collector = on
log_filename = 'postgresql-%a.log'
log_file_mode = 0600
log_rotation_age = '1d'
log_rotation_size = 0
log_truncate_on_rotation = on
log_line_prefix = '%m [%p] %q%u@%d '
log_checkpoints = on
log_lock_waits = on
";

const DURABLE: &str = "fsync = on\nsynchronous_commit = on\nfull_page_writes = on\n";
const THROWAWAY: &str = "\
fsync = off
synchronous_commit = off
full_page_writes = off
shared_buffers = '64MB'
";

const HBA: &str = "# type database user address method\nhost all all 127.0.0.1/32 scram-sha-256\n";

/// Makes the cluster's own configuration file read ours; done once.
pub(crate) fn include(data: &Path) -> Result<(), Error> {
    let path = data.join("postgresql.conf");
    let append = || {
        let mut file = OpenOptions::new().append(true).open(&path)?;
        file.write_all(b"\ninclude '../server.conf'\n")?;
        file.sync_all()
    };
    append().at("write", &path)
}

/// Writes our configuration for the next start.
pub(crate) fn write(place: &Place, options: &Options, port: u16) -> Result<(), Error> {
    let hba = place.home.join("hba.conf");
    state::replace(&hba, HBA.as_bytes(), 0o644)?;
    let text = text(place, &hba, options, port);
    state::replace(&place.home.join("server.conf"), text.as_bytes(), 0o644)
}

fn text(place: &Place, hba: &Path, options: &Options, port: u16) -> String {
    let mut text = SETTINGS.to_owned();
    text += if options.durable { DURABLE } else { THROWAWAY };
    let paths = [("hba_file", hba), ("log_directory", &place.log)]
        .map(|(name, path)| (name.to_owned(), path.to_string_lossy().into_owned()));
    let port = ("port".to_owned(), port.to_string());
    let chosen = options.settings.clone().into_iter();
    for (name, value) in paths.into_iter().chain([port]).chain(chosen) {
        // Infallible: a String takes every write.
        let _ = writeln!(text, "{name} = '{}'", quoted(&value));
    }
    text
}

/// A value between single quotes of `postgresql.conf`, which knows backslash escapes and ends at a line's end.
fn quoted(value: &str) -> String {
    value.replace('\\', "\\\\").replace('\'', "''").replace('\n', "\\n")
}

/// The newest of the server's own log, for messages.
pub(crate) fn log(place: &Place) -> String {
    let newest = fs::read_dir(&place.log)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .max();
    let text = newest.and_then(|(_, path)| fs::read(path).ok());
    crate::command::tail(&String::from_utf8_lossy(&text.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(options: &Options) -> String {
        let place = Place::find(Path::new("/nowhere"));
        text(&place, Path::new("/nowhere/it's.conf"), options, 6000)
    }

    #[test]
    fn a_database_is_durable_and_on_loopback_alone() {
        let text = of(&Options::new("/nowhere"));
        for line in [
            "fsync = on",
            "synchronous_commit = on",
            "full_page_writes = on",
            "listen_addresses = '127.0.0.1'",
            "port = '6000'",
            "hba_file = '/nowhere/it''s.conf'",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(!text.contains("= off\nsync"), "{text}");
    }

    #[test]
    fn a_setting_wins_but_cannot_open_the_server_to_others() {
        let options = Options::new("/nowhere").setting("work_mem", "8MB");
        assert!(of(&options.expect("a plain name")).ends_with("work_mem = '8MB'\n"));
        for name in ["listen_addresses", "hba_file", "port", "a b", "", "a\nb"] {
            assert!(Options::new("/nowhere").setting(name, "*").is_err(), "{name:?}");
        }
    }
}
