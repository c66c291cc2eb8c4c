//! What happens to certificates after they were made: renewed, revoked, listed, their CA changed.

use std::fs;

use entente_identity::pem::{read_certificates, read_crls};
use entente_identity::pki::{
    DomainDirectory, LIST_DAYS, Overwrite, PkiError, Reason, State, Which,
};
use entente_identity::{
    Credentials, EntenteClientVerifier, Identity, Kind, client_config, server_config,
};
use jiff::{SignedDuration, Timestamp};
use rustls::CertificateError::Revoked;
use rustls::Error::InvalidCertificate;
use rustls::server::danger::ClientCertVerifier as _;
use rustls_pki_types::{CertificateDer, UnixTime};
use tempfile::TempDir;

fn morning() -> Timestamp {
    "2026-03-02T08:00:00Z".parse().expect("a good time")
}

fn harbor() -> Identity {
    Identity::Partner("harbor-hotels".parse().expect("a good code"))
}

fn amelia() -> Identity {
    Identity::Operator("amelia".parse().expect("a good name"))
}

fn domain() -> (TempDir, DomainDirectory) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let trust_domain = "entente.example".parse().expect("a good trust domain");
    let (now, hosts) = (morning(), ["localhost", "127.0.0.1", "::1"]);
    let made = DomainDirectory::init(folder.path(), trust_domain, &hosts, now, Overwrite::Refuse);
    let directory = made.expect("a trust domain");
    let code = "harbor-hotels".parse().expect("a good code");
    directory.make_partner_ca(&code, now, Overwrite::Refuse).expect("a CA");
    for identity in [harbor(), amelia()] {
        directory.issue(&identity, None, now, Overwrite::Refuse).expect("a leaf");
    }
    (folder, directory)
}

fn leaf(path: &std::path::Path) -> CertificateDer<'static> {
    read_certificates(path).expect("a certificate").swap_remove(0)
}

/// Whether a hub on the folder admits a certificate.
fn admits(
    directory: &DomainDirectory,
    leaf: &CertificateDer<'_>,
    at: Timestamp,
) -> Result<(), String> {
    let roots = directory.identity_roots().expect("good roots");
    let verifier = EntenteClientVerifier::new(roots, [Kind::Partner, Kind::Operator]);
    let second = u64::try_from(at.as_second()).expect("after 1970");
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(second));
    verifier.verify_client_cert(leaf, &[], now).map(drop).map_err(|error| match error {
        InvalidCertificate(Revoked) => "revoked".to_owned(),
        other => format!("{other:?}"),
    })
}

#[test]
fn a_renewed_certificate_and_the_one_before_are_good_until_that_is_revoked() {
    let (_folder, directory) = domain();
    for identity in [harbor(), amelia()] {
        let first = leaf(&directory.certificate(&identity));
        let renewed = directory.renew(&identity, None, Some(30), morning()).expect("renewed");
        assert!(renewed.new_key);
        let second = leaf(&renewed.certificate);
        assert_eq!(leaf(&renewed.before), first);
        let (certificate, key) = (&renewed.certificate, directory.key(&identity));
        let credentials = Credentials::from_pem_files(certificate, &key).expect("files");
        let root = leaf(&directory.ca_certificate(&Identity::Hub));
        client_config(&[root], &credentials).expect("the key fits");
        assert_eq!(admits(&directory, &first, morning()), Ok(()));
        assert_eq!(admits(&directory, &second, morning()), Ok(()));

        let revoked = directory.revoke(&identity, Which::Before, Reason::Superseded, morning());
        assert!(!revoked.expect("revoked").already);
        assert_eq!(admits(&directory, &first, morning()), Err("revoked".to_owned()));
        assert_eq!(admits(&directory, &second, morning()), Ok(()));
    }
}

#[test]
fn what_is_revoked_stays_revoked_however_it_was_named() {
    let (_folder, directory) = domain();
    let mut revoked = Vec::new();
    for n in 0..4 {
        let current = leaf(&directory.certificate(&harbor()));
        directory.renew(&harbor(), None, None, morning()).expect("renewed");
        let listed = directory.list(morning()).expect("a list");
        let before = listed.iter().find(|one| one.subject == "partner/harbor-hotels before");
        let serial = before.expect("the one before is listed").serial.clone();
        let bytes: Vec<u8> = (0..serial.len() / 2)
            .map(|at| u8::from_str_radix(&serial[2 * at..2 * at + 2], 16).expect("hexadecimal"))
            .collect();
        let which = match n % 3 {
            0 => Which::Before,
            1 => Which::Given(&current),
            _ => Which::Serial(&bytes),
        };
        let done = directory.revoke(&harbor(), which, Reason::KeyCompromise, morning());
        assert_eq!(done.expect("revoked").serial, serial);
        revoked.push(current);
        for old in &revoked {
            assert_eq!(admits(&directory, old, morning()), Err("revoked".to_owned()));
        }
    }
    let again =
        directory.revoke(&harbor(), Which::Given(&revoked[0]), Reason::default(), morning());
    assert!(again.expect("revoked").already);
    let current = leaf(&directory.certificate(&harbor()));
    assert_eq!(admits(&directory, &current, morning()), Ok(()));
    let listed = directory.list(morning()).expect("a list");
    let list = listed.iter().find(|one| one.subject.contains("CRL")).expect("a list");
    assert_eq!(
        (list.subject.as_str(), list.serial.as_str()),
        ("partner/harbor-hotels CRL, 4 revoked", "5")
    );
    assert_eq!(list.days_left, i64::from(LIST_DAYS));
}

