//! Who may call what: one table, a layer that enforces it, and the permit that only it can give.

mod layer;
mod permit;
mod scope;
mod table;

pub(crate) use layer::{Door, authorize};
pub use permit::Permit;
pub use scope::{OperatorRole, Scope, Scopes, possible};
pub use table::{Access, Callers, Data, Row, Shape, TABLE, row};
