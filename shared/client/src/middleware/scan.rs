//! Reads single values out of JSON that passes by, in pieces of any size, without keeping it: a whole answer, an array that
//! grows, or server-sent events (<https://html.spec.whatwg.org/multipage/server-sent-events.html>), each a document.

/// Deeper nesting is passed over.
const MOST_DEPTH: usize = 8;
/// Longer names are not those that are looked for.
const MOST_NAME: usize = 48;
/// Longer values are cut.
const MOST_VALUE: usize = 256;

/// What takes values.
pub(super) trait Sink {
    /// Whether the value at this path is wanted: names joined by stops, arrays left out.
    fn wants(&self, path: &str) -> bool;

    /// Takes a text or a number as it stands there. Escapes are left as they are: nothing that is wanted has any.
    fn take(&mut self, path: &str, value: &str);
}

/// Whether documents stand alone or in events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// The body is one document.
    Whole,
    /// Each event carries one.
    Events,
}

/// Where in a line of an event stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// So many bytes of `data:` were seen.
    Field(usize),
    /// In the data.
    Data,
    /// In a line that carries none.
    Other,
}

const DATA: &[u8] = b"data:";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Between things.
    Between,
    /// In a text, behind a backslash or not.
    Text { escaped: bool },
    /// In a number or a word.
    Plain,
}

#[derive(Debug)]
struct Frame {
    is_object: bool,
    /// How much of the path leads to this container.
    path: usize,
}

/// Reads what it is fed.
#[derive(Debug)]
pub(super) struct Scanner {
    framing: Framing,
    line: Line,
    at: At,
    frames: Vec<Frame>,
    /// How many containers are open beyond the deepest that is looked into.
    beyond: usize,
    path: String,
    /// In an object, whether a name comes next.
    name_next: bool,
    /// What is read of a name or of a wanted value.
    held: Vec<u8>,
    is_held: bool,
}

impl Scanner {
    pub(super) fn new(framing: Framing) -> Self {
        Self {
            framing,
            line: Line::Field(0),
            at: At::Between,
            frames: Vec::new(),
            beyond: 0,
            path: String::new(),
            name_next: false,
            held: Vec::new(),
            is_held: false,
        }
    }

    /// Reads the next piece.
    pub(super) fn feed(&mut self, piece: &[u8], sink: &mut impl Sink) {
        if self.framing == Framing::Whole {
            self.document(piece, sink);
            return;
        }
        let mut rest = piece;
        while let Some(&byte) = rest.first() {
            match self.line {
                Line::Data | Line::Other => {
                    let end = rest.iter().position(|b| matches!(b, b'\n' | b'\r'));
                    let (line, after) = rest.split_at(end.unwrap_or(rest.len()));
                    if self.line == Line::Data {
                        self.document(line, sink);
                    }
                    if end.is_some() {
                        self.line = Line::Field(0);
                        rest = after.get(1..).unwrap_or_default();
                    } else {
                        rest = after;
                    }
                }
                Line::Field(seen) => {
                    self.line = match byte {
                        // A line with nothing in it ends the event.
                        b'\n' | b'\r' if seen == 0 => {
                            self.end(sink);
                            Line::Field(0)
                        }
                        b'\n' | b'\r' => Line::Field(0),
                        byte if byte == DATA[seen] && seen + 1 == DATA.len() => Line::Data,
                        byte if byte == DATA[seen] => Line::Field(seen + 1),
                        _ => Line::Other,
                    };
                    rest = &rest[1..];
                }
            }
        }
    }

    /// The document is over, whether it was whole or not.
    pub(super) fn end(&mut self, sink: &mut impl Sink) {
        if self.at == At::Plain {
            self.value_ends(sink);
        }
        *self = Self {
            line: self.line,
            ..Self::new(self.framing)
        };
    }

    fn document(&mut self, piece: &[u8], sink: &mut impl Sink) {
        let mut rest = piece;
        while let Some(&byte) = rest.first() {
            rest = match self.at {
                At::Text { escaped: true } => {
                    self.hold(&[byte]);
                    self.at = At::Text { escaped: false };
                    &rest[1..]
                }
                At::Text { escaped: false } => {
                    let end = rest.iter().position(|b| matches!(b, b'"' | b'\\'));
                    let (text, after) = rest.split_at(end.unwrap_or(rest.len()));
                    self.hold(text);
                    match after.first() {
                        Some(b'\\') => {
                            self.hold(b"\\");
                            self.at = At::Text { escaped: true };
                        }
                        Some(_) => self.text_ends(sink),
                        None => {}
                    }
                    after.get(1..).unwrap_or_default()
                }
                At::Plain if matches!(byte, b',' | b'}' | b']') || byte.is_ascii_whitespace() => {
                    self.value_ends(sink);
                    rest
                }
                At::Plain => {
                    self.hold(&[byte]);
                    &rest[1..]
                }
                At::Between => {
                    self.between(byte, sink);
                    &rest[1..]
                }
            };
        }
    }

    fn between(&mut self, byte: u8, sink: &impl Sink) {
        match byte {
            b'{' | b'[' => self.open(byte == b'{'),
            b'}' | b']' => self.close(),
            b',' => self.name_next = self.frames.last().is_some_and(|frame| frame.is_object),
            b'"' => {
                self.at = At::Text { escaped: false };
                self.begin(self.name_next, sink);
            }
            b':' => {}
            byte if byte.is_ascii_whitespace() => {}
            byte => {
                self.at = At::Plain;
                self.begin(false, sink);
                self.hold(&[byte]);
            }
        }
    }

