//! Exit codes that scripts can use, and how a failure is told.

use std::process::ExitCode;

use entente_client::Error;

use crate::output::{good, warn};

/// The check found an offender.
#[derive(Debug, thiserror::Error)]
#[error("{broken} of the invariants do not hold")]
pub(crate) struct Offended {
    /// How many.
    pub(crate) broken: usize,
}

/// Lines of a file were refused; the rest is done.
#[derive(Debug, thiserror::Error)]
#[error("{refused} of the lines were refused")]
pub(crate) struct LinesRefused {
    /// How many.
    pub(crate) refused: u64,
}

/// Nobody knows what became of some lines.
#[derive(Debug, thiserror::Error)]
#[error("the outcome of {unknown} lines is unknown; the same command goes on with them")]
pub(crate) struct LinesUnknown {
    /// How many.
    pub(crate) unknown: u64,
}

/// Says what failed, and answers the code for it.
pub(crate) fn failed(error: &anyhow::Error) -> ExitCode {
    warn(&format!("{} {error:#}", good(false, "error:")));
    ExitCode::from(code(error))
}

fn code(error: &anyhow::Error) -> u8 {
    if error.chain().any(<dyn std::error::Error>::is::<Offended>) {
        return 5;
    }
    if error.chain().any(<dyn std::error::Error>::is::<LinesRefused>) {
        return 3;
    }
    if error.chain().any(<dyn std::error::Error>::is::<LinesUnknown>) {
        return 4;
    }
    match error.chain().find_map(|cause| cause.downcast_ref::<Error>()) {
        Some(Error::Refused(_)) => 3,
        Some(Error::Transport(_) | Error::Unknown(_)) => 4,
        Some(Error::Options(_)) | None => 1,
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;
    use entente_client::TransportError;

    use super::*;

    #[test]
    fn a_script_can_tell_failures_apart() {
        let (endpoint, problem) = ("https://hub:1".to_owned(), "gone".to_owned());
        let away = TransportError { endpoint, problem, not_admitted: false };
        let away = Err::<(), _>(Error::from(away)).context("cannot list partners");
        assert_eq!(code(&away.expect_err("an error")), 4);
        assert_eq!(code(&anyhow::anyhow!("no such file")), 1);
        assert_eq!(code(&Offended { broken: 1 }.into()), 5);
        assert_eq!(code(&LinesRefused { refused: 2 }.into()), 3);
        assert_eq!(code(&LinesUnknown { unknown: 1 }.into()), 4);
    }
}
