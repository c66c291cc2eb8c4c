//! Files read again: what is good is put in force, and what is bad stops its owner alone.

use std::fs;
use std::path::PathBuf;

use entente_identity::pki::{DomainDirectory, LIST_DAYS, Overwrite, Reason, Which};
use entente_identity::trust::{Expiry, Outcome, Owner, Trust};
use entente_identity::{EntenteClientVerifier, Identity, Kind, pem::read_certificates};
use jiff::{SignedDuration, Timestamp};
use rustls_pki_types::UnixTime;
use tempfile::TempDir;

const CODES: [&str; 3] = ["green-grocer", "harbor-hotels", "rover-rides"];

struct Files {
    directory: DomainDirectory,
    trust: Trust,
    now: Timestamp,
    _folder: TempDir,
}

fn morning() -> Timestamp {
    "2026-03-02T08:00:00Z".parse().expect("a good time")
}

fn partner(code: &str) -> Identity {
    Identity::Partner(code.parse().expect("a good code"))
}

fn harbor() -> Owner {
    Owner::Partner("harbor-hotels".parse().expect("a good code"))
}

fn rover() -> Owner {
    Owner::Partner("rover-rides".parse().expect("a good code"))
}

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let trust_domain = "entente.example".parse().expect("a good trust domain");
        let now = morning();
        let made =
            DomainDirectory::init(folder.path(), trust_domain, &["hub"], now, Overwrite::Refuse);
        let directory = made.expect("a trust domain");
        for code in CODES {
            let name = code.parse().expect("a good code");
            directory.make_partner_ca(&name, now, Overwrite::Refuse).expect("a CA");
            directory.issue(&partner(code), None, now, Overwrite::Refuse).expect("a leaf");
        }
        let trust = Trust::nobody(directory.trust_domain().clone());
        Self { directory, trust, now, _folder: folder }
    }

    /// Reads the files; what became of those that are not as before.
    fn load(&mut self) -> Vec<(Owner, Outcome)> {
        let read = self.directory.read_roots(&self.trust).expect("a folder");
        let (trust, outcomes) = self.trust.after(read, self.now);
        self.trust = trust;
        outcomes.into_iter().filter(|(_, outcome)| *outcome != Outcome::Same).collect()
    }

    /// The partners whose present certificate is admitted.
    fn admitted(&self) -> Vec<&'static str> {
        let roots = self.trust.identity_roots(self.now).expect("they fit together");
        let verifier = EntenteClientVerifier::new(roots, [Kind::Partner]);
        let second = u64::try_from(self.now.as_second()).expect("after 1970");
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(second));
        let admits = |code: &&str| {
            let chain = read_certificates(&self.directory.certificate(&partner(code)));
            verifier.still_admits(&chain.expect("a leaf"), now).is_ok()
        };
        CODES.into_iter().filter(admits).collect()
    }

    fn ca(&self, code: &str) -> PathBuf {
        self.directory.ca_certificate(&partner(code))
    }

    fn crl(&self, code: &str) -> PathBuf {
        self.directory.crl(&partner(code))
    }

    fn list(&self, code: &str) {
        self.directory.renew_lists(&partner(code), self.now).expect("a list");
    }
}

