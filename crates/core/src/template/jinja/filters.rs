//! Filters of Jinja2 that the engine does not have, or has with another result.

use minijinja::formatting::FormatStyle;
use minijinja::value::{Kwargs, Rest, ValueKind, ValueOrKwargs, from_args};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, Value, escape_formatter};

use super::words;
use crate::python;

/// Filters and tests that Jinja2 does not have: a template that uses them would not work with Runway. Those with another
/// result than Jinja2's are among them (`pprint`).
const FOREIGN_FILTERS: [&str; 6] = ["bool", "chain", "lines", "pprint", "split", "zip"];
const FOREIGN_TESTS: [&str; 4] = ["endingwith", "int", "safe", "startingwith"];

/// Makes the engine's filters and tests those of Jinja2.
pub(super) fn add(environment: &mut Environment<'_>) {
    FOREIGN_FILTERS.iter().for_each(|name| environment.remove_filter(name));
    FOREIGN_TESTS.iter().for_each(|name| environment.remove_test(name));
    environment.add_filter("center", center);
    environment.add_filter("dictsort", dictsort);
    environment.add_filter("e", escape);
    environment.add_filter("escape", escape);
    environment.add_filter("filesizeformat", filesizeformat);
    environment.add_filter("float", float);
    environment.add_filter("forceescape", forceescape);
    environment.add_filter("round", round);
    environment.add_filter("indent", indent);
    environment.add_filter("int", int);
    environment.add_filter("random", random);
    environment.add_filter("striptags", minijinja_contrib::filters::striptags);
    environment.add_filter("tojson", tojson);
    environment.add_filter("truncate", truncate);
    environment.add_filter("urlencode", urlencode);
    environment.add_filter("wordcount", wordcount);
    environment.add_filter("wordwrap", wordwrap);
    environment.add_filter("xmlattr", xmlattr);
    environment.add_test("callable", callable);
    environment.add_test("sequence", sequence);
}

/// An argument that may be given by position or by name.
fn argument<'a, T>(by_position: Option<T>, by_name: &'a Kwargs, name: &'a str) -> Result<Option<T>, Error>
where
    T: minijinja::value::ArgType<'a, Output = T>,
    Option<T>: minijinja::value::ArgType<'a, Output = Option<T>>,
{
    match by_position {
        Some(value) => Ok(Some(value)),
        None => by_name.get(name),
    }
}

