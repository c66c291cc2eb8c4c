//! Files and functions stay small enough to be read at once.

use crate::files::{self, Source};

const FILE_LINES: usize = 600;
const TEST_FILE_LINES: usize = 800;
const FUNCTION_LINES: usize = 70;
const HEADER_LINES: usize = 10;

#[test]
fn no_file_is_longer_than_its_ceiling() {
    let written = [".rs", ".sql", ".proto", ".py", ".md"];
    let mut found = Vec::new();
    for source in files::all() {
        if !written.iter().any(|ending| source.is(ending))
            || source.path.starts_with("proto/google/")
        {
            continue;
        }
        let ceiling = if is_test(&source.path) { TEST_FILE_LINES } else { FILE_LINES };
        let lines = source.text.lines().count();
        if lines > ceiling {
            found.push(format!("{}: {lines} lines, at most {ceiling}", source.path));
        }
    }
    files::assert_none("files that are too long", &found);
}

#[test]
fn no_function_is_longer_than_its_ceiling() {
    let mut found = Vec::new();
    for source in files::rust() {
        for (line, length) in functions(&source.text) {
            if length > FUNCTION_LINES {
                let at = format!("{}:{line}", source.path);
                found.push(format!("{at}: a function of {length} lines, at most {FUNCTION_LINES}"));
            }
        }
    }
    files::assert_none("functions that are too long", &found);
}

#[test]
fn every_file_begins_by_saying_what_it_is() {
    let mut found = Vec::new();
    for source in files::rust() {
        if let Some(fault) = header_fault(&source) {
            found.push(format!("{}: {fault}", source.path));
        }
    }
    files::assert_none("files that do not begin with a short `//!`", &found);
}

#[test]
fn the_measure_of_functions_knows_every_shape() {
    let text = "fn short() {}\nfn declared();\nimpl X {\n    pub async fn long(\n        a: u8,\n    ) -> u8\n    where\n        u8: Copy,\n    {\n        if a > 0 {\n        }\n        a\n    }\n}\n";
    assert_eq!(functions(text), [(1, 1), (2, 1), (4, 10)]);
}

fn is_test(path: &str) -> bool {
    path.contains("tests/") || path.ends_with("tests.rs") || path.starts_with("crates/testkit/")
}

fn header_fault(source: &Source) -> Option<String> {
    let doc = source.text.lines().take_while(|line| line.starts_with("//!")).count();
    if source.text.starts_with("#![doc = include_str!(") {
        return None;
    }
    match doc {
        0 => Some("nothing is said".to_owned()),
        lines if lines > HEADER_LINES => Some(format!("{lines} lines, at most {HEADER_LINES}")),
        _ => None,
    }
}

/// The first line and the length of each function. The sources are formatted, so a function ends at the
/// first line that holds its own indentation and a brace.
fn functions(text: &str) -> Vec<(usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (first, line) in lines.iter().enumerate() {
        if !begins_function(line) {
            continue;
        }
        let indent = &line[..line.len() - line.trim_start().len()];
        let signature = lines[first..].iter().position(|line| ends_signature(line, indent));
        let Some(opening) = signature.map(|offset| first + offset) else { continue };
        let length = if lines[opening].ends_with('{') {
            let closing = format!("{indent}}}");
            lines[opening..].iter().position(|line| *line == closing).map(|end| opening + end)
        } else {
            Some(opening)
        };
        if let Some(last) = length {
            found.push((first + 1, last - first + 1));
        }
    }
    found
}

fn begins_function(line: &str) -> bool {
    let code = line.trim_start();
    if code.starts_with("//") || code.starts_with('"') {
        return false;
    }
    let mut words = code.split_whitespace();
    let modifiers = ["pub", "pub(crate)", "pub(super)", "async", "const", "unsafe", "extern"];
    words.find(|word| !modifiers.contains(word)) == Some("fn")
}

fn ends_signature(line: &str, indent: &str) -> bool {
    let here = line.strip_prefix(indent).is_some_and(|rest| !rest.starts_with(' '));
    here && (line.ends_with('{') || line.ends_with(';') || line.ends_with('}'))
}
