//! Inputs: files of the fixtures with their bytes changed, and texts put together by the grammar of configs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use super::targets::Kind;
use crate::chore::{Failure, root};

/// Longest input, in bytes.
const LONGEST: usize = 16_384;

/// Pieces that mean something to some reader.
const WORDS: [&str; 64] = [
    "${",
    "}",
    "${output a.B}",
    "${default x::y}",
    "${split ,::${env A}}",
    "$$",
    "${region}",
    "$",
    "::",
    "::default=",
    ",load=json",
    ",get=a.b",
    ",transform=bool",
    "&a ",
    "*a",
    "<<: *a",
    "<<: [*a, *b]",
    "!Ref ",
    "!Sub ",
    "!GetAtt a.b",
    "!!str ",
    "!!binary ",
    "|\n  ",
    ">-\n",
    "---\n",
    "...\n",
    "? ",
    ": ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    ",",
    "#",
    "\"",
    "'",
    "\\u00e9",
    "\\",
    "\t",
    "\r\n",
    "\n",
    "\u{feff}",
    "\u{0}",
    "\u{1f600}",
    "é",
    "~",
    "null",
    "0x",
    "1e999",
    "-0",
    ".inf",
    "{{",
    "}}",
    "{%",
    "%}",
    "{#",
    "#}",
    "{% for x in range(9) %}",
    "{% include 'a.j2' %}",
    "{{ x|",
    "|join(",
    "loop.",
    "99999999999999999999",
];

/// Numbers that depend on nothing but the seed (SplitMix64).
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, or 0.
    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit.max(1)).unwrap_or(1)).unwrap_or(0)
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn of<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len()))
    }

    fn word(&mut self) -> &'static str {
        self.of(&WORDS).copied().unwrap_or_default()
    }
}

/// Real files by what reads them.
pub(super) struct Corpus(BTreeMap<Kind, Vec<Vec<u8>>>);

/// Graph objects and environment files, of which there are no fixtures of their own.
const SEEDS: [(Kind, &str); 6] = [
    (
        Kind::Graph,
        "{\n    \"app\": [\n        \"db\",\n        \"vpc\"\n    ],\n    \"db\": [\n        \"vpc\"\n    ],\n    \"vpc\": []\n}",
    ),
    (
        Kind::Graph,
        "{\"a\": [\"b\"], \"b\": [\"a\"], \"a\": []}   runway-rs.0f2f2ac2-3c3e-4a53-8a5d-8e3a0e0f0a11",
    ),
    (
        Kind::Environment,
        "region: eu-west-1\n# comment\nsize: 3\nlist: [a, b]\nname: \"quoted: text\"\n\nurl: http://x/y:z\n",
    ),
    (Kind::Environment, "a: 1\r\nb:\r\nc: {d: e}\n"),
    (Kind::Lookup, "${output vpc.Id::default=${env A::transform=bool}, load=json} and ${split ,::a,b} ${x"),
    (Kind::Lookup, "${default size::${rxref a::B}} ${} ${ a} $${x} }{"),
];

impl Corpus {
    /// The files of `fixtures/`.
    pub(super) fn read() -> Result<Self, Failure> {
        let mut files = Vec::new();
        collect(&root().join("fixtures"), &mut files)?;
        files.sort();
        let mut corpus: BTreeMap<Kind, Vec<Vec<u8>>> = BTreeMap::new();
        for (kind, text) in SEEDS {
            corpus.entry(kind).or_default().push(text.as_bytes().to_vec());
        }
        for path in files {
            let text = fs_err::read(&path)?;
            let place = path.display().to_string();
            if let Some(kind) = kind(&place).filter(|_| text.len() < LONGEST) {
                corpus.entry(kind).or_default().push(text);
            }
        }
        Ok(Self(corpus))
    }

    /// The input of a number: always the same.
    pub(super) fn input(&self, seed: u64, number: u64) -> (Kind, Vec<u8>) {
        let mut chance = Chance::new(seed ^ number.wrapping_mul(0x2545_f491_4f6c_dd1d));
        if chance.one_in(4) {
            return (Kind::Config, config(&mut chance).into_bytes());
        }
        let (kind, mut text) = self.file(&mut chance);
        for _ in 0..=chance.below(6) {
            self.change(&mut text, &mut chance);
        }
        text.truncate(LONGEST);
        (kind, text)
    }

    /// A file as it is; every kind as often as the others.
    fn file(&self, chance: &mut Chance) -> (Kind, Vec<u8>) {
        let kinds: Vec<Kind> = self.0.keys().copied().collect();
        let kind = chance.of(&kinds).copied().unwrap_or(Kind::Config);
        let text = self.0.get(&kind).and_then(|files| chance.of(files)).cloned();
        (kind, text.unwrap_or_default())
    }

    fn change(&self, text: &mut Vec<u8>, chance: &mut Chance) {
        let start = chance.below(text.len());
        let end = (start + 1 + chance.below(24)).min(text.len());
        match chance.below(9) {
            0 => {
                if let Some(byte) = text.get_mut(start) {
                    *byte = u8::try_from(chance.below(256)).unwrap_or(0);
                }
            }
            1 => drop(text.drain(start.min(end)..end)),
            2 | 3 => drop(text.splice(start..start, chance.word().bytes())),
            4 => drop(text.splice(start.min(end)..end, chance.word().bytes())),
            5 => text.truncate(start),
            6 => {
                let piece = text.get(start..end).unwrap_or_default().to_vec();
                let repeated = piece.repeat(1 + chance.below(60));
                drop(text.splice(start..start, repeated));
            }
            7 => {
                let word = chance.word().as_bytes().repeat(1 + chance.below(200));
                drop(text.splice(start..start, word));
            }
            _ => {
                let (_, other) = self.file(chance);
                let from = chance.below(other.len());
                let to = (from + chance.below(200)).min(other.len());
                drop(text.splice(start..start, other[from..to].iter().copied()));
            }
        }
    }
}