fn refused(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

/// Pays for a text before it is made.
pub(super) fn charge(state: &State<'_, '_>, bytes: usize) -> Result<(), Error> {
    state.consume_fuel(u64::try_from(bytes / 64).unwrap_or(u64::MAX))
}

/// Python's `str.center`: of an odd number of blanks the extra one goes to the left if the width is odd.
pub(super) fn centered(state: &State<'_, '_>, text: &str, width: usize, fill: char) -> Result<String, Error> {
    let length = text.chars().count();
    let margin = width.saturating_sub(length);
    charge(state, margin)?;
    let left = margin / 2 + (margin & width & 1);
    let blanks = |count: usize| fill.to_string().repeat(count);
    Ok(format!("{}{text}{}", blanks(left), blanks(margin - left)))
}

fn center(
    state: &State<'_, '_>,
    value: &Value,
    width: Option<usize>,
    named: Kwargs,
) -> Result<String, Error> {
    let width = argument(width, &named, "width")?.unwrap_or(80);
    named.assert_all_used()?;
    centered(state, &value.to_string(), width, ' ')
}

fn dictsort(
    value: &Value,
    case_sensitive: Option<bool>,
    by: Option<String>,
    reverse: Option<bool>,
    named: Kwargs,
) -> Result<Value, Error> {
    let options = [
        ("case_sensitive", Value::from(argument(case_sensitive, &named, "case_sensitive")?.unwrap_or(false))),
        ("by", Value::from(argument(by, &named, "by")?.unwrap_or_else(|| "key".to_owned()))),
        ("reverse", Value::from(argument(reverse, &named, "reverse")?.unwrap_or(false))),
    ];
    named.assert_all_used()?;
    minijinja::filters::dictsort(value, options.into_iter().collect())
}

/// What is no number is 0, as the engine says only with a `default`.
fn float(
    state: &State<'_, '_>,
    value: &Value,
    default: Option<Value>,
    named: Kwargs,
) -> Result<Value, Error> {
    let default = argument(default, &named, "default")?.unwrap_or_else(|| Value::from(0.0));
    minijinja::filters::float(state, value, Some(default), named)
}

fn int(
    state: &State<'_, '_>,
    value: &Value,
    default: Option<Value>,
    base: Option<u32>,
    named: Kwargs,
) -> Result<Value, Error> {
    let default = argument(default, &named, "default")?.unwrap_or_else(|| Value::from(0));
    minijinja::filters::int(state, value, Some(default), base, named)
}

/// With a method the result is a fraction, of whole numbers too.
fn round(
    value: &Value,
    precision: Option<i32>,
    method: Option<String>,
    named: Kwargs,
) -> Result<Value, Error> {
    let method = argument(method, &named, "method")?.unwrap_or_else(|| "common".to_owned());
    let precision = argument(precision, &named, "precision")?;
    let whole = method != "common" && value.is_integer();
    let given = if whole { Value::from(f64::try_from(value.clone())?) } else { value.clone() };
    minijinja::filters::round(given, precision, Some(&method), named)
}

fn filesizeformat(
    state: &State<'_, '_>,
    value: &Value,
    binary: Option<bool>,
    named: Kwargs,
) -> Result<String, Error> {
    let binary = argument(binary, &named, "binary")?.unwrap_or(false);
    let size = f64::try_from(minijinja::filters::float(state, value, None, named)?)?;
    let base = if binary { 1024.0 } else { 1000.0 };
    if size < base {
        return Ok(if size == 1.0 { "1 Byte".to_owned() } else { format!("{} Bytes", size.trunc()) });
    }
    let mut rest = size / base;
    let mut prefixes = "kMGTPEZ".chars();
    let mut prefix = prefixes.next().unwrap_or('k');
    while rest >= base {
        (rest, prefix) = (rest / base, prefixes.next().unwrap_or('Y'));
        if prefix == 'Y' {
            break;
        }
    }
    let prefix = if binary { format!("{}i", prefix.to_ascii_uppercase()) } else { prefix.to_string() };
    Ok(format!("{rest:.1} {prefix}B"))
}

/// Indents by a number of blanks, or by a text.
fn indent(state: &State<'_, '_>, value: &Value, arguments: Rest<ValueOrKwargs>) -> Result<String, Error> {
    let arguments = arguments.into_values();
    let (width, first, blank, named): (Option<Value>, Option<bool>, Option<bool>, Kwargs) =
        from_args(&arguments)?;
    let width = argument(width, &named, "width")?.unwrap_or_else(|| Value::from(4));
    let first = argument(first, &named, "first")?.unwrap_or(false);
    let blank = argument(blank, &named, "blank")?.unwrap_or(false);
    named.assert_all_used()?;
    let text = value.to_string();
    let lines = text.split('\n').count();
    let width = match width.as_str() {
        Some(text) => text.to_owned(),
        None => {
            let count = usize::try_from(width)?;
            charge(state, count.saturating_mul(lines))?;
            " ".repeat(count)
        }
    };
    charge(state, width.len().saturating_mul(lines))?;
    let indented = text.split('\n').enumerate().map(|(index, line)| {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let wanted = if index == 0 { first } else { blank || !line.is_empty() };
        if wanted { format!("{width}{line}") } else { line.to_owned() }
    });
    Ok(indented.collect::<Vec<_>>().join("\n"))
}

fn truncate(value: &Value, arguments: Rest<ValueOrKwargs>) -> Result<String, Error> {
    let arguments = arguments.into_values();
    let (length, killwords, end, leeway, named): (
        Option<usize>,
        Option<bool>,
        Option<String>,
        Option<usize>,
        Kwargs,
    ) = from_args(&arguments)?;
    let length = argument(length, &named, "length")?.unwrap_or(255);
    let killwords = argument(killwords, &named, "killwords")?.unwrap_or(false);
    let end = argument(end, &named, "end")?.unwrap_or_else(|| "...".to_owned());
    let leeway = argument(leeway, &named, "leeway")?.unwrap_or(5);
    named.assert_all_used()?;
    let text = value.to_string();
    if text.chars().count() <= length.saturating_add(leeway) {
        return Ok(text);
    }
    let Some(kept) = length.checked_sub(end.chars().count()) else {
        return Err(refused(format!("`truncate` to {length} characters has no room for \"{end}\"")));
    };
    let cut: String = text.chars().take(kept).collect();
    let cut =
        if killwords { cut.as_str() } else { cut.rsplit_once(' ').map_or(cut.as_str(), |(words, _)| words) };
    Ok(format!("{cut}{end}"))
}

/// Python's notion of it: what has a length and can be indexed, maps and texts too.
fn sequence(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Map | ValueKind::String)
}

/// As MarkupSafe escapes.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\'' => escaped.push_str("&#39;"),
            '"' => escaped.push_str("&#34;"),
            other => escaped.push(other),
        }
    }
    escaped
}

fn escape(value: &Value) -> Value {
    if value.is_safe() { value.clone() } else { forceescape(value) }
}

/// Prints a value as Python does; inside `{% autoescape true %}` as MarkupSafe does.
pub(super) fn print(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    if value.kind() == ValueKind::Number && !value.is_integer() {
        let text = minijinja::formatting::format(FormatStyle::Printf, "%s", std::slice::from_ref(value))?;
        return out.write_str(&text).map_err(|error| Error::new(ErrorKind::WriteFailure, error.to_string()));
    }
    if *state.auto_escape() != AutoEscape::Html || value.is_safe() || value.is_undefined() {
        return escape_formatter(out, state, value);
    }
    let text = escaped(&value.to_string());
    out.write_str(&text).map_err(|error| Error::new(ErrorKind::WriteFailure, error.to_string()))
}

