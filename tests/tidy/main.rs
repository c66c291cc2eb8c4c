//! The rules of the house, as tests: sizes, arrows between crates, words, documents, the contract's
//! comments, migrations. Each names what breaks it and, where it can, the cure.

mod crates;
mod documents;
mod errors;
mod files;
mod fuzz;
mod migrations;
mod proto;
mod sandbox;
mod sizes;
mod statements;
mod words;
