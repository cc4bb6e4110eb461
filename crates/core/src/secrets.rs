//! Keeps secrets out of what is shown.

use crate::registry::HandlerFailure;

/// What is shown in place of a secret.
const HIDDEN: &str = "****";
/// Lines of a secret that are shorter than this are no secrets of their own: `{` and `}` of a JSON document, say.
const SHORTEST_LINE: usize = 6;

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

    /// `text` with the secrets hidden.
    pub fn hide(&self, text: &str) -> String {
        self.texts.iter().fold(text.to_owned(), |text, secret| {
            if text.contains(secret.as_str()) { text.replace(secret.as_str(), HIDDEN) } else { text }
        })
    }

    /// A failure with the secrets hidden: services and programs sometimes repeat what they were sent.
    pub fn hide_in(&self, failure: HandlerFailure) -> HandlerFailure {
        HandlerFailure {
            message: self.hide(&failure.message),
            help: failure.help.map(|help| self.hide(&help)),
            detail: failure.detail.map(|detail| self.hide(&detail)),
            kind: failure.kind,
        }
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
        let failure = HandlerFailure {
            message: "no password".to_owned(),
            help: Some("change the pass".to_owned()),
            detail: Some("MIIEow".to_owned()),
            kind: None,
        };
        let hidden = secrets.hide_in(failure);
        let told = (hidden.message.as_str(), hidden.help.as_deref(), hidden.detail.as_deref());
        assert_eq!(told, ("no ****", Some("change the ****"), Some("****")));
    }
}
