//! Walks through an ISO 20022 document. What a bank's file never needs is refused before it costs
//! anything: document types, entities of one's own, deep nesting, endless texts.

use quick_xml::NsReader;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::ResolveResult;

/// The deepest nesting that is followed; the standard's messages have a dozen levels.
const DEEPEST: usize = 40;
/// The longest text of an element, in bytes.
const LONGEST: usize = 8_192;

/// Why a document was not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at byte {at}: {problem}")]
pub struct NotRead {
    /// About where.
    pub at: u64,
    /// Why.
    pub problem: Problem,
}

/// What is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It has more bytes or entries than are taken.
    #[error("the document is too large")]
    TooLarge,
    /// It is not UTF-8, or says that it is in another encoding.
    #[error("the document is not UTF-8")]
    NotUtf8,
    /// It is no well-formed XML, or ends too early.
    #[error("no well-formed XML: {0}")]
    Malformed(String),
    /// It has a document type, which could define entities.
    #[error("a document type is not allowed")]
    DocumentType,
    /// It uses an entity that is not XML's own.
    #[error("the entity {0:?} is not allowed")]
    Entity(String),
    /// It is nested too deeply.
    #[error("elements are nested too deeply")]
    TooDeep,
    /// A text is too long.
    #[error("a text is too long")]
    TooLong,
    /// It is another message.
    #[error("not a bank statement, but {0:?}")]
    OtherMessage(String),
    /// An element has a value that it cannot have.
    #[error("{element} cannot be {value:?}")]
    Value {
        /// The element's name.
        element: String,
        /// Its value, cut where it is long.
        value: String,
    },
    /// An element is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
}

/// What an element says, when it ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leaf<'x> {
    /// Its text, without spaces around it.
    pub(super) text: &'x str,
    /// Its attribute `Ccy`.
    pub(super) currency: Option<&'x str>,
}

/// Who is told of the elements of a document. A path is the local names from under `Document`, each
/// after a slash.
pub(super) trait Visitor {
    /// An element begins.
    fn open(&mut self, path: &str) -> Result<(), Problem>;
    /// An element ends.
    fn close(&mut self, path: &str, leaf: Leaf<'_>) -> Result<(), Problem>;
}

/// Walks through the `Document` of the message whose namespace begins so, wherever it is in an envelope.
pub(super) fn walk(text: &str, namespace: &str, visitor: &mut impl Visitor) -> Result<(), NotRead> {
    let mut reader = NsReader::from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    let mut walk =
        Walk { namespace, visitor, path: None, depth: 0, text: String::new(), currency: None };
    let mut is_found = false;
    loop {
        let at = reader.buffer_position();
        let failed = |problem| NotRead { at, problem };
        let malformed = |error: quick_xml::Error| failed(Problem::Malformed(error.to_string()));
        let (bound, event) = reader.read_resolved_event().map_err(malformed)?;
        match event {
            Event::Start(start) => walk.start(&bound, &start).map_err(failed)?,
            Event::Empty(start) => {
                walk.start(&bound, &start).map_err(failed)?;
                is_found |= walk.end().map_err(failed)?;
            }
            Event::End(_) => is_found |= walk.end().map_err(failed)?,
            Event::Text(part) => walk.push(&part.xml10_content()).map_err(failed)?,
            Event::CData(part) => walk.push(&part.xml10_content()).map_err(failed)?,
            Event::GeneralRef(entity) => {
                let mut buffer = [0; 4];
                let character = resolve(&entity).map_err(failed)?;
                walk.push(character.encode_utf8(&mut buffer)).map_err(failed)?;
            }
            Event::DocType(_) => return Err(failed(Problem::DocumentType)),
            Event::Decl(declared) => {
                let encoding = declared.encoding().transpose().ok().flatten();
                let other = |name: &str| {
                    !["utf-8", "utf8", "us-ascii"].contains(&name.to_ascii_lowercase().as_str())
                };
                if encoding.is_some_and(|name| other(&name)) {
                    return Err(failed(Problem::NotUtf8));
                }
            }
            Event::Comment(_) | Event::PI(_) => {}
            Event::Eof if walk.depth > 0 => {
                return Err(failed(Problem::Malformed("it ends too early".to_owned())));
            }
            Event::Eof if is_found => return Ok(()),
            Event::Eof => return Err(failed(Problem::Missing("Document"))),
        }
    }
}

struct Walk<'w, V> {
    namespace: &'w str,
    visitor: &'w mut V,
    /// Where in the document; `None` outside of it.
    path: Option<String>,
    depth: usize,
    text: String,
    currency: Option<String>,
}

impl<V: Visitor> Walk<'_, V> {
    fn start(&mut self, bound: &ResolveResult<'_>, start: &BytesStart<'_>) -> Result<(), Problem> {
        self.depth = self.depth.saturating_add(1);
        if self.depth > DEEPEST {
            return Err(Problem::TooDeep);
        }
        self.text.clear();
        let name = start.local_name();
        if let Some(path) = &mut self.path {
            path.push('/');
            path.push_str(name.as_ref());
            let currency = start.try_get_attribute("Ccy");
            let currency = currency.map_err(|error| Problem::Malformed(error.to_string()))?;
            self.currency = currency.map(|attribute| attribute.value.into_owned());
            return self.visitor.open(path);
        }
        if name.as_ref() == "Document" {
            let namespace = match bound {
                ResolveResult::Bound(namespace) => namespace.as_ref(),
                ResolveResult::Unbound | ResolveResult::Unknown(_) => "",
            };
            if !namespace.starts_with(self.namespace) {
                return Err(Problem::OtherMessage(cut(namespace)));
            }
            self.path = Some(String::new());
        }
        Ok(())
    }

    /// Whether the document ended.
    fn end(&mut self) -> Result<bool, Problem> {
        self.depth = self.depth.saturating_sub(1);
        let Some(path) = &mut self.path else { return Ok(false) };
        let Some(parent) = path.rfind('/') else {
            self.path = None;
            return Ok(true);
        };
        let leaf = Leaf { text: self.text.trim(), currency: self.currency.as_deref() };
        self.visitor.close(path, leaf)?;
        path.truncate(parent);
        self.text.clear();
        Ok(false)
    }

    fn push(&mut self, text: &str) -> Result<(), Problem> {
        if self.path.is_some() {
            self.text.push_str(text);
            if self.text.len() > LONGEST {
                return Err(Problem::TooLong);
            }
        }
        Ok(())
    }
}

/// The character that a reference stands for: one of XML's own five, or a number of a character that XML
/// allows.
fn resolve(entity: &BytesRef<'_>) -> Result<char, Problem> {
    let name = || Problem::Entity(cut(&entity.xml10_content()));
    if let Some(character) = entity.resolve_char_ref().map_err(|_| name())? {
        let allowed = !character.is_control() || matches!(character, '\t' | '\n' | '\r');
        return if allowed { Ok(character) } else { Err(name()) };
    }
    Ok(match &*entity.xml10_content() {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => return Err(name()),
    })
}

/// A text as an error shows it.
pub(super) fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}
