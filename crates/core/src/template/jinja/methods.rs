//! Methods of Python's texts, lists and maps.

use minijinja::value::{Tuple, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State, Value};
use minijinja_contrib::pycompat::unknown_method_callback;

use super::filters::{centered, charge};

/// Calls a method of a value that the engine does not know.
pub(super) fn call(
    state: &mut State<'_, '_>,
    value: &Value,
    method: &str,
    arguments: &[Value],
) -> Result<Value, Error> {
    let own = match (value.as_str(), value.kind()) {
        (Some(text), _) => text_method(state, text, method, arguments)?,
        (None, ValueKind::Seq | ValueKind::Iterable) => list_method(value, method, arguments)?,
        (None, ValueKind::Map) if method == "copy" => {
            let () = from_args(arguments)?;
            Some(value.clone())
        }
        _ => None,
    };
    match own {
        Some(result) => Ok(result),
        None => {
            unknown_method_callback(state, value, method, arguments).map_err(|error| match error.kind() {
                ErrorKind::UnknownMethod if error.detail().is_none() => {
                    let message = format!("a {} has no method `{method}`", value.kind());
                    Error::new(ErrorKind::UnknownMethod, message)
                }
                _ => error,
            })
        }
    }
}

fn text_method(
    state: &State<'_, '_>,
    text: &str,
    method: &str,
    arguments: &[Value],
) -> Result<Option<Value>, Error> {
    let padded = |arguments: &[Value]| -> Result<(usize, char, usize), Error> {
        let (width, fill): (usize, Option<char>) = from_args(arguments)?;
        let margin = width.saturating_sub(text.chars().count());
        charge(state, margin)?;
        Ok((width, fill.unwrap_or(' '), margin))
    };
    let blanks = |fill: char, count: usize| fill.to_string().repeat(count);
    let result = match method {
        "center" => {
            let (width, fill, _) = padded(arguments)?;
            Value::from(centered(state, text, width, fill)?)
        }
        "ljust" => {
            let (_, fill, margin) = padded(arguments)?;
            Value::from(format!("{text}{}", blanks(fill, margin)))
        }
        "rjust" => {
            let (_, fill, margin) = padded(arguments)?;
            Value::from(format!("{}{text}", blanks(fill, margin)))
        }
        "zfill" => {
            let (width,): (usize,) = from_args(arguments)?;
            let (_, fill, margin) = padded(&[Value::from(width), Value::from('0')])?;
            let (sign, digits) = text.split_at(usize::from(text.starts_with(['+', '-'])));
            Value::from(format!("{sign}{}{digits}", blanks(fill, margin)))
        }
        "partition" | "rpartition" => {
            let (separator,): (&str,) = from_args(arguments)?;
            let (parts, absent) = match method {
                "partition" => (text.split_once(separator), [text, "", ""]),
                _ => (text.rsplit_once(separator), ["", "", text]),
            };
            let parts = parts.map_or(absent, |(before, behind)| [before, separator, behind]);
            Value::from(Tuple::from(parts.map(Value::from)))
        }
        "rsplit" => rsplit(text, arguments)?,
        "format" => {
            charge(state, widths(text))?;
            return Ok(None);
        }
        "index" | "rindex" => {
            let (part,): (&str,) = from_args(arguments)?;
            let found = if method == "index" { text.find(part) } else { text.rfind(part) };
            let Some(at) = found else {
                return Err(Error::new(
                    ErrorKind::InvalidOperation,
                    format!("`{part}` is not part of the text"),
                ));
            };
            Value::from(text[..at].chars().count())
        }
        "removeprefix" => {
            let (prefix,): (&str,) = from_args(arguments)?;
            Value::from(text.strip_prefix(prefix).unwrap_or(text))
        }
        "removesuffix" => {
            let (suffix,): (&str,) = from_args(arguments)?;
            Value::from(text.strip_suffix(suffix).unwrap_or(text))
        }
        "swapcase" => {
            let () = from_args(arguments)?;
            let swapped = |c: char| match c.is_uppercase() {
                true => c.to_lowercase().collect::<String>(),
                false => c.to_uppercase().collect(),
            };
            Value::from(text.chars().map(swapped).collect::<String>())
        }
        "casefold" => {
            let () = from_args(arguments)?;
            Value::from(text.to_lowercase().replace('ß', "ss"))
        }
        "title" => {
            let () = from_args(arguments)?;
            Value::from(title(text))
        }
        "istitle" => {
            let () = from_args(arguments)?;
            Value::from(text.chars().any(char::is_alphabetic) && title(text) == text)
        }
        "isidentifier" => {
            let () = from_args(arguments)?;
            let letter = |c: char| c.is_alphabetic() || c == '_';
            Value::from(text.starts_with(letter) && text.chars().all(|c| letter(c) || c.is_numeric()))
        }
        "expandtabs" => {
            let (size,): (Option<usize>,) = from_args(arguments)?;
            let size = size.unwrap_or(8);
            charge(state, text.matches('\t').count().saturating_mul(size))?;
            Value::from(expandtabs(text, size))
        }
        "isdecimal" => {
            let () = from_args(arguments)?;
            Value::from(!text.is_empty() && text.chars().all(|c| c.is_ascii_digit()))
        }
        _ => return Ok(None),
    };
    Ok(Some(result))
}

