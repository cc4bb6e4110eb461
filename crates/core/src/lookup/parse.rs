//! Parsing of lookups: CFNgin's grammar, with places.
//!
//! `${name query}`: the innermost last `${` is closed by the first `}` behind it, so lookups nest in the query. Exactly
//! one run of white space separates name and query. An unclosed `${` or a stray `}` is literal text.

use super::{Expression, LookupCall, Part};
use crate::ident::NodeName;
use crate::text::Span;

/// Lookups that may be open inside one another: resolving them recurses.
pub const DEPTH_LIMIT: usize = 100;

/// More than [`DEPTH_LIMIT`] lookups inside one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooDeep {
    /// Place of the one that is too much.
    pub span: Span,
}

/// Parses a string. `at` gives the place of a byte range of `source` in the document.
///
/// # Errors
/// [`TooDeep`] if lookups are nested too deeply.
pub fn expression(source: &str, at: &dyn Fn(usize, usize) -> Span) -> Result<Expression, TooDeep> {
    let mut stack: Vec<(usize, Vec<Part>)> = Vec::new();
    let mut parts: Vec<Part> = Vec::new();
    let mut position = 0;
    while position < source.len() {
        let rest = &source[position..];
        if rest.starts_with("${") {
            if stack.len() >= DEPTH_LIMIT {
                return Err(TooDeep { span: at(position, 2) });
            }
            stack.push((position, std::mem::take(&mut parts)));
            position += 2;
        } else if rest.starts_with('}') && !stack.is_empty() {
            if let Some((start, outer)) = stack.pop() {
                let inner = std::mem::replace(&mut parts, outer);
                let text = &source[start + 2..position];
                parts.push(Part::Lookup(call(inner, text, at(start, position + 1 - start))));
            }
            position += 1;
        } else {
            let next = rest.char_indices().skip(1).find(|(_, c)| *c == '$' || *c == '}');
            let length = next.map_or(rest.len(), |(index, _)| index);
            push_literal(&mut parts, &rest[..length]);
            position += length;
        }
    }
    // What was opened and never closed is text.
    while let Some((start, mut outer)) = stack.pop() {
        push_literal(&mut outer, &source[start..start + 2]);
        for part in std::mem::take(&mut parts) {
            match part {
                Part::Literal(text) => push_literal(&mut outer, &text),
                lookup @ Part::Lookup(_) => outer.push(lookup),
            }
        }
        parts = outer;
    }
    Ok(Expression { source: source.to_owned(), parts })
}

fn push_literal(parts: &mut Vec<Part>, text: &str) {
    match parts.last_mut() {
        Some(Part::Literal(last)) => last.push_str(text),
        _ if text.is_empty() => {}
        _ => parts.push(Part::Literal(text.to_owned())),
    }
}

/// Splits the inside of `${...}` into name and query.
fn call(mut inner: Vec<Part>, text: &str, span: Span) -> LookupCall {
    let mut name = String::new();
    let name_length = match inner.first_mut() {
        Some(Part::Literal(first)) => {
            let end = first.find(char::is_whitespace).unwrap_or(first.len());
            name.push_str(&first[..end]);
            let gap =
                first[end..].find(|c: char| !c.is_whitespace()).map_or(first.len(), |length| end + length);
            *first = first[gap..].to_owned();
            gap
        }
        _ => 0,
    };
    inner.retain(|part| !matches!(part, Part::Literal(text) if text.is_empty()));
    let source = text.get(name_length..).unwrap_or_default().to_owned();
    LookupCall { name, query: Expression { source, parts: inner }, span }
}

/// The stack an `output` query names: its text up to the first `.` or `::`, unless that part contains a lookup.
pub fn referenced_stack(query: &Expression) -> Option<NodeName> {
    let Some(Part::Literal(first)) = query.parts.first() else { return None };
    let end = match (first.find("::"), first.find('.')) {
        (Some(colons), Some(dot)) => colons.min(dot),
        (Some(at), None) | (None, Some(at)) => at,
        // The name goes on inside a lookup, so it is computed; or the query is of another form, which is told as such.
        (None, None) => return None,
    };
    Some(NodeName::new(first[..end].trim()))
}