fn forceescape(value: &Value) -> Value {
    Value::from_safe_string(escaped(&value.to_string()))
}

fn random(_: &Value) -> Result<Value, Error> {
    Err(refused("a template must render to the same text every time, so `random` is not supported"))
}

fn wordcount(value: &Value) -> usize {
    let text = value.to_string();
    text.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty()).count()
}

fn wordwrap(value: &Value, arguments: Rest<ValueOrKwargs>) -> Result<String, Error> {
    let arguments = arguments.into_values();
    let (width, break_long_words, wrapstring, break_on_hyphens, named): (
        Option<usize>,
        Option<bool>,
        Option<String>,
        Option<bool>,
        Kwargs,
    ) = from_args(&arguments)?;
    let options = words::Wrap {
        width: argument(width, &named, "width")?.unwrap_or(79),
        break_long_words: argument(break_long_words, &named, "break_long_words")?.unwrap_or(true),
        break_on_hyphens: argument(break_on_hyphens, &named, "break_on_hyphens")?.unwrap_or(true),
    };
    let between = argument(wrapstring, &named, "wrapstring")?.unwrap_or_else(|| "\n".to_owned());
    named.assert_all_used()?;
    if options.width == 0 {
        return Err(refused("the width of `wordwrap` must be at least 1"));
    }
    let text = value.to_string();
    let lines: Vec<String> = text.lines().map(|line| options.lines(line).join(&between)).collect();
    Ok(lines.join(&between))
}

/// A map as attributes of an XML element.
fn xmlattr(value: &Value, autospace: Option<bool>, named: Kwargs) -> Result<String, Error> {
    let autospace = argument(autospace, &named, "autospace")?.unwrap_or(true);
    named.assert_all_used()?;
    let mut attributes = Vec::new();
    for key in value.try_iter()? {
        let item = value.get_item(&key)?;
        if item.is_undefined() || item.is_none() {
            continue;
        }
        let key = key.to_string();
        if key.contains(|c: char| c.is_whitespace() || matches!(c, '/' | '>' | '=')) {
            return Err(refused(format!("`{key}` cannot be the name of an attribute")));
        }
        attributes.push(format!("{}=\"{}\"", escaped(&key), escaped(&item.to_string())));
    }
    let space = if autospace && !attributes.is_empty() { " " } else { "" };
    Ok(format!("{space}{}", attributes.join(" ")))
}

fn urlencode(value: &Value) -> Result<String, Error> {
    let pair = |key: &Value, value: &Value| {
        format!("{}={}", quoted(&key.to_string(), true), quoted(&value.to_string(), true))
    };
    let mut pairs = Vec::new();
    match value.kind() {
        ValueKind::Map => {
            for key in value.try_iter()? {
                pairs.push(pair(&key, &value.get_item(&key)?));
            }
        }
        ValueKind::Seq | ValueKind::Iterable => {
            for item in value.try_iter()? {
                pairs.push(pair(&item.get_item_by_index(0)?, &item.get_item_by_index(1)?));
            }
        }
        _ => return Ok(quoted(&value.to_string(), false)),
    }
    Ok(pairs.join("&"))
}

/// Percent encoding as Jinja2's `url_quote`.
fn quoted(text: &str, in_query: bool) -> String {
    let mut quoted = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b'~' => {
                quoted.push(char::from(byte))
            }
            b'/' if !in_query => quoted.push('/'),
            b' ' if in_query => quoted.push('+'),
            other => quoted.push_str(&format!("%{other:02X}")),
        }
    }
    quoted
}

/// Whether a value can be called: macros and functions, but no data.
fn callable(value: &Value) -> bool {
    value.kind() == ValueKind::Plain
}

/// Python's `json.dumps` with sorted keys, and what matters in HTML escaped (Jinja2 `htmlsafe_json_dumps`).
fn tojson(
    state: &State<'_, '_>,
    value: &Value,
    indent: Option<usize>,
    named: Kwargs,
) -> Result<Value, Error> {
    let indent = argument(indent, &named, "indent")?;
    named.assert_all_used()?;
    if value.is_undefined() {
        return Err(Error::new(ErrorKind::UndefinedError, "it has no JSON form"));
    }
    let mut json = serde_json::to_value(value).map_err(|error| refused(format!("no JSON form: {error}")))?;
    json.sort_all_objects();
    let mut text = python::json(&json, indent.map(|spaces| spaces.min(64)));
    // Outside of texts there are none of these.
    for (character, escaped) in [("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026"), ("'", "\\u0027")] {
        text = text.replace(character, escaped);
    }
    charge(state, text.len())?;
    Ok(Value::from_safe_string(text))
}