/// The widths and precisions that a format asks for, in bytes: `{:10}`. Numbers elsewhere in braces are indexes.
fn widths(format: &str) -> usize {
    let specifications = format.split('{').filter_map(|field| field.split_once('}')?.0.split_once(':'));
    specifications
        .flat_map(|(_, specification)| specification.split(|c: char| !c.is_ascii_digit()))
        .filter(|digits| !digits.is_empty())
        .fold(0, |all, digits| all.saturating_add(digits.parse().unwrap_or(usize::MAX)))
}

/// `str.title`: every letter that follows no other letter is upper case, all others are lower case.
fn title(text: &str) -> String {
    let mut titled = String::with_capacity(text.len());
    let mut in_word = false;
    for character in text.chars() {
        match (in_word, character) {
            (true, _) => titled.extend(character.to_lowercase()),
            // The only letter that has a title case of its own that is not its upper case.
            (false, 'ß') => titled.push_str("Ss"),
            (false, _) => titled.extend(character.to_uppercase()),
        }
        in_word = character.is_alphabetic();
    }
    titled
}

/// `str.expandtabs`: blanks up to the next column that is a multiple of `size`.
fn expandtabs(text: &str, size: usize) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut column: usize = 0;
    for character in text.chars() {
        match character {
            '\t' => {
                let blanks = size.saturating_sub(column.checked_rem(size).unwrap_or(0));
                expanded.push_str(&" ".repeat(blanks));
                column += blanks;
            }
            '\n' | '\r' => {
                expanded.push(character);
                column = 0;
            }
            _ => {
                expanded.push(character);
                column += 1;
            }
        }
    }
    expanded
}

/// `str.rsplit`: the last parts, in order.
fn rsplit(text: &str, arguments: &[Value]) -> Result<Value, Error> {
    let (separator, limit): (Option<&str>, Option<i64>) = from_args(arguments)?;
    let count = limit
        .and_then(|limit| usize::try_from(limit).ok())
        .map_or(usize::MAX, |limit| limit.saturating_add(1));
    let mut parts: Vec<&str> = match separator {
        Some("") => return Err(Error::new(ErrorKind::InvalidOperation, "the separator is empty")),
        Some(separator) => text.rsplitn(count, separator).collect(),
        None => {
            let mut rest = text.trim_end();
            let mut parts = Vec::new();
            while !rest.is_empty() {
                match rest.rfind(char::is_whitespace).filter(|_| parts.len() + 1 < count) {
                    Some(at) => {
                        parts.push(rest[at..].trim_start());
                        rest = rest[..at].trim_end();
                    }
                    None if parts.len() + 1 < count => {
                        parts.push(rest);
                        rest = "";
                    }
                    None => {
                        parts.push(rest.trim_end());
                        rest = "";
                    }
                }
            }
            parts
        }
    };
    parts.reverse();
    Ok(parts.into_iter().map(Value::from).collect())
}

fn list_method(value: &Value, method: &str, arguments: &[Value]) -> Result<Option<Value>, Error> {
    match method {
        "index" => {
            let (wanted,): (&Value,) = from_args(arguments)?;
            match value.try_iter()?.position(|item| item == *wanted) {
                Some(at) => Ok(Some(Value::from(at))),
                None => {
                    Err(Error::new(ErrorKind::InvalidOperation, format!("{wanted:?} is not in the list")))
                }
            }
        }
        "count" => {
            let (wanted,): (&Value,) = from_args(arguments)?;
            Ok(Some(Value::from(value.try_iter()?.filter(|item| item == wanted).count())))
        }
        "copy" => {
            let () = from_args(arguments)?;
            Ok(Some(value.clone()))
        }
        _ => Ok(None),
    }
}
