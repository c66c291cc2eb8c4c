//! `docs/sandbox.md` lists every reason that the contract publishes: a new one without a line fails.

use std::fmt::Write as _;
use std::fs;

use crate::{
    errors::{Reason, reasons},
    files,
};

const PAGE: &str = "docs/sandbox.md";

const ABOUT: &str = "\
# Sandbox

The last table is made from the comments of `proto/entente/error/v1/error_reason.proto`; renew it by
`cargo test -p entente-tests --test tidy -- --ignored renew_the_page_of_the_sandbox`.

A partner that is created with `testing` (`entente partner create CODE NAME --testing`) tests, for ever.
It calls the same hub, with the same certificates, terms, caps and rules. What differs:

- **Its operations are never settled.** They live in testing windows, one of which is open beside the
  live one. `entente settle close NAME --testing` closes it: statements and positions read as always, and
  no obligation comes of it.
- **It shares nothing with others.** Attaching a member of a partner that tests to one that does not, or
  the other way round, is refused with `TESTING_APART`; so are gifts and donations between them, and a
  name that a window of the other kind has.
- **It can provoke what is hard to meet**, by the magic below. For other partners the same text is
  nothing but text.

Magic is in the receipt reference of a command, or, for a command that has none, in the first digits of its
request id, a UUID. Behind another colon a receipt reference may go on as it likes, so that one can be told
from the other: `sandbox:lost:till-7`. The rest of the command must be good: what is malformed, or names a
member whom the hub does not know, is refused for that. Magic that is not listed here is malformed. A line of
a stream provokes what a call does, but for the delay.

| receipt reference | request id | what happens |
|---|---|---|
| `sandbox:refuse:REASON` | `5a5a5a5a-NNNN-` | the command is refused for that reason, of the number NNNN; a kept refusal is kept |
| `sandbox:delay:MILLISECONDS` | `5a5a5a5b-NNNN-` | the command is posted that many milliseconds later, 30,000 at most; the deadline holds |
| `sandbox:outage` | `5a5a5a5c-` | nothing is done, and the answer is UNAVAILABLE, as often as it is sent |
| `sandbox:lost` | `5a5a5a5d-` | the command is posted, and the answer is DEADLINE_EXCEEDED; the same id again finds it, `replayed` |

Every refusal that is provoked carries the metadata `sandbox`, and none of what its reason documents.

| reason | receipt reference | request id | code | kept |
|---|---|---|---|---|
";

#[test]
fn the_page_of_the_sandbox_lists_every_reason() {
    let renew =
        "cargo test -p entente-tests --test tidy -- --ignored renew_the_page_of_the_sandbox";
    assert!(files::read(PAGE) == page(), "{PAGE} is not current; run: {renew}");
}

#[test]
#[ignore = "writes docs/sandbox.md"]
fn renew_the_page_of_the_sandbox() {
    fs::write(files::root().join(PAGE), page()).expect("the page can be written");
}

fn page() -> String {
    let mut page = ABOUT.to_owned();
    for Reason { name, number, code, kept, .. } in reasons() {
        let kept = if kept { "kept" } else { "" };
        writeln!(
            page,
            "| `{name}` | `sandbox:refuse:{name}` | `5a5a5a5a-{number:04}-` | `{code}` | {kept} |"
        )
        .expect("writing to a string does not fail");
    }
    page
}
