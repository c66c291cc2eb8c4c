#![doc = include_str!("../README.md")]

/// The packages of the contract, nested as the generated code expects them.
pub mod entente {
    /// The trail of security events.
    pub mod audit {
        /// Version 1.
        pub mod v1 {
            tonic::include_proto!("entente.audit.v1");
        }
    }
    /// Why a call was refused.
    pub mod error {
        /// Version 1.
        pub mod v1 {
            tonic::include_proto!("entente.error.v1");
        }
    }
    /// Events of a partner.
    pub mod event {
        /// Version 1.
        pub mod v1 {
            tonic::include_proto!("entente.event.v1");
        }
    }
    /// Identity: tokens, keys, operators.
    pub mod identity {
        /// Version 1.
        pub mod v1 {
            tonic::include_proto!("entente.identity.v1");
        }
    }
    /// The ledger: its kind and its clock.
    pub mod ledger {
        /// Version 1.
        pub mod v1 {
            tonic::include_proto!("entente.ledger.v1");
        }
    }
    /// Members.
    pub mod member {
        /// Version 1.
        pub mod v1 {
            tonic::include_proto!("entente.member.v1");
        }
    }
    /// Partners and their terms.
    pub mod partner {
        /// Version 1.
        pub mod v1 {
            tonic::include_proto!("entente.partner.v1");
        }
    }
    /// Points.
    pub mod points {
        /// Version 1.
        pub mod v1 {
            tonic::include_proto!("entente.points.v1");
        }
    }
    /// Sensitive acts, by two operators.
    pub mod proposal {
        /// Version 1.
        pub mod v1 {
            tonic::include_proto!("entente.proposal.v1");
        }
    }
    /// Windows, positions, statements.
    pub mod settlement {
        /// Version 1.
        pub mod v1 {
            tonic::include_proto!("entente.settlement.v1");
        }
    }
    /// Money, operations, balances.
    pub mod r#type {
        /// Version 1.
        pub mod v1 {
            tonic::include_proto!("entente.r#type.v1");
        }
    }
}

pub use entente::{
    audit::v1 as audit, error::v1 as error, event::v1 as event, identity::v1 as identity,
    ledger::v1 as ledger, member::v1 as member, partner::v1 as partner, points::v1 as points,
    proposal::v1 as proposal, settlement::v1 as settlement, r#type::v1 as types,
};

/// The contract as an encoded `google.protobuf.FileDescriptorSet`: for reflection, for naming
/// fields by number, and for the test that compares the authorization table with it.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/entente.bin"));
