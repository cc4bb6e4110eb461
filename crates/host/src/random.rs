//! The lookup `random.string`.

use async_trait::async_trait;
use runway_core::registry::{Fetched, LookupFailure, LookupHandler, LookupRequest};
use serde_json::Value;

/// Longest text that is made: more does not fit into a parameter of CloudFormation.
const LONGEST: usize = 4096;

/// The classes of characters: argument, members, and whether they are used by default. (Python's `string` module.)
const CLASSES: [(&str, &str, bool); 4] = [
    ("digits", "0123456789", true),
    ("lowercase", "abcdefghijklmnopqrstuvwxyz", true),
    ("punctuation", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", false),
    ("uppercase", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", true),
];

/// `${random.string <length>::digits=,lowercase=,punctuation=,uppercase=}`: characters from the operating system's
/// source of secrets, with at least one of every class that is on. Such a text is a password more often than not, so it
/// is never shown.
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomString;

#[async_trait]
impl LookupHandler for RandomString {
    async fn fetch(&self, request: &LookupRequest) -> Result<Fetched, LookupFailure> {
        let classes = classes(request)?;
        let length = length(&request.query, classes.len())?;
        let text = generate(&classes, length, &mut source)?;
        Ok(Fetched { value: Value::String(text), secret: true })
    }
}

/// The classes that are on.
fn classes(request: &LookupRequest) -> Result<Vec<&'static str>, LookupFailure> {
    let known = "known are digits, lowercase, punctuation and uppercase, each `true` or `false`";
    if let Some(name) = request.arguments.keys().find(|name| !CLASSES.iter().any(|(known, ..)| known == name))
    {
        return Err(LookupFailure::wrong(format!("`random.string` has no argument `{name}`"), known));
    }
    let mut classes = Vec::new();
    for (name, members, default) in CLASSES {
        let on = match request.arguments.get(name).map(|value| value.to_lowercase()) {
            None => default,
            // What pydantic takes for a boolean.
            Some(value) => match value.as_str() {
                "true" | "t" | "yes" | "y" | "on" | "1" => true,
                "false" | "f" | "no" | "n" | "off" | "0" => false,
                _ => {
                    return Err(LookupFailure::wrong(
                        format!("`{name}={value}` is neither true nor false"),
                        known,
                    ));
                }
            },
        };
        if on {
            classes.push(members);
        }
    }
    if classes.is_empty() {
        return Err(LookupFailure::wrong("no class of characters is on", known));
    }
    Ok(classes)
}

fn length(query: &str, classes: usize) -> Result<usize, LookupFailure> {
    let length = query.trim().parse::<usize>().map_err(|_| {
        let message = format!("`{query}` is no length");
        LookupFailure::wrong(message, "write for example `${random.string 12::punctuation=true}`")
    })?;
    if length < classes {
        // CFNgin would try for ever.
        let message = format!("{length} characters cannot contain one of each of {classes} classes");
        return Err(LookupFailure::wrong(
            message,
            "ask for more characters, or turn classes off, for example `::digits=false`",
        ));
    }
    if length > LONGEST {
        let message = format!("{length} characters are more than a parameter of CloudFormation can have");
        return Err(LookupFailure::wrong(message, format!("ask for at most {LONGEST}")));
    }
    Ok(length)
}

fn source(bytes: &mut [u8]) -> Result<(), LookupFailure> {
    getrandom::fill(bytes).map_err(|error| {
        let message = format!("the operating system gives no random numbers: {error}");
        LookupFailure::wrong(
            message,
            "see whether this process may read the system's source of random numbers",
        )
    })
}

/// Every text that has one of each class is equally likely: texts that lack one are thrown away whole.
fn generate(
    classes: &[&str],
    length: usize,
    source: &mut dyn FnMut(&mut [u8]) -> Result<(), LookupFailure>,
) -> Result<String, LookupFailure> {
    let alphabet = classes.concat().into_bytes();
    // Bytes from here on would make the first characters of the alphabet more likely.
    let limit = 256 - 256 % alphabet.len();
    loop {
        let mut text = String::with_capacity(length);
        while text.len() < length {
            let mut bytes = vec![0; length - text.len()];
            source(&mut bytes)?;
            let fair = bytes.into_iter().map(usize::from).filter(|byte| *byte < limit);
            text.extend(fair.map(|byte| char::from(alphabet[byte % alphabet.len()])));
        }
        if classes.iter().all(|class| text.contains(|c| class.contains(c))) {
            return Ok(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn fetch(query: &str, arguments: &[(&str, &str)]) -> Result<String, LookupFailure> {
        let arguments: BTreeMap<String, String> =
            arguments.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let request = LookupRequest {
            name: "random.string".to_owned(),
            query: query.to_owned(),
            arguments,
            place: Some(1),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let fetched = runtime.block_on(RandomString.fetch(&request))?;
        assert!(fetched.secret);
        Ok(fetched.value.as_str().unwrap().to_owned())
    }

    #[test]
    fn every_class_that_is_on_occurs_and_no_other() {
        for _ in 0..200 {
            let text = fetch("4", &[("punctuation", "True")]).unwrap();
            assert_eq!(text.len(), 4);
            for (_, class, _) in CLASSES {
                assert_eq!(text.chars().filter(|c| class.contains(*c)).count(), 1, "{text}");
            }
            let text = fetch("30", &[("lowercase", "no"), ("digits", "0")]).unwrap();
            assert!(text.chars().all(|c| c.is_ascii_uppercase()) && text.len() == 30, "{text}");
        }
        assert_ne!(fetch("40", &[]).unwrap(), fetch("40", &[]).unwrap());
        assert_eq!(fetch(" 4096 ", &[]).unwrap().len(), 4096);
    }

    #[test]
    fn all_characters_are_equally_likely() {
        // Every byte once, over and over: the counts differ only by what is thrown away.
        let mut next: u8 = 0;
        let mut every_byte = |bytes: &mut [u8]| {
            for byte in bytes {
                *byte = next;
                next = next.wrapping_add(1);
            }
            Ok(())
        };
        let classes: Vec<&str> = CLASSES.iter().map(|(_, members, _)| *members).collect();
        let text = generate(&classes, 94 * 20, &mut every_byte).unwrap();
        for character in classes.concat().chars() {
            assert_eq!(text.chars().filter(|c| *c == character).count(), 20, "{character}");
        }
    }

    #[test]
    fn mistakes_are_told_with_a_remedy() {
        let told = |query: &str, arguments: &[(&str, &str)]| {
            let failure = fetch(query, arguments).unwrap_err();
            format!("{} | {}", failure.message, failure.help.unwrap_or_default())
        };
        insta::assert_snapshot!(told("2", &[]), @"2 characters cannot contain one of each of 3 classes | ask for more characters, or turn classes off, for example `::digits=false`");
        insta::assert_snapshot!(told("many", &[]), @"`many` is no length | write for example `${random.string 12::punctuation=true}`");
        insta::assert_snapshot!(told("-1", &[]), @"`-1` is no length | write for example `${random.string 12::punctuation=true}`");
        insta::assert_snapshot!(told("5000", &[]), @"5000 characters are more than a parameter of CloudFormation can have | ask for at most 4096");
        insta::assert_snapshot!(told("5", &[("digit", "true")]), @"`random.string` has no argument `digit` | known are digits, lowercase, punctuation and uppercase, each `true` or `false`");
        insta::assert_snapshot!(told("5", &[("digits", "maybe")]), @"`digits=maybe` is neither true nor false | known are digits, lowercase, punctuation and uppercase, each `true` or `false`");
        insta::assert_snapshot!(told("5", &[("digits", "f"), ("lowercase", "f"), ("uppercase", "f")]), @"no class of characters is on | known are digits, lowercase, punctuation and uppercase, each `true` or `false`");
    }
}
