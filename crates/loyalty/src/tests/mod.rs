//! What the rules mean, told by examples, by refusals and by properties.

mod announcements;
mod check;
mod clawbacks;
mod earns;
mod exchanges;
mod exposures;
mod floats;
mod gifts;
mod held_back;
mod holds;
mod merges;
mod merging;
mod precedence;
mod properties;
mod purchases;
mod refusals;
mod velocity;
