//! Color, sparingly: taken away again where the output is no terminal.

use anstyle::{AnsiColor, Style};

/// A heading.
pub(crate) fn bold(text: &str) -> String {
    styled(Style::new().bold(), text)
}

/// Something less important.
pub(crate) fn dim(text: &str) -> String {
    styled(Style::new().dimmed(), text)
}

/// A verdict: green when good, red when not.
pub(crate) fn good(is_good: bool, text: &str) -> String {
    let color = if is_good { AnsiColor::Green } else { AnsiColor::Red };
    styled(color.on_default(), text)
}

/// Colors the words that decide, in text that is laid out already.
pub(crate) fn paint(text: &str) -> String {
    let words = [
        ("pays", AnsiColor::Yellow),
        ("receives", AnsiColor::Green),
        ("holds", AnsiColor::Green),
        ("BROKEN", AnsiColor::Red),
        ("suspended", AnsiColor::Red),
    ];
    words.iter().fold(text.to_owned(), |text, (word, color)| {
        text.replace(&format!(" {word} "), &format!(" {} ", styled(color.on_default(), word)))
    })
}

fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}
