//! The lookup `file`: the content of a file (or a text) in one of eight codecs.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use camino::Utf8Path;
use regex::Regex;
use serde_json::{Map, Value, json};

use crate::files::{FileError, Files};
use crate::registry::{Fetched, LookupFailure, LookupHandler, LookupRequest, helper_function};
use crate::yaml::{Node, resolve};

/// The codecs, in CFNgin's order.
const CODECS: [&str; 8] = [
    "base64",
    "json",
    "json-parameterized",
    "parameterized",
    "parameterized-b64",
    "plain",
    "yaml",
    "yaml-parameterized",
];

/// What is replaced by a reference to a parameter: `{{Name}}`.
static PARAMETER: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\{\{([:|\w]+)\}\}").ok());

/// `${file <codec>:<text or file://path>}`.
///
/// Where CFNgin gives objects of troposphere, this gives [`PYTHON_VALUE`](crate::registry::PYTHON_VALUE) with what a
/// template says for them, for example `{"Fn::Join": ["", [...]]}`.
pub struct FileLookup {
    files: Arc<dyn Files>,
}

impl FileLookup {
    /// Reads files below the config's directory, or anywhere by absolute paths.
    pub fn new(files: Arc<dyn Files>) -> Self {
        Self { files }
    }

    /// The value of a query.
    ///
    /// # Errors
    /// [`LookupFailure`] if the codec is unknown, the file cannot be read, or its content is not what the codec reads.
    pub fn value(&self, query: &str) -> Result<Value, LookupFailure> {
        let codecs = || format!("the codecs are {}", CODECS.join(", "));
        let Some((codec, source)) = query.split_once(':') else {
            let message = format!("`{query}` is not of the form `codec:file://path`");
            return Err(LookupFailure::wrong(
                message,
                format!("write for example `${{file plain:file://user-data.sh}}`; {}", codecs()),
            ));
        };
        if !CODECS.contains(&codec) {
            return Err(LookupFailure::wrong(format!("there is no codec `{codec}`"), codecs()));
        }
        let text = read_value(source, self.files.as_ref())?;
        match codec {
            "plain" => Ok(Value::String(text)),
            "base64" => Ok(Value::String(base64(text.as_bytes()))),
            "parameterized" => Ok(helper_function(joined(&text))),
            "parameterized-b64" => Ok(helper_function(json!({"Fn::Base64": joined(&text)}))),
            "json" => from_json(&text, source),
            "json-parameterized" => Ok(parameterized(from_json(&text, source)?)),
            "yaml" => from_yaml(&text, source),
            _ => Ok(parameterized(from_yaml(&text, source)?)),
        }
    }
}

#[async_trait]
impl LookupHandler for FileLookup {
    async fn fetch(&self, request: &LookupRequest) -> Result<Fetched, LookupFailure> {
        Ok(Fetched { value: self.value(&request.query)?, secret: false })
    }
}

/// A text as it is, or with the prefix `file://` the content of a file. (CFNgin `read_value_from_path`.)
///
/// # Errors
/// [`LookupFailure`] if there is no such file or it is no text.
pub fn read_value(source: &str, files: &dyn Files) -> Result<String, LookupFailure> {
    let Some(path) = source.strip_prefix("file://") else { return Ok(source.to_owned()) };
    let read = files.read(Utf8Path::new(path)).map_err(|error| {
        let help = match error {
            FileError::Missing(_) => "the path is relative to the directory of the config",
            FileError::Unreadable { .. } => "the path must lead to a file that can be read",
            FileError::NotText(_) => "the file must be UTF-8 text",
        };
        LookupFailure::wrong(error.to_string(), help)
    })?;
    // Python reads text with universal line ends.
    Ok(read.replace("\r\n", "\n").replace('\r', "\n"))
}

/// Names the text of a lookup without quoting it, because it may be long.
fn named(source: &str) -> &str {
    source.strip_prefix("file://").unwrap_or("the text")
}

fn from_json(text: &str, source: &str) -> Result<Value, LookupFailure> {
    serde_json::from_str(text).map_err(|error| {
        LookupFailure::wrong(
            format!("{} is not JSON: {error}", named(source)),
            "correct the file, or use the codec `plain`",
        )
    })
}

fn from_yaml(text: &str, source: &str) -> Result<Value, LookupFailure> {
    let (mut node, mut errors) = Node::parse(text);
    errors.extend(node.as_mut().map(Node::apply_tags).unwrap_or_default());
    match errors.first() {
        None => Ok(node.as_ref().map_or(Value::Null, resolve::value)),
        Some(error) => {
            let message = format!("{} is not plain YAML: {error}", named(source));
            Err(LookupFailure::wrong(
                message,
                "correct the file; tags such as `!Ref` are not known to this codec",
            ))
        }
    }
}

