//! Who may call what: one table, a layer that enforces it, and the permit that only it can give.

mod layer;
mod permit;
mod table;

pub(crate) use layer::authorize;
pub use permit::Permit;
pub use table::{Callers, Data, Row, Shape, TABLE, row};