#[test]
fn nobody_is_revoked_by_mistake() {
    let (_folder, directory) = domain();
    directory
        .issue(
            &Identity::Operator("bertram".parse().expect("a name")),
            None,
            morning(),
            Overwrite::Refuse,
        )
        .expect("a leaf");
    let bertram = Identity::Operator("bertram".parse().expect("a name"));
    let (hers, his) =
        (leaf(&directory.certificate(&amelia())), leaf(&directory.certificate(&harbor())));
    for (identity, other) in
        [(&bertram, &hers), (&amelia(), &his), (&harbor(), &hers), (&Identity::Hub, &his)]
    {
        let refused = directory.revoke(identity, Which::Given(other), Reason::default(), morning());
        assert!(matches!(refused, Err(PkiError::NotSignedHere { .. })), "{identity}: {refused:?}");
        assert!(!directory.crl(identity).exists());
    }
    for serial in [&[][..], &[0, 0], &[1; 21]] {
        let refused =
            directory.revoke(&harbor(), Which::Serial(serial), Reason::default(), morning());
        assert!(matches!(refused, Err(PkiError::Serial)), "{refused:?}");
    }
    let missing = directory.revoke(&harbor(), Which::Before, Reason::default(), morning());
    assert!(missing.expect_err("never renewed").to_string().contains("client.old.pem"));
}

#[test]
fn a_list_is_made_anew_under_the_next_number_and_loses_nothing() {
    let (_folder, directory) = domain();
    directory.renew_lists(&harbor(), morning()).expect("an empty list");
    let current = leaf(&directory.certificate(&harbor()));
    assert_eq!(admits(&directory, &current, morning()), Ok(()));
    directory.revoke(&harbor(), Which::Current, Reason::default(), morning()).expect("revoked");
    let late = morning() + SignedDuration::from_hours(24 * i64::from(LIST_DAYS) + 1);
    let expired = directory.list(late).expect("a list");
    assert!(expired.iter().any(|one| one.subject.contains("CRL") && one.state == State::Expired));
    assert!(admits(&directory, &current, late).is_err());
    directory.renew_lists(&harbor(), late).expect("a list");
    assert_eq!(admits(&directory, &current, late), Err("revoked".to_owned()));
    let listed = directory.list(late).expect("a list");
    let states: Vec<_> = listed
        .iter()
        .filter(|one| one.subject.starts_with("partner/"))
        .map(|one| one.state)
        .collect();
    assert_eq!(states, [State::Valid, State::Valid, State::Revoked]);
}

#[test]
fn revocations_at_the_same_time_lose_none() {
    let (_folder, directory) = domain();
    let operators: Vec<Identity> = (0..8)
        .map(|n| Identity::Operator(format!("operator-{n}").parse().expect("a name")))
        .collect();
    for operator in &operators {
        directory.issue(operator, None, morning(), Overwrite::Refuse).expect("a leaf");
    }
    std::thread::scope(|scope| {
        for operator in &operators {
            let directory = &directory;
            scope.spawn(move || {
                directory
                    .revoke(operator, Which::Current, Reason::default(), morning())
                    .expect("revoked")
            });
        }
    });
    for operator in &operators {
        let leaf = leaf(&directory.certificate(operator));
        assert_eq!(admits(&directory, &leaf, morning()), Err("revoked".to_owned()));
    }
    assert_eq!(admits(&directory, &leaf(&directory.certificate(&amelia())), morning()), Ok(()));
}