/// Every text in a value with its `{{Name}}` replaced; keys stay.
fn parameterized(value: Value) -> Value {
    match value {
        Value::String(text) => helper_function(joined(&text)),
        Value::Array(items) => items.into_iter().map(parameterized).collect(),
        Value::Object(entries) => Value::Object(
            entries.into_iter().map(|(key, value)| (key, parameterized(value))).collect::<Map<_, _>>(),
        ),
        other => other,
    }
}

/// The text itself, or a join of its pieces and references to parameters.
fn joined(text: &str) -> Value {
    let mut parts: Vec<Value> = Vec::new();
    let mut end = 0;
    for found in PARAMETER.iter().flat_map(|pattern| pattern.captures_iter(text)) {
        let (Some(whole), Some(name)) = (found.get(0), found.get(1)) else { continue };
        parts.push(Value::from(&text[end..whole.start()]));
        parts.push(json!({"Ref": name.as_str()}));
        end = whole.end();
    }
    if parts.is_empty() {
        return Value::from(text);
    }
    parts.push(Value::from(&text[end..]));
    json!({"Fn::Join": ["", parts]})
}

/// Base64 with padding (RFC 4648, section 4).
pub(crate) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let at = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..4 {
            let index = (bits >> (18 - 6 * digit)) & 63;
            let used = digit <= group.len();
            text.push(if used { char::from(ALPHABET[index as usize]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn value(query: &str) -> Result<Value, LookupFailure> {
        let files = BTreeMap::from([
            ("a.txt".into(), "Hello {{Name}}, {{AWS::Region}}!\n".to_owned()),
            ("bad.json".into(), "{\"a\": ".to_owned()),
            ("tags.yml".into(), "a: !Ref x\n".to_owned()),
        ]);
        FileLookup::new(Arc::new(files)).value(query)
    }

    #[test]
    fn texts_are_encoded_with_padding() {
        for (bytes, expected) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("é\u{ff}", "w6nDvw=="),
        ] {
            assert_eq!(base64(bytes.as_bytes()), expected);
        }
    }

    #[test]
    fn parameters_become_references() {
        let join =
            json!({"Fn::Join": ["", ["Hello ", {"Ref": "Name"}, ", ", {"Ref": "AWS::Region"}, "!\n"]]});
        assert_eq!(value("parameterized:file://a.txt").unwrap(), helper_function(join.clone()));
        assert_eq!(
            value("parameterized-b64:file://a.txt").unwrap(),
            helper_function(json!({"Fn::Base64": join}))
        );
        assert_eq!(value("parameterized:{{ spaced }}").unwrap(), helper_function(json!("{{ spaced }}")));
        let nested = value("json-parameterized:{\"{{Key}}\": [\"{{A}}\", 1, null]}").unwrap();
        let a = helper_function(json!({"Fn::Join": ["", ["", {"Ref": "A"}, ""]]}));
        assert_eq!(nested, json!({"{{Key}}": [a, 1, null]}));
    }

    #[test]
    fn mistakes_are_told_with_a_remedy() {
        let told = |query: &str| {
            let failure = value(query).unwrap_err();
            assert!(!failure.missing);
            format!("{} | {}", failure.message, failure.help.unwrap_or_default())
        };
        insta::assert_snapshot!(told("a.txt"), @"`a.txt` is not of the form `codec:file://path` | write for example `${file plain:file://user-data.sh}`; the codecs are base64, json, json-parameterized, parameterized, parameterized-b64, plain, yaml, yaml-parameterized");
        insta::assert_snapshot!(told("text:file://a.txt"), @"there is no codec `text` | the codecs are base64, json, json-parameterized, parameterized, parameterized-b64, plain, yaml, yaml-parameterized");
        insta::assert_snapshot!(told("plain:file://b.txt"), @"no such file: b.txt | the path is relative to the directory of the config");
        insta::assert_snapshot!(told("json:file://bad.json"), @"bad.json is not JSON: EOF while parsing a value at line 1 column 6 | correct the file, or use the codec `plain`");
        insta::assert_snapshot!(told("yaml:file://tags.yml"), @"tags.yml is not plain YAML: the tag `!Ref` has no meaning here | correct the file; tags such as `!Ref` are not known to this codec");
        insta::assert_snapshot!(told("yaml:a: b: c"), @"the text is not plain YAML: not YAML: mapping values are not allowed in this context | correct the file; tags such as `!Ref` are not known to this codec");
    }
}
