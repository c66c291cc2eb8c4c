//! What a person who waits is shown: bars on a terminal, lines elsewhere, nothing for programs.

use std::borrow::Cow;

use indicatif::{ProgressBar, ProgressStyle};

use crate::output::{Format, dim, warn};

/// How progress is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    format: Format,
}

impl Progress {
    pub(crate) fn new(format: Format) -> Self {
        Self { format }
    }

    /// Says what begins.
    pub(crate) fn step(self, line: impl Into<Cow<'static, str>>) {
        if self.format == Format::Table {
            warn(&dim(&format!("· {}", line.into())));
        }
    }

    /// A bar over the bytes of a file.
    pub(crate) fn bytes(self, name: &'static str, length: usize) -> ProgressBar {
        let template = "{prefix:>10} [{bar:32.green}] {percent}% {eta} left";
        self.drawn(template, name, length)
    }

    /// A bar of so many steps; it draws itself on a terminal alone.
    pub(crate) fn bar(self, name: &'static str, steps: usize) -> ProgressBar {
        let template = "{prefix:>10} [{bar:32.green}] {human_pos}/{human_len} {msg} {elapsed}";
        self.drawn(template, name, steps)
    }

    fn drawn(self, template: &str, name: &'static str, steps: usize) -> ProgressBar {
        if self.format != Format::Table {
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("━╸ ");
        let steps = u64::try_from(steps).unwrap_or(u64::MAX);
        ProgressBar::new(steps).with_style(style).with_prefix(name)
    }
}