/// What reads a file of the fixtures.
fn kind(place: &str) -> Option<Kind> {
    match place {
        _ if place.contains("fixtures/config") => Some(Kind::Config),
        _ if place.contains("fixtures/project") => Some(Kind::Project),
        _ if place.ends_with(".j2") => Some(Kind::Jinja),
        _ if place.ends_with(".env") => Some(Kind::Environment),
        _ if place.ends_with("cfngin.yml") => Some(Kind::Config),
        _ if place.contains("templates/") || place.ends_with("t.yml") => Some(Kind::Template),
        _ if place.ends_with(".yml") || place.ends_with(".json") => Some(Kind::Template),
        _ => None,
    }
}

fn collect(directory: &Path, files: &mut Vec<std::path::PathBuf>) -> Result<(), Failure> {
    for entry in fs_err::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// A text that is nearly a config.
fn config(chance: &mut Chance) -> String {
    let mut text = String::new();
    if !chance.one_in(8) {
        text.push_str("namespace: fuzz\n");
    }
    for _ in 0..chance.below(4) {
        let field = chance.of(&TOP).copied().unwrap_or_default();
        let _ = write!(text, "{field}: ");
        value(&mut text, chance, 1, 3);
        text.push('\n');
    }
    text.push_str("stacks:\n");
    let as_map = chance.one_in(3);
    for index in 0..chance.below(6) {
        let name = chance.of(&["a", "b", "c", "a-1", "é", "${region}"]).copied().unwrap_or_default();
        match as_map {
            true => drop(writeln!(text, "  {name}{index}:")),
            false => drop(writeln!(text, "  - name: {name}{index}")),
        }
        text.push_str("    template_path: t.yml\n");
        for _ in 0..chance.below(5) {
            let field = chance.of(&STACK).copied().unwrap_or_default();
            let _ = write!(text, "    {field}: ");
            value(&mut text, chance, 3, 3);
            text.push('\n');
        }
        if chance.one_in(2) {
            text.push_str("    variables:\n      V: ");
            value(&mut text, chance, 4, 4);
            text.push('\n');
        }
    }
    text
}

const TOP: [&str; 12] = [
    "cfngin_bucket",
    "persistent_graph_key",
    "tags",
    "mappings",
    "lookups",
    "package_sources",
    "pre_deploy",
    "post_destroy",
    "template_indent",
    "anchors: &a {k: v}\nmore",
    "service_role",
    "sys_path",
];

const STACK: [&str; 13] = [
    "requires",
    "required_by",
    "enabled",
    "locked",
    "tags",
    "timeout",
    "stack_name",
    "class_path",
    "description",
    "in_progress_behavior",
    "stack_policy_path",
    "variables",
    "unknown",
];

/// A value in block or flow style, perhaps with anchors, aliases, tags and lookups.
fn value(text: &mut String, chance: &mut Chance, indent: usize, depth: usize) {
    if chance.one_in(12) {
        text.push_str(
            chance.of(&["&a ", "&b ", "!Ref ", "!!str ", "!!int ", "!x "]).copied().unwrap_or_default(),
        );
    }
    let shape = if depth == 0 { 0 } else { chance.below(9) };
    match shape {
        1 => {
            for index in 0..chance.below(4) {
                let _ = write!(text, "\n{}k{index}: ", "  ".repeat(indent));
                value(text, chance, indent + 1, depth - 1);
            }
        }
        2 => {
            for _ in 0..chance.below(4) {
                let _ = write!(text, "\n{}- ", "  ".repeat(indent));
                value(text, chance, indent + 1, depth - 1);
            }
        }
        3 => {
            text.push('[');
            for _ in 0..chance.below(4) {
                value(text, chance, indent, 0);
                text.push_str(", ");
            }
            text.push(']');
        }
        4 => {
            text.push_str("{<<: *a, k: ");
            value(text, chance, indent, 0);
            text.push('}');
        }
        5 => {
            let _ = write!(text, "|\n{}", "  ".repeat(indent));
            lookup(text, chance, 4);
        }
        6 => {
            text.push('"');
            lookup(text, chance, 5);
            text.push('"');
        }
        7 => lookup(text, chance, 3),
        _ => text.push_str(
            chance
                .of(&[
                    "x",
                    "12",
                    "0o17",
                    "010",
                    "yes",
                    "~",
                    "1.5",
                    "*a",
                    "*b",
                    "[a]",
                    "'q'",
                    "${size}",
                    "2020-01-01",
                    "",
                ])
                .copied()
                .unwrap_or_default(),
        ),
    }
}

/// A lookup, perhaps with others in it.
fn lookup(text: &mut String, chance: &mut Chance, depth: usize) {
    let name = chance.of(&["output", "default", "split", "env", "rxref", "cfn", "file", "ssm", "outptu", ""]);
    let _ = write!(text, "${{{} ", name.copied().unwrap_or_default());
    match depth {
        0 => text.push_str("a1.Out"),
        _ if chance.one_in(2) => lookup(text, chance, depth - 1),
        _ => text.push_str(
            chance
                .of(&["a0.Out", "b1.Id::default=x", "x::y", ",::a,b", "a0", ""])
                .copied()
                .unwrap_or_default(),
        ),
    }
    if chance.one_in(3) {
        text.push_str(chance.word());
    }
    if !chance.one_in(10) {
        text.push('}');
    }
}