#[test]
fn a_ca_is_changed_without_a_gap_and_retired_with_all_that_it_signed() {
    let (_folder, directory) = domain();
    let revoked = leaf(&directory.certificate(&harbor()));
    directory.renew(&harbor(), None, None, morning()).expect("renewed");
    directory.revoke(&harbor(), Which::Before, Reason::default(), morning()).expect("revoked");
    let old = leaf(&directory.certificate(&harbor()));

    directory.change_authority(&harbor(), morning()).expect("changed");
    assert_eq!(read_certificates(&directory.ca_certificate(&harbor())).expect("roots").len(), 2);
    assert_eq!(read_crls(&directory.crl(&harbor())).expect("lists").len(), 2);
    assert!(directory.change_authority(&harbor(), morning()).is_err(), "one is under way");
    assert_eq!(admits(&directory, &old, morning()), Ok(()));
    assert_eq!(admits(&directory, &revoked, morning()), Err("revoked".to_owned()));
    directory.renew(&harbor(), None, None, morning()).expect("renewed");
    let new = leaf(&directory.certificate(&harbor()));
    assert_eq!(admits(&directory, &new, morning()), Ok(()));
    assert_eq!(admits(&directory, &old, morning()), Ok(()));

    directory.retire_authority(&harbor(), morning()).expect("retired");
    assert_eq!(admits(&directory, &new, morning()), Ok(()));
    assert!(admits(&directory, &old, morning()).is_err_and(|why| why.contains("NotItsRoot")));
    assert!(directory.retire_authority(&harbor(), morning()).is_err(), "there is none before");
    directory.change_authority(&harbor(), morning()).expect("changed again");
}

#[test]
fn a_change_of_ca_that_was_cut_off_is_done_again() {
    let (_folder, directory) = domain();
    let key = fs::read(directory.ca_key(&harbor())).expect("the key");
    directory.change_authority(&harbor(), morning()).expect("changed");
    // As if the last step had not been taken.
    fs::write(directory.ca_key(&harbor()), &key).expect("written");
    assert!(
        directory.retire_authority(&harbor(), morning()).is_err(),
        "it would drop the wrong one"
    );
    directory.renew(&harbor(), None, None, morning()).expect("the old one signs");
    directory.change_authority(&harbor(), morning()).expect("changed");
    directory.renew(&harbor(), None, None, morning()).expect("the new one signs");
    directory.retire_authority(&harbor(), morning()).expect("retired");
    assert_eq!(admits(&directory, &leaf(&directory.certificate(&harbor())), morning()), Ok(()));
}

#[test]
fn the_hub_keeps_its_hosts_and_its_root() {
    let (_folder, directory) = domain();
    directory.renew(&Identity::Hub, None, Some(10), morning()).expect("renewed");
    let listed = directory.list(morning()).expect("a list");
    let days: Vec<_> = listed
        .iter()
        .filter(|one| one.subject.starts_with("hub"))
        .map(|one| one.days_left)
        .collect();
    assert_eq!(days, [3650, 10, 90]);
    let hub = Credentials::from_pem_files(
        &directory.certificate(&Identity::Hub),
        &directory.key(&Identity::Hub),
    )
    .expect("files");
    let verifier =
        EntenteClientVerifier::new(directory.identity_roots().expect("roots"), [Kind::Partner]);
    server_config(&hub, verifier).expect("the key fits");
    let text = x509(&leaf(&directory.certificate(&Identity::Hub)));
    for host in ["localhost", "7F000001", "spiffe://entente.example/hub"] {
        assert!(text.contains(host), "{host}: {text}");
    }
}

/// The bytes of a certificate, those that are text as text and all in hexadecimal.
fn x509(der: &CertificateDer<'_>) -> String {
    let hexadecimal = der.iter().fold(String::new(), |text, byte| format!("{text}{byte:02X}"));
    String::from_utf8_lossy(der).into_owned() + &hexadecimal
}

#[test]
fn whoever_keeps_its_key_is_renewed_for_it_or_for_its_next() {
    let (_folder, directory) = domain();
    fs::remove_file(directory.key(&harbor())).expect("its owner has it");
    let first = leaf(&directory.certificate(&harbor()));
    let renewed = directory.renew(&harbor(), None, None, morning()).expect("renewed");
    assert!(!renewed.new_key && !directory.key(&harbor()).exists());
    let second = leaf(&renewed.certificate);
    assert_ne!(first, second);
    assert_eq!(admits(&directory, &second, morning()), Ok(()));

    let key = rcgen::KeyPair::generate().expect("a key");
    let request = rcgen::CertificateParams::default().serialize_request(&key).expect("a request");
    let request = request.pem().expect("PEM");
    let renewed = directory.renew(&harbor(), Some(&request), None, morning()).expect("renewed");
    let public = rcgen::PublicKeyData::subject_public_key_info(&key);
    let third = leaf(&renewed.certificate);
    assert!(third.windows(public.len()).any(|window| window == public), "another key");
    let refused = directory.renew(&amelia(), Some(&request), None, morning());
    assert!(refused.expect_err("her key is here").to_string().contains("a key was made here"));
}