fn problem(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Kept { problem } | Outcome::LeftOut { problem } => problem,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_good_is_put_in_force_once() {
    let mut files = Files::new();
    assert_eq!(files.load().len(), 4, "the operators and three partners");
    assert_eq!(files.admitted(), CODES);
    assert_eq!(files.load(), [], "nothing has changed");
    files
        .directory
        .revoke(&partner("rover-rides"), Which::Current, Reason::default(), files.now)
        .expect("revoked");
    assert_eq!(files.load(), [(rover(), Outcome::Loaded { revoked: 1 })]);
    assert_eq!(files.admitted(), ["green-grocer", "harbor-hotels"]);
    files.directory.change_authority(&partner("rover-rides"), files.now).expect("changed");
    files.directory.renew(&partner("rover-rides"), None, None, files.now).expect("renewed");
    assert_eq!(files.load(), [(rover(), Outcome::Loaded { revoked: 0 })]);
    assert_eq!(files.admitted(), CODES);
}

/// What is done to Harbor's files, and a part of what is said of it.
type Damage = (&'static str, fn(&Files), &'static str);

const DAMAGES: [Damage; 12] = [
    (
        "garbage",
        |files| fs::write(files.ca("harbor-hotels"), "garbage").expect("done"),
        "it holds no certificate",
    ),
    (
        "empty",
        |files| fs::write(files.ca("harbor-hotels"), "").expect("done"),
        "it holds no certificate",
    ),
    (
        "half",
        |files| {
            let text = fs::read_to_string(files.ca("harbor-hotels")).expect("done");
            fs::write(files.ca("harbor-hotels"), &text[..text.len() / 2]).expect("done");
        },
        "not well-formed PEM",
    ),
    (
        "no CA",
        |files| {
            fs::copy(
                files.directory.certificate(&partner("harbor-hotels")),
                files.ca("harbor-hotels"),
            )
            .expect("done");
        },
        "is not a CA certificate",
    ),
    ("missing", |files| fs::remove_file(files.ca("harbor-hotels")).expect("done"), "ca.pem"),
    (
        "another partner's CA",
        |files| {
            fs::copy(files.ca("rover-rides"), files.ca("harbor-hotels")).expect("done");
            fs::remove_file(files.crl("harbor-hotels")).expect("done");
        },
        "partner/rover-rides has pinned already",
    ),
    (
        "another partner's CA beside its own",
        |files| {
            let both = fs::read_to_string(files.ca("harbor-hotels")).expect("done")
                + &fs::read_to_string(files.ca("green-grocer")).expect("done");
            fs::write(files.ca("harbor-hotels"), both).expect("done");
            files.list("green-grocer");
            let lists = fs::read_to_string(files.crl("harbor-hotels")).expect("done")
                + &fs::read_to_string(files.crl("green-grocer")).expect("done");
            fs::write(files.crl("harbor-hotels"), lists).expect("done");
            fs::remove_file(files.crl("green-grocer")).expect("done");
        },
        "partner/green-grocer has pinned already",
    ),
    (
        "a list of garbage",
        |files| {
            fs::write(files.crl("harbor-hotels"), "-----BEGIN X509 CRL-----\nAAAA").expect("done");
        },
        "not well-formed PEM",
    ),
    (
        "another's list",
        |files| {
            files.list("rover-rides");
            fs::rename(files.crl("rover-rides"), files.crl("harbor-hotels")).expect("done");
        },
        "none of them is of a root that is pinned",
    ),
    (
        "no list any more",
        |files| fs::remove_file(files.crl("harbor-hotels")).expect("done"),
        "list is gone",
    ),
    (
        "an empty file of lists",
        |files| fs::write(files.crl("harbor-hotels"), "").expect("done"),
        "list is gone",
    ),
    (
        "an expired list",
        |files| {
            let long_ago = files.now - SignedDuration::from_hours(24 * (i64::from(LIST_DAYS) + 1));
            fs::remove_file(files.crl("harbor-hotels")).expect("done");
            files.directory.renew_lists(&partner("harbor-hotels"), long_ago).expect("done");
        },
        "not in date",
    ),
];

#[test]
fn a_bad_file_stops_its_owner_alone_who_keeps_what_it_had() {
    for (name, damage, said) in DAMAGES {
        let mut files = Files::new();
        files.list("harbor-hotels");
        files.load();
        damage(&files);
        let outcomes = files.load();
        assert_eq!(outcomes.len(), 1, "{name}: {outcomes:?}");
        let (owner, outcome) = &outcomes[0];
        assert_eq!(*owner, harbor(), "{name}");
        assert!(matches!(outcome, Outcome::Kept { .. }), "{name}: {outcome:?}");
        assert!(problem(outcome).contains(said), "{name}: {outcome:?}");
        assert_eq!(files.admitted(), CODES, "{name}");

        // A hub that starts now has nothing to keep.
        files.trust = Trust::nobody(files.directory.trust_domain().clone());
        let started = files.load();
        let bad: Vec<_> = started
            .iter()
            .filter(|(_, outcome)| matches!(outcome, Outcome::LeftOut { .. }))
            .map(|(owner, _)| owner.to_string())
            .collect();
        let (out, admitted): (&[&str], &[&str]) = match name {
            "missing" => (&[], &["green-grocer", "rover-rides"]),
            // Nobody knows whose it is.
            "another partner's CA" => {
                (&["partner/harbor-hotels", "partner/rover-rides"], &["green-grocer"])
            }
            "another partner's CA beside its own" => {
                (&["partner/green-grocer", "partner/harbor-hotels"], &["rover-rides"])
            }
            "no list any more" | "an empty file of lists" => (&[], &CODES),
            _ => (&["partner/harbor-hotels"], &["green-grocer", "rover-rides"]),
        };
        assert_eq!(bad, out, "{name}");
        assert_eq!(files.admitted(), admitted, "{name}");
    }
}

#[test]
fn an_older_list_does_not_bring_back_what_was_revoked() {
    let mut files = Files::new();
    files.list("harbor-hotels");
    let empty = fs::read(files.crl("harbor-hotels")).expect("done");
    files
        .directory
        .revoke(&partner("harbor-hotels"), Which::Current, Reason::default(), files.now)
        .expect("done");
    files.load();
    assert_eq!(files.admitted(), ["green-grocer", "rover-rides"]);
    fs::write(files.crl("harbor-hotels"), empty).expect("done");
    let outcomes = files.load();
    assert!(problem(&outcomes[0].1).contains("older than the one in force"), "{outcomes:?}");
    assert_eq!(files.admitted(), ["green-grocer", "rover-rides"]);
}

#[test]
fn what_is_kept_ends_at_its_own_time_for_its_owner_alone() {
    let mut files = Files::new();
    files.list("harbor-hotels");
    files.load();
    fs::write(files.crl("harbor-hotels"), "garbage").expect("done");
    files.load();
    let lists_end = files.now + SignedDuration::from_hours(24 * i64::from(LIST_DAYS));
    let set = files.trust.sets().find(|set| *set.owner() == harbor()).expect("done");
    assert!(set.expiries().any(|end| end == Expiry::Lists(lists_end)));
    files.now = lists_end + SignedDuration::from_secs(1);
    files.load();
    assert_eq!(files.admitted(), ["green-grocer", "rover-rides"]);
    fs::remove_file(files.crl("harbor-hotels")).expect("done");
    files.directory.renew_lists(&partner("harbor-hotels"), files.now).expect("done");
    files.load();
    assert_eq!(files.admitted(), CODES);
    files.now += SignedDuration::from_hours(24 * 365 * 11);
    let outcomes = files.load();
    assert!(outcomes.iter().all(|(_, outcome)| matches!(outcome, Outcome::Kept { .. })));
    assert_eq!(files.trust.identity_roots(files.now).expect("done").partners().count(), 0);
}

#[test]
fn whoever_has_a_key_in_force_keeps_it() {
    let mut files = Files::new();
    files.load();
    // In either order of names.
    for (thief, victim) in [("green-grocer", "rover-rides"), ("rover-rides", "green-grocer")] {
        let own = fs::read(files.ca(thief)).expect("done");
        fs::copy(files.ca(victim), files.ca(thief)).expect("done");
        let outcomes = files.load();
        assert_eq!(outcomes.len(), 1, "{outcomes:?}");
        assert_eq!(outcomes[0].0.to_string(), format!("partner/{thief}"));
        // Meanwhile the victim's own changes are taken.
        files.list(victim);
        let outcomes = files.load();
        let loaded = outcomes.iter().filter(|(_, it)| matches!(it, Outcome::Loaded { .. }));
        assert_eq!(loaded.count(), 1, "{outcomes:?}");
        assert_eq!(files.admitted(), CODES);
        fs::write(files.ca(thief), own).expect("done");
        assert_eq!(files.load(), []);
        fs::remove_file(files.crl(victim)).expect("done");
        files.trust = Trust::nobody(files.directory.trust_domain().clone());
        files.load();
    }
    // Two that change places get neither.
    let (green, rover) = (
        fs::read(files.ca("green-grocer")).expect("done"),
        fs::read(files.ca("rover-rides")).expect("done"),
    );
    fs::write(files.ca("green-grocer"), rover).expect("done");
    fs::write(files.ca("rover-rides"), green).expect("done");
    assert_eq!(files.load().len(), 2);
    assert_eq!(files.admitted(), CODES);
}

#[test]
fn a_partner_without_a_folder_is_gone_and_its_key_is_free() {
    let mut files = Files::new();
    files.load();
    let folder = files.ca("rover-rides").parent().expect("done").to_owned();
    fs::rename(&folder, folder.with_file_name("rover-rides-2")).expect("done");
    let outcomes = files.load();
    assert_eq!(outcomes.len(), 2, "{outcomes:?}");
    assert_eq!(outcomes[0], (rover(), Outcome::Removed));
    assert!(matches!(outcomes[1].1, Outcome::Loaded { .. }));
}
