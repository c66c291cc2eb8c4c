//! Who may call what: one table, and the permit that only authorization can give.

mod permit;
mod table;

pub use permit::Permit;
pub use table::{Callers, Data, Row, Shape, TABLE, row};