/// A query without its arguments, and the arguments by name.
pub type Split<'q> = (&'q str, Vec<(&'q str, &'q str)>);

/// A query without its arguments, and the arguments: `query::name=value,name=value`.
///
/// # Errors
/// The first argument that has no `=`.
pub fn split_arguments(query: &str) -> Result<Split<'_>, String> {
    let Some((query, arguments)) = query.split_once("::") else { return Ok((query, Vec::new())) };
    let parsed = arguments
        .split(',')
        .map(|argument| match argument.split_once('=') {
            Some((name, value)) => Ok((name.trim(), value.trim())),
            None => Err(argument.trim().to_owned()),
        })
        .collect::<Result<_, _>>()?;
    Ok((query, parsed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(source: &str) -> Expression {
        expression(source, &|start, length| Span::new(start, length)).unwrap()
    }

    fn literal(text: &str) -> Part {
        Part::Literal(text.to_owned())
    }

    #[test]
    fn lookups_nest_and_keep_their_places() {
        let parsed = parse("a ${split ,::${output vpc.Subnets}} b");
        let [first, Part::Lookup(split), last] = parsed.parts.as_slice() else { panic!("{parsed:?}") };
        assert_eq!((first, last), (&literal("a "), &literal(" b")));
        assert_eq!((split.name.as_str(), split.span), ("split", Span::new(2, 33)));
        let [prefix, Part::Lookup(output)] = split.query.parts.as_slice() else { panic!("{split:?}") };
        assert_eq!(prefix, &literal(",::"));
        assert_eq!((output.name.as_str(), output.query.source.as_str()), ("output", "vpc.Subnets"));
        assert_eq!(referenced_stack(&output.query), Some("vpc".into()));
    }

    #[test]
    fn what_is_not_closed_is_text() {
        assert_eq!(parse("${output a").parts, [literal("${output a")]);
        assert_eq!(parse("a } b").parts, [literal("a } b")]);
        let parsed = parse("${x ${env A}");
        assert!(matches!(parsed.parts.as_slice(), [Part::Literal(text), Part::Lookup(_)] if text == "${x "));
    }

    #[test]
    fn nesting_has_a_limit() {
        let nested = |depth: usize| format!("{}a{}", "${default x::".repeat(depth), "}".repeat(depth));
        let parsed = |source: String| expression(&source, &Span::new);
        assert!(parsed(nested(DEPTH_LIMIT)).is_ok());
        assert_eq!(parsed(nested(10_000)), Err(TooDeep { span: Span::new(13 * DEPTH_LIMIT, 2) }));
    }

    #[test]
    fn a_computed_name_is_no_reference() {
        let parsed = parse("${output ${env STACK}.Id}");
        let [Part::Lookup(call)] = parsed.parts.as_slice() else { panic!() };
        assert_eq!(referenced_stack(&call.query), None);
        let parsed = parse("${output vpc::Id}");
        let [Part::Lookup(call)] = parsed.parts.as_slice() else { panic!() };
        assert_eq!(referenced_stack(&call.query), Some("vpc".into()));
    }

    #[test]
    fn arguments_are_split_at_the_first_double_colon() {
        assert_eq!(
            split_arguments("a.B::default=x, load = json"),
            Ok(("a.B", vec![("default", "x"), ("load", "json")]))
        );
        assert_eq!(split_arguments("a.B::oops"), Err("oops".to_owned()));
    }

    proptest! {
        #[test]
        fn parsing_never_loses_text(text in "[a-z ${}.:é]{0,40}") {
            let parsed = parse(&text);
            let literal = parsed.parts.iter().all(|part| matches!(part, Part::Literal(_)));
            if literal {
                let joined: String = parsed.parts.iter().map(|part| match part { Part::Literal(text) => text.as_str(), Part::Lookup(_) => "" }).collect();
                prop_assert_eq!(joined, text);
            }
        }
    }
}
