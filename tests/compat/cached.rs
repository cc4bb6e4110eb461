//! What a case leaves in the task cache of its machine: no secret, however it came in.

use std::path::Path;

use regex::Regex;
use runway_core::cache::codec;

use crate::case::{Call, Case};

/// What nobody keeps who heeds secrets: access keys, private keys, tokens.
const DENIED: [&str; 4] = [
    r"\b(AKIA|ASIA)[A-Z0-9]{12,}\b",
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.",
    r"(?i)X-Amz-(Signature|Security-Token)=",
];

/// What was found in the records of one run.
#[derive(Debug, Default)]
pub(crate) struct Looked {
    /// Records and texts.
    pub(crate) records: usize,
    /// What should not be there.
    pub(crate) wrong: Vec<String>,
}

/// Looks at everything that the task cache keeps below a directory.
pub(crate) fn look(case: &Case, place: &Path) -> Looked {
    let mut looked = Looked::default();
    let secrets = secrets(case);
    walk(place, &mut |path| {
        let bytes = std::fs::read(path).unwrap();
        let texts = match codec::decode(&bytes) {
            Ok(index) => {
                index.records.values().map(|record| serde_json::to_string(record).unwrap()).collect()
            }
            Err(_) => vec![String::from_utf8_lossy(&bytes).into_owned()],
        };
        looked.records += texts.len();
        for text in texts {
            looked.wrong.extend(leaks(&text, &secrets).map(|what| {
                format!("the task cache keeps {what} in {}: {text}", path.file_name().unwrap().display())
            }));
        }
    });
    looked
}

/// Calls a function with every file of a task cache.
fn walk(directory: &Path, with: &mut dyn FnMut(&Path)) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            walk(&path, with);
        } else if path.components().any(|part| part.as_os_str() == "runway-rs") {
            with(&path);
        }
    }
}

/// What of it should not be there.
fn leaks<'a>(text: &'a str, secrets: &'a [String]) -> impl Iterator<Item = String> + use<'a> {
    let denied = DENIED.iter().filter(|pattern| Regex::new(pattern).unwrap().is_match(text));
    let known = secrets.iter().filter(|secret| text.contains(secret.as_str()));
    denied.map(|pattern| format!("something like {pattern}")).chain(known.map(|secret| format!("`{secret}`")))
}

/// The secrets of a case: parameters and plain texts that its calls bring into the cloud.
fn secrets(case: &Case) -> Vec<String> {
    let calls = case.before.iter().chain(case.steps.iter().flat_map(|step| &step.calls));
    calls.filter_map(secret).collect()
}

fn secret(call: &Call) -> Option<String> {
    let argument = |name: &str| call.arguments.get(name).and_then(|value| value.as_str());
    let found = match (call.service.as_str(), call.operation.as_str()) {
        ("ssm", "put_parameter") => argument("Value").filter(|_| argument("Type") == Some("SecureString")),
        ("kms", "encrypt") => argument("Plaintext"),
        ("secretsmanager", "create_secret" | "put_secret_value") => argument("SecretString"),
        _ => None,
    };
    found.map(str::to_owned)
}

/// That the look is one: it finds what is put before it.
pub(crate) fn finds_what_is_there() -> bool {
    let secrets = ["hidden".to_owned()];
    let found = |text: &str| leaks(text, &secrets).count() == 1;
    ["{\"inl\": \"hidden\"}", "AKIAIOSFODNN7EXAMPLE", "-----BEGIN RSA PRIVATE KEY-----"]
        .into_iter()
        .all(found)
        && found("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl")
        && leaks("{\"k\": \"0f\", \"sub\": \"ns-a@us-east-1\"}", &secrets).next().is_none()
}
