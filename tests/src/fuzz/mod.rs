//! Feeds mutated answers to the parsers of providers' answers, and mutated messages to the kill switch, and looks for
//! panics, hangs, unbounded memory, key text in what is printed, and kills from what is no order to kill.
//!
//! No coverage-guided fuzzer runs on stable Rust. What guides this one is what parsers made of an input: one that went a
//! way that none went before is kept, and mutated further.

mod corpus;
mod kill;
mod mutate;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use fastrand::Rng;

pub use corpus::Seeds;
pub use kill::kill_switch;
use mutate::mutate;

/// Most inputs that are kept, and the longest of them.
const MOST_KEPT: usize = 20_000;
const LONGEST_KEPT: usize = 4 * 1024;

/// Statuses that answers come with; others are rarer.
const STATUSES: [u16; 12] = [200, 201, 400, 401, 402, 403, 404, 408, 429, 500, 503, 529];

/// Characters behind the beginning of a key that make it one.
const KEY_TAIL: usize = 21;

/// What is fuzzed.
pub struct Target {
    /// Its name.
    pub name: String,
    /// What may be in an answer, and must be in nothing that is printed.
    pub secrets: Vec<String>,
    /// Everything that reads an answer.
    pub parsers: Vec<Parser>,
    /// What mutations start from.
    pub seeds: Vec<Vec<u8>>,
}

/// One parser.
pub struct Parser {
    /// Its name.
    pub name: &'static str,
    /// Reads an answer.
    pub parse: Box<Parse>,
}

/// Takes a status and a body.
pub type Parse = dyn Fn(u16, &[u8]) -> Parsed + Send;

/// What a parser made of an answer.
#[derive(Debug, Default)]
pub struct Parsed {
    /// All of it.
    pub whole: String,
    /// What is printed somewhere.
    pub printed: String,
    /// What it must never make of such an input.
    pub wrong: Option<String>,
}

/// What is too much.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For one parser and one input.
    pub time: Duration,
    /// Resident memory that all of it may grow by, in bytes.
    pub memory: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(2),
            memory: 256 << 20,
        }
    }
}

/// An input with which something is wrong.
#[derive(Debug)]
pub struct Found {
    /// Target and parser.
    pub parser: String,
    /// What is wrong.
    pub what: Fault,
    /// The number of the input, from 0.
    pub number: u64,
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: Vec<u8>,
}

/// What can be wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The parser panicked.
    Panic(String),
    /// It took too long.
    Slow(Duration),
    /// Memory grew by so many bytes since the start.
    Memory(u64),
    /// A key's text is printed. The print is not repeated here.
    Leak,
    /// It made something of the input that it must not.
    Wrong(String),
}

/// One target being fuzzed. The same seed makes the same inputs in the same order.
pub struct Fuzzer {
    target: Target,
    limits: Limits,
    rng: Rng,
    kept: Vec<Vec<u8>>,
    ways: HashSet<u64>,
    inputs: u64,
    /// Memory before the first input.
    memory: Option<u64>,
}

impl Fuzzer {
    /// Not started yet.
    pub fn new(target: Target, seed: u64, limits: Limits) -> Self {
        let mut hasher = DefaultHasher::new();
        target.name.hash(&mut hasher);
        Self {
            kept: target.seeds.clone(),
            target,
            limits,
            rng: Rng::with_seed(seed ^ hasher.finish()),
            ways: HashSet::new(),
            inputs: 0,
            memory: None,
        }
    }

    /// The target's name.
    pub fn name(&self) -> &str {
        &self.target.name
    }

    /// Inputs so far.
    pub fn inputs(&self) -> u64 {
        self.inputs
    }

    /// Runs of a parser so far.
    pub fn runs(&self) -> u64 {
        self.inputs * self.target.parsers.len() as u64
    }

    /// Inputs that others are made of.
    pub fn corpus(&self) -> usize {
        self.kept.len()
    }

    /// Different things that parsers made of inputs.
    pub fn ways(&self) -> usize {
        self.ways.len()
    }

