//! Names as clusters take them.

use runway_store::ContentDigest;

/// Digits of the digest that tells apart names that differ only in what cannot stay.
const DIGITS: usize = 8;

fn fits(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
}

/// Whether a text is a label of DNS: lower-case letters, digits and hyphens, at most 63, none of the hyphens at an end.
pub fn is_label(text: &str) -> bool {
    let ends = |byte: Option<u8>| byte.is_some_and(|byte| byte != b'-');
    text.len() <= 63 && text.bytes().all(fits) && ends(text.bytes().next()) && ends(text.bytes().next_back())
}

/// Whether a text is labels with points between them, at most 253 bytes.
pub fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label)
}

/// A label of at most so many bytes, as like a name as possible. Names that had to be changed get a digest, so that
/// different ones stay different.
pub fn label(name: &str, most: usize) -> String {
    let most = most.min(63);
    if name.len() <= most && is_label(name) {
        return name.to_owned();
    }
    let digest = ContentDigest::of(name.as_bytes()).to_string();
    let digest = digest.get(..DIGITS).unwrap_or_default();
    let changed: String = name
        .to_ascii_lowercase()
        .chars()
        .map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' })
        .take(most.saturating_sub(DIGITS + 1))
        .collect();
    match changed.trim_matches('-') {
        "" => format!("a{digest}"),
        changed => format!("{changed}-{digest}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fitting_names_stay_as_they_are() {
        for name in ["myapp", "my-app-2", "0"] {
            assert_eq!(label(name, 40), name);
        }
        for wrong in ["", "-a", "a-", "A", "a.b", "a_b"] {
            assert!(!is_label(wrong), "{wrong}");
        }
        assert!(is_subdomain("a.b-c") && !is_subdomain("a..b") && !is_subdomain(""));
    }

    #[test]
    fn names_that_were_changed_stay_different() {
        let labels =
            ["My.App", "my.app", "my_app", "my-app", "my-app-", "MY-APP"].map(|name| label(name, 40));
        let different: std::collections::BTreeSet<_> = labels.iter().collect();
        assert_eq!(different.len(), labels.len(), "{labels:?}");
    }

    proptest! {
        #[test]
        fn every_name_of_an_app_gives_a_label(name in "[A-Za-z0-9][A-Za-z0-9._-]{0,127}", most in 12_usize..=63) {
            let label = label(&name, most);
            prop_assert!(is_label(&label) && label.len() <= most, "{label}");
        }
    }
}
