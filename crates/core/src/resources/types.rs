//! The generated table of resource types: one sorted line a type, searched where it lies, so that start-up pays nothing.

use super::Replacement;

/// Written by `cargo xtask resource-types`; its first lines tell of what.
const TABLE: &str = include_str!("types.txt");

/// What a line of the table says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    create_only: &'a str,
    conditional: &'a str,
    identifier: &'a str,
    tags: &'a str,
    fixed: &'a str,
}

/// Name and version of the package that the table was made from, and the date of the schemas in it.
#[must_use]
pub fn source() -> &'static str {
    let first = TABLE.split('\n').next().unwrap_or_default();
    let first = first.strip_prefix("# ").unwrap_or(first);
    first.split(';').next().unwrap_or(first)
}

/// Whether the schema of a resource type is known, so that an answer about it is more than a guess.
#[must_use]
pub fn is_known(resource_type: &str) -> bool {
    find(resource_type).is_some()
}

/// The property that holds the tags of a type, and whether they can be updated; `None` if it has none or is not known.
#[must_use]
pub fn tags_property(resource_type: &str) -> Option<(&'static str, bool)> {
    let tags = find(resource_type)?.tags;
    if tags.is_empty() {
        return None;
    }
    Some(tags.strip_suffix('!').map_or((tags, true), |name| (name, false)))
}

impl<'a> Line<'a> {
    fn read(rest: &'a str) -> Self {
        let mut fields = rest.split('\t');
        let mut next = || fields.next().unwrap_or_default();
        Self { create_only: next(), conditional: next(), identifier: next(), tags: next(), fixed: next() }
    }

    /// Whether a property, by its dotted path, cannot differ between two moments in the life of one resource.
    pub(super) fn is_fixed(&self, attribute: &str) -> bool {
        let listed = |paths: &str| paths.split(' ').any(|path| path == attribute);
        !attribute.is_empty() && (listed(self.fixed) || listed(self.create_only))
    }
}

/// The line of a type.
pub(super) fn find(resource_type: &str) -> Option<Line<'static>> {
    find_in(TABLE, resource_type)
}

/// Binary search over the bytes of a sorted table.
fn find_in<'a>(table: &'a str, resource_type: &str) -> Option<Line<'a>> {
    let (mut low, mut high) = (0, table.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let start = table.get(..middle)?.rfind('\n').map_or(0, |end| end + 1);
        let rest = table.get(start..)?;
        let line = rest.split('\n').next().unwrap_or_default();
        // Comments come first, and '#' before every letter.
        let (name, fields) = line.split_once('\t').unwrap_or((line, ""));
        match resource_type.cmp(name) {
            std::cmp::Ordering::Equal => return Some(Line::read(fields)),
            std::cmp::Ordering::Less => high = start,
            std::cmp::Ordering::Greater => low = start + line.len() + 1,
        }
    }
    None
}

/// What the schema says of a change at a path.
pub(super) fn replacement(resource_type: &str, path: &[&str]) -> Replacement {
    let Some(line) = find(resource_type) else { return Replacement::May };
    let nearness = |paths: &str| paths.split(' ').filter_map(|listed| relation(listed, path)).max();
    match (nearness(line.create_only), nearness(line.conditional)) {
        (Some(Relation::Within), _) => Replacement::Will,
        (Some(Relation::Above), _) | (_, Some(_)) => Replacement::May,
        // A part of the identifier that a template sets, and that the schema forgot to call create-only.
        _ if line.identifier.split(' ').any(|part| relation(part, path).is_some()) => Replacement::May,
        _ => Replacement::Never,
    }
}

/// How a changed path lies to a listed one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Relation {
    /// It is an object that contains it.
    Above,
    /// It is the same property, or inside it.
    Within,
}

/// How `path` lies to the dotted path `listed`; `None` if they are apart.
pub(super) fn relation(listed: &str, path: &[&str]) -> Option<Relation> {
    if listed.is_empty() {
        return None;
    }
    let mut own = path.iter();
    for segment in listed.split('.') {
        match own.next() {
            None => return Some(Relation::Above),
            Some(name) if *name == segment => {}
            Some(_) => return None,
        }
    }
    Some(Relation::Within)
}

#[cfg(test)]
pub(super) fn lines() -> impl Iterator<Item = &'static str> {
    TABLE.lines().filter(|line| !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_a_table_is_found_and_nothing_else() {
        let table = "# comment\n# other\nA::B\tx\nA::C\ny::Z\tone two\tthree\tid\tTags!\tid";
        assert_eq!(find_in(table, "A::B").map(|line| line.create_only), Some("x"));
        assert_eq!(find_in(table, "A::C").map(|line| line.create_only), Some(""));
        assert_eq!(find_in(table, "y::Z").map(|line| line.tags), Some("Tags!"));
        for absent in ["", "A", "A::BB", "z", "# other", "#"] {
            let found = find_in(table, absent).filter(|_| !absent.starts_with('#'));
            assert!(found.is_none(), "{absent}");
        }
    }

    #[test]
    fn a_path_lies_within_above_or_apart() {
        assert_eq!(relation("A.B", &["A", "B"]), Some(Relation::Within));
        assert_eq!(relation("A.B", &["A", "B", "C"]), Some(Relation::Within));
        assert_eq!(relation("A.B", &["A"]), Some(Relation::Above));
        assert_eq!(relation("A.B", &["A", "C"]), None);
        assert_eq!(relation("A", &["AB"]), None);
        assert_eq!(relation("", &["A"]), None);
    }
}
