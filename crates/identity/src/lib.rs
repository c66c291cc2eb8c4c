#![doc = include_str!("../README.md")]

pub mod certificate;
#[cfg(feature = "forge")]
pub mod forge;
pub mod jwt;
pub mod pem;
pub mod pki;
pub mod roots;
pub mod spiffe;
pub mod tls;
pub mod trust;
pub mod verifier;

pub use certificate::{ClientCertificate, Thumbprint};
pub use roots::{IdentityRoots, Roots};
pub use spiffe::{Identity, Kind, Name, TrustDomain};
pub use tls::{Credentials, client_config, client_config_refusing, server_config};
pub use verifier::EntenteClientVerifier;