    fn open(&mut self, is_object: bool) {
        if self.beyond > 0 || self.frames.len() == MOST_DEPTH {
            self.beyond += 1;
            return;
        }
        let path = self.path.len();
        self.frames.push(Frame { is_object, path });
        self.name_next = is_object;
    }

    fn close(&mut self) {
        if self.beyond > 0 {
            self.beyond -= 1;
        } else if let Some(frame) = self.frames.pop() {
            self.path.truncate(frame.path);
        }
        self.name_next = false;
    }

    /// A name or a value begins. It is held if it is a name, or wanted.
    fn begin(&mut self, is_name: bool, sink: &impl Sink) {
        self.held.clear();
        self.is_held = self.beyond == 0 && (is_name || sink.wants(&self.path));
    }

    fn hold(&mut self, bytes: &[u8]) {
        if self.is_held {
            let room = MOST_VALUE.saturating_sub(self.held.len());
            self.held.extend(bytes.iter().take(room));
        }
    }

    fn text_ends(&mut self, sink: &mut impl Sink) {
        if !(self.name_next && self.beyond == 0) {
            self.value_ends(sink);
            return;
        }
        self.at = At::Between;
        self.name_next = false;
        let before = self.frames.last().map_or(0, |frame| frame.path);
        self.path.truncate(before);
        if before > 0 {
            self.path.push('.');
        }
        match std::str::from_utf8(&self.held) {
            Ok(name) if name.len() <= MOST_NAME && !name.contains('.') => self.path.push_str(name),
            _ => self.path.push('?'),
        }
    }

    fn value_ends(&mut self, sink: &mut impl Sink) {
        self.at = At::Between;
        if self.is_held
            && let Ok(value) = std::str::from_utf8(&self.held)
        {
            sink.take(&self.path, value);
        }
        self.is_held = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct All(Vec<String>);

    impl Sink for All {
        fn wants(&self, _: &str) -> bool {
            true
        }

        fn take(&mut self, path: &str, value: &str) {
            self.0.push(format!("{path}={value}"));
        }
    }

    /// The same comes out however the text is cut.
    fn scan(framing: Framing, text: &str) -> Vec<String> {
        let scanned = |size: usize| {
            let (mut scanner, mut all) = (Scanner::new(framing), All::default());
            for piece in text.as_bytes().chunks(size) {
                scanner.feed(piece, &mut all);
            }
            scanner.end(&mut all);
            all.0
        };
        let whole = scanned(text.len().max(1));
        for size in 1..text.len() {
            assert_eq!(scanned(size), whole, "in pieces of {size}");
        }
        whole
    }

    #[test]
    fn values_come_with_their_paths() {
        let text = r#" {"a": 1.5e3, "b":{"c":"x","d":[{"e":true},{"e":null}],"f":"y"},"g":[1,"z"], "": 0 }"#;
        assert_eq!(
            scan(Framing::Whole, text),
            [
                "a=1.5e3",
                "b.c=x",
                "b.d.e=true",
                "b.d.e=null",
                "b.f=y",
                "g=1",
                "g=z",
                "=0"
            ]
        );
        assert_eq!(
            scan(Framing::Whole, "[{\"a\":1}\n,\r\n{\"a\":2}]"),
            ["a=1", "a=2"]
        );
        assert_eq!(scan(Framing::Whole, "12"), ["=12"]);
    }

    #[test]
    fn what_stands_in_texts_is_no_structure() {
        let text =
            r#"{"content":"{\"usage\":{\"a\":1}} \\","usage":{"a":2},"us.age":3,"\u0061":4}"#;
        assert_eq!(
            scan(Framing::Whole, text),
            [
                r#"content={\"usage\":{\"a\":1}} \\"#,
                "usage.a=2",
                "?=3",
                r"\u0061=4"
            ]
        );
    }

    #[test]
    fn what_is_deep_or_long_is_passed_over_and_found_out_of_again() {
        let deep = format!("{}{{\"a\":\"]\"}}{}", "[".repeat(40), "]".repeat(40));
        let text = format!("{{\"x\":{deep},\"{}\":1,\"b\":2}}", "n".repeat(400));
        assert_eq!(scan(Framing::Whole, &text), ["?=1", "b=2"]);
        let long = format!("{{\"a\":\"{}\",\"b\":2}}", "é".repeat(300));
        let found = scan(Framing::Whole, &long);
        assert_eq!(found.last().map(String::as_str), Some("b=2"));
        assert!(found.iter().all(|value| value.len() <= MOST_VALUE + 2));
    }

    #[test]
    fn events_are_documents_and_their_other_lines_are_not_read() {
        let text = ": ping\r\nevent: a\r\ndata: {\"a\":1}\r\n\r\nid: 7\ndata:{\"b\":\ndata: 2}\n\ndata: [DONE]\n\ndatum: {\"c\":3}\n\n";
        assert_eq!(scan(Framing::Events, text), ["a=1", "b=2", "=DONE"]);
    }

    #[test]
    fn a_broken_document_spoils_no_other() {
        let text = "data: {\"a\":{\"b\":\"x\n\ndata: {\"c\":1}}}}\n\ndata: {\"d\":2}\n\n";
        assert_eq!(scan(Framing::Events, text), ["c=1", "d=2"]);
    }
}
