//! Loading: each owner's files apart, so that a bad one stops its owner alone, and what was good
//! before stays in use.

use std::{collections::BTreeMap, sync::Arc};

use entente_identity::{
    Credentials, EntenteClientVerifier, Identity, Kind,
    pem::read_certificates,
    pki::DomainDirectory,
    server_config,
    trust::{Outcome, Trust},
};
use jiff::Timestamp;

use super::{Certificates, CertificatesError, ListenerTls, Loaded, expiry::Ends};
use crate::{
    edge::events::{CertificateEvent, What},
    observe,
};

/// The owner of the hub's own certificate, and of the folder as a whole.
const HUB: &str = "hub";

/// What is in force, and what is wrong with the files that are not.
pub(crate) struct Loader {
    certificates: Certificates,
    directory: DomainDirectory,
    trust: Trust,
    hub: Credentials,
    /// By owner; told once each.
    problems: BTreeMap<String, String>,
    ends: Ends,
}

impl Loader {
    /// Loads for the first time. Partners and operators whose files are bad are left out; without a
    /// good certificate of its own a hub does not start.
    pub(crate) fn start(
        certificates: Certificates,
        now: Timestamp,
    ) -> Result<(Self, Loaded), CertificatesError> {
        let directory = DomainDirectory::open(&certificates.folder)?;
        let hub = credentials(&certificates, &directory, now)?;
        let trust = Trust::nobody(directory.trust_domain().clone());
        let (problems, ends) = (BTreeMap::new(), Ends::default());
        let mut loader = Self { certificates, directory, trust, hub, problems, ends };
        let mut events = Vec::new();
        loader.trust_again(now, &mut events)?;
        for event in events.iter().filter(|event| matches!(event.what, What::LeftOut { .. })) {
            event.tell();
        }
        let loaded = loader.loaded(now)?;
        loader.ends.tell(&loader.hub, &loader.trust, now);
        Ok((loader, loaded))
    }

    /// The trust domain.
    pub(crate) fn trust_domain(&self) -> String {
        self.directory.trust_domain().to_string()
    }

    /// Where the files are.
    pub(super) fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// Loads again. Whatever cannot be loaded is told, and what was in force before stays.
    pub(super) fn load(&mut self, now: Timestamp) -> (Option<Loaded>, Vec<CertificateEvent>) {
        let mut events = Vec::new();
        let loaded = self.again(now, &mut events);
        let loaded = self.good(HUB, loaded, &mut events);
        self.ends.tell(&self.hub, &self.trust, now);
        for event in &events {
            event.tell();
        }
        (loaded, events)
    }

    fn again(
        &mut self,
        now: Timestamp,
        events: &mut Vec<CertificateEvent>,
    ) -> Result<Loaded, CertificatesError> {
        let directory = DomainDirectory::open(&self.certificates.folder)?;
        if directory.trust_domain() != self.directory.trust_domain() {
            return Err(CertificatesError::TrustDomain(directory.trust_domain().to_string()));
        }
        self.trust_again(now, events)?;
        // Partners' roots are in force whatever is wrong with the hub's own certificate.
        match credentials(&self.certificates, &self.directory, now) {
            Ok(hub) => {
                if hub.chain() != self.hub.chain() {
                    let what = What::Loaded { revoked: 0 };
                    events.push(CertificateEvent { owner: HUB.to_owned(), what });
                }
                self.hub = hub;
                self.cured(HUB);
                self.loaded(now)
            }
            Err(error) => {
                self.problem(HUB, error.to_string(), true, events);
                self.loaded(now)
            }
        }
    }

    fn trust_again(
        &mut self,
        now: Timestamp,
        events: &mut Vec<CertificateEvent>,
    ) -> Result<(), CertificatesError> {
        let read = self.directory.read_roots(&self.trust)?;
        let (trust, outcomes) = self.trust.after(read, now);
        self.trust = trust;
        for (owner, outcome) in outcomes {
            let owner = owner.to_string();
            let what = match outcome {
                Outcome::Kept { problem } => {
                    self.problem(&owner, problem, true, events);
                    continue;
                }
                Outcome::LeftOut { problem } => {
                    self.problem(&owner, problem, false, events);
                    continue;
                }
                Outcome::Same => {
                    self.cured(&owner);
                    continue;
                }
                Outcome::Loaded { revoked } => What::Loaded { revoked },
                Outcome::Removed => What::Removed,
            };
            self.cured(&owner);
            events.push(CertificateEvent { owner, what });
        }
        Ok(())
    }

    /// Configurations for both listeners, always new ones.
    fn loaded(&self, now: Timestamp) -> Result<Loaded, CertificatesError> {
        let roots = self.trust.identity_roots(now)?;
        let listener = |kind| {
            let verifier = EntenteClientVerifier::new(roots.clone(), [kind]);
            let config = Arc::new(server_config(&self.hub, Arc::clone(&verifier))?);
            Ok::<_, CertificatesError>(Arc::new(ListenerTls { config, verifier }))
        };
        Ok(Loaded { partners: listener(Kind::Partner)?, operators: listener(Kind::Operator)? })
    }

    /// What could be loaded; else the problem is told.
    fn good<T>(
        &mut self,
        owner: &str,
        result: Result<T, CertificatesError>,
        events: &mut Vec<CertificateEvent>,
    ) -> Option<T> {
        match result {
            Ok(loaded) => Some(loaded),
            Err(error) => {
                self.problem(owner, error.to_string(), true, events);
                None
            }
        }
    }

    /// Tells a problem, unless it was told before.
    fn problem(
        &mut self,
        owner: &str,
        problem: String,
        kept: bool,
        events: &mut Vec<CertificateEvent>,
    ) {
        observe::certificates_bad(owner, true);
        if self.problems.insert(owner.to_owned(), problem.clone()) != Some(problem.clone()) {
            let what = if kept { What::Kept { problem } } else { What::LeftOut { problem } };
            events.push(CertificateEvent { owner: owner.to_owned(), what });
        }
    }

    fn cured(&mut self, owner: &str) {
        if self.problems.remove(owner).is_some() {
            observe::certificates_bad(owner, false);
        }
    }
}

/// The hub's own certificate and key, if clients will accept them.
fn credentials(
    certificates: &Certificates,
    directory: &DomainDirectory,
    now: Timestamp,
) -> Result<Credentials, CertificatesError> {
    let usual = (directory.certificate(&Identity::Hub), directory.key(&Identity::Hub));
    let certificate = certificates.hub_certificate.clone().unwrap_or(usual.0);
    let key = certificates.hub_key.clone().unwrap_or(usual.1);
    let hub = Credentials::from_pem_files(&certificate, &key)?;
    if hub.not_after().is_none_or(|end| end <= now) {
        return Err(CertificatesError::Expired);
    }
    let root = directory.ca_certificate(&Identity::Hub);
    let own = certificates.hub_certificate.is_none() && root.exists();
    if own && !hub.leads_to(&read_certificates(&root)?) {
        return Err(CertificatesError::NotItsRoot);
    }
    // Whether the key fits.
    let nobody = Trust::nobody(directory.trust_domain().clone()).identity_roots(now)?;
    server_config(&hub, EntenteClientVerifier::new(nobody, []))?;
    Ok(hub)
}
