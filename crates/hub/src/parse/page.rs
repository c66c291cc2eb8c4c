//! Which page of a list is asked for.

use prost::Message;

use super::{Violations, page_size};
use crate::{
    error::Refused,
    page_token::{Binding, PageTokens},
};

/// The size of a page, and where it begins: `None` for the list's beginning.
pub fn page<P: Message + Default>(
    tokens: &PageTokens,
    binding: &Binding,
    size: i32,
    token: &str,
) -> Result<(u16, Option<P>), Refused> {
    let mut violations = Violations::default();
    let size = violations.field("page_size", page_size(size));
    let position = violations.field("page_token", tokens.open_token(binding, token));
    size.zip(position).ok_or_else(|| violations.refused())
}