    /// The next input: each seed as it is first, then what mutations make of those kept.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn step(&mut self) -> Result<(), Found> {
        let number = self.inputs;
        let status = if self.rng.u8(..) < 250 {
            STATUSES[self.rng.usize(..STATUSES.len())]
        } else {
            self.rng.u16(100..1000)
        };
        let body = match self.target.seeds.get(number as usize) {
            Some(seed) => seed.clone(),
            None => mutate(&mut self.rng, &self.kept, &self.target.secrets),
        };
        self.inputs += 1;
        let ways = self.ways.len();
        let tried = self.attempt(status, &body);
        if let Err((parser, what)) = tried {
            return Err(Found {
                parser: format!("{}, {parser}", self.target.name),
                what,
                number,
                status,
                body,
            });
        }
        let is_seed = number < self.target.seeds.len() as u64;
        if self.ways.len() > ways
            && !is_seed
            && self.kept.len() < MOST_KEPT
            && body.len() <= LONGEST_KEPT
        {
            self.kept.push(body);
        }
        Ok(())
    }

    /// Feeds one input to every parser.
    fn attempt(&mut self, status: u16, body: &[u8]) -> Result<(), (&'static str, Fault)> {
        for (n, parser) in self.target.parsers.iter().enumerate() {
            let fault = |fault| (parser.name, fault);
            let begun = now();
            let parsed = catch_unwind(AssertUnwindSafe(|| (parser.parse)(status, body)))
                .map_err(|panic| fault(Fault::Panic(text_of(&*panic))))?;
            let took = now() - begun;
            if took > self.limits.time {
                return Err(fault(Fault::Slow(took)));
            }
            if leaks(&parsed.printed, &self.target.secrets) {
                return Err(fault(Fault::Leak));
            }
            if let Some(wrong) = parsed.wrong {
                return Err(fault(Fault::Wrong(wrong)));
            }
            let mut hasher = DefaultHasher::new();
            (n, way(&parsed.whole)).hash(&mut hasher);
            self.ways.insert(hasher.finish());
        }
        if self.inputs.is_multiple_of(512) {
            self.look_at_memory().map_err(|fault| ("all", fault))?;
        }
        Ok(())
    }

    fn look_at_memory(&mut self) -> Result<(), Fault> {
        let Some(resident) = resident() else {
            return Ok(());
        };
        let before = *self.memory.get_or_insert(resident);
        let grown = resident.saturating_sub(before);
        if grown > self.limits.memory {
            return Err(Fault::Memory(grown));
        }
        Ok(())
    }

    /// Feeds one input to every parser, as a failure is looked into.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn replay(&mut self, status: u16, body: &[u8]) -> Result<(), Found> {
        self.attempt(status, body).map_err(|(parser, what)| Found {
            parser: format!("{}, {parser}", self.target.name),
            what,
            number: 0,
            status,
            body: body.to_vec(),
        })
    }
}

/// Whether a secret, or a key that begins as one of them does, stands in the text. Behind a letter it is none: nobody
/// can tell it from a word.
fn leaks(text: &str, secrets: &[String]) -> bool {
    secrets.iter().any(|secret| {
        let head = secret.split("EXAMPLE").next().unwrap_or_default();
        let whole = text.match_indices(secret.as_str());
        let begun = text.match_indices(head).filter(|(at, _)| {
            let tail = text[at + head.len()..].bytes();
            let of_a_key = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
            !head.is_empty() && tail.take_while(of_a_key).count() >= KEY_TAIL
        });
        whole
            .chain(begun)
            .any(|(at, _)| !text[..at].ends_with(|c: char| c.is_ascii_alphabetic()))
    })
}

/// The way that a parser went: what it made of an input without the texts and numbers in it, and lists cut to what they
/// are of.
fn way(whole: &str) -> String {
    let mut way = String::new();
    let mut is_quoted = false;
    let mut last = ' ';
    for c in whole.chars() {
        match c {
            '"' if last != '\\' => {
                is_quoted = !is_quoted;
                way.push(c);
            }
            _ if is_quoted => {}
            '0'..='9' if last.is_ascii_digit() => {}
            '0'..='9' => way.push('0'),
            _ => way.push(c),
        }
        last = if last == '\\' { ' ' } else { c };
    }
    let mut parts: Vec<&str> = way.split("}, ").collect();
    parts.dedup();
    parts.join("}, ")
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no text").to_owned()
}

/// Resident memory in bytes; `None` where the kernel does not tell.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

#[expect(clippy::disallowed_methods, reason = "a hang is told by real time")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_in_what_is_printed_and_a_hint_is_none() {
        let secret = "sk-or-v1-EXAMPLE0123456789abcdef0123456789abcdef".to_owned();
        let secrets = [secret.clone()];
        for (text, is_leak) in [
            (format!("bad key {secret}"), true),
            ("%20sk-or-v1-EXAMPLEffffffffffffff".to_owned(), true),
            (format!("task{secret}"), false),
            ("sk-or-v1-EXA...cdef".to_owned(), false),
            ("[hidden]".to_owned(), false),
        ] {
            assert_eq!(leaks(&text, &secrets), is_leak, "{text}");
        }
    }

    #[test]
    fn a_way_has_no_texts_numbers_or_lengths() {
        let one = r#"Ok(Page { keys: [Key { id: "a\"b", at: 12 }], next: None })"#;
        let two =
            r#"Ok(Page { keys: [Key { id: "c", at: 7 }, Key { id: "", at: 999 }], next: None })"#;
        assert_eq!(
            way(one),
            way(&two.replace("}, Key { id: \"\", at: 999 }]", "}]"))
        );
        assert_ne!(way(one), way(r#"Ok(Page { keys: [], next: None })"#));
    }
}
