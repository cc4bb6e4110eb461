//! Keeps secrets out of what is shown.

use serde_json::Value;

/// What is shown in place of a secret.
const HIDDEN: &str = "****";
/// Lines of a secret that are shorter than this are no secrets of their own: `{` and `}` of a JSON document, say.
const SHORTEST_LINE: usize = 6;
/// Of texts in a secret value that are shorter than this nothing could be read any more.
const SHORTEST_TEXT: usize = 4;

/// Adds the texts in a secret value that are worth hiding, those of a JSON document in it too.
pub fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) if text.len() >= SHORTEST_TEXT => {
            found.push(text.clone());
            if let Some(document) = text.starts_with(['{', '[']).then(|| serde_json::from_str(text).ok()) {
                document.iter().for_each(|document| texts(document, found));
            }
        }
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(entries) => entries.values().for_each(|item| texts(item, found)),
        _ => {}
    }
}

/// Texts that must not be shown.
#[derive(Debug, Default)]
pub struct Secrets {
    texts: Vec<String>,
}

impl Secrets {
    /// `secrets`, and their lines, since output is shown line by line.
    pub fn new(secrets: &[String]) -> Self {
        let mut texts: Vec<String> = secrets
            .iter()
            .filter(|secret| !secret.is_empty())
            .flat_map(|secret| {
                let lines = secret.lines().map(str::trim).filter(|line| line.len() >= SHORTEST_LINE);
                std::iter::once(secret.as_str()).chain(lines).map(str::to_owned)
            })
            .collect();
        // Longest first: a secret may be part of another one.
        texts.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        texts.dedup();
        Self { texts }
    }

    /// Whether there is any of them in `text`.
    pub fn are_in(&self, text: &str) -> bool {
        self.texts.iter().any(|secret| text.contains(secret.as_str()))
    }

    /// `text` with the secrets hidden.
    pub fn hide(&self, text: &str) -> String {
        self.texts.iter().fold(text.to_owned(), |text, secret| {
            if text.contains(secret.as_str()) { text.replace(secret.as_str(), HIDDEN) } else { text }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_also_line_by_line_and_inside_one_another() {
        let secrets = Secrets::new(&[
            "pass".to_owned(),
            "password".to_owned(),
            String::new(),
            "-----\nMIIEow\n".to_owned(),
        ]);
        assert_eq!(secrets.hide("a password, a pass"), "a ****, a ****");
        assert_eq!(secrets.hide("key MIIEow"), "key ****");
        assert_eq!(secrets.hide("nothing"), "nothing");
    }
}
