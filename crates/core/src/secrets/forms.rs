//! The forms in which a text stands in other texts.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;

use super::SHORTEST_TEXT;

/// Letters of Base64 that say something of a text by themselves; fewer are found in every other word.
const SHORTEST_CORE: usize = 4;
/// What a URL has in clear anywhere (RFC 3986, "unreserved").
const UNRESERVED: &str = "-._~";

/// Adds `text` and its forms.
pub(super) fn add(text: &str, found: &mut BTreeSet<String>) {
    found.insert(text.to_owned());
    if text.len() < SHORTEST_TEXT {
        return;
    }
    let json = [json(text), ascii_json(text, ""), ascii_json(text, "<>&'")];
    let in_json = json.iter().map(|form| self::json(form)).collect::<Vec<_>>();
    found.extend(html(text));
    found.extend(urls(text));
    found.extend(base64(text.as_bytes()));
    for form in json {
        if form != text {
            found.extend(base64(form.as_bytes()));
            found.extend(urls(&form));
            found.insert(form);
        }
    }
    found.extend(in_json);
}

/// Inside the quotes of JSON.
fn json(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned()
}

/// The same with nothing but ASCII, as Python writes it, and without these letters, as inside of HTML.
fn ascii_json(text: &str, harmful: &str) -> String {
    let mut form = String::new();
    for letter in json(text).chars() {
        if letter.is_ascii() && !harmful.contains(letter) {
            form.push(letter);
        } else {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                let _ = write!(form, "\\u{unit:04x}");
            }
        }
    }
    form
}

/// In HTML and XML, with each of the usual ways to write quotes, and in a cell of a Markdown table.
fn html(text: &str) -> Vec<String> {
    let plain = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let double = plain.replace('"', "&quot;");
    let quotes = ["&#39;", "&#x27;", "&apos;"].map(|quote| double.replace('\'', quote));
    let numbers = plain.replace('"', "&#34;").replace('\'', "&#39;");
    let cell = text.replace('|', "\\|");
    [plain, double, numbers, cell].into_iter().chain(quotes).collect()
}

/// In a URL or a form: programs differ in what they leave as it is, in the case of the digits and in what stands for a
/// space.
fn urls(text: &str) -> Vec<String> {
    let encode = |clear: &str, lower: bool| {
        let mut form = String::new();
        for byte in text.bytes() {
            match byte {
                byte if byte.is_ascii_alphanumeric() || clear.as_bytes().contains(&byte) => {
                    form.push(char::from(byte));
                }
                byte if lower => drop(write!(form, "%{byte:02x}")),
                byte => drop(write!(form, "%{byte:02X}")),
            }
        }
        form
    };
    let mut forms = Vec::new();
    for clear in [UNRESERVED, "-._~/", "-_.!~*'()", "-._*", "-._~!$&'()*+,;=:@/?#[]"] {
        for lower in [false, true] {
            let form = encode(clear, lower);
            forms.push(form.replace("%20", "+"));
            forms.push(form);
        }
    }
    forms
}

/// In Base64 of a longer text, of which it may begin at any place: the letters that are the same whatever stands around
/// it, in both alphabets, and those of the usual one in a URL.
fn base64(bytes: &[u8]) -> Vec<String> {
    let mut forms = Vec::new();
    for before in 0..3 {
        let padded: Vec<u8> = std::iter::repeat_n(0, before).chain(bytes.iter().copied()).collect();
        let letters = encode(&padded);
        // Six bits a letter: the first ones and the last one may have bits of the neighbours.
        let start = (before * 8).div_ceil(6);
        let core = letters.get(start..padded.len() * 8 / 6).unwrap_or_default();
        if core.len() < SHORTEST_CORE {
            continue;
        }
        forms.push(core.replace('+', "-").replace('/', "_"));
        forms.push(core.replace('+', "%2B").replace('/', "%2F"));
        forms.push(core.replace('+', "%2b").replace('/', "%2f"));
        forms.push(core.to_owned());
        if before == 0 {
            // Where nothing follows, with its last letter too.
            forms.push(letters.replace('+', "-").replace('/', "_"));
            forms.push(letters);
        }
    }
    forms
}

/// Base64 without padding.
fn encode(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let at = |index: usize| u32::from(group.get(index).copied().unwrap_or_default());
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for letter in 0..=group.len() {
            let index = bits >> (18 - 6 * letter) & 63;
            text.extend(LETTERS.get(index as usize).map(|letter| char::from(*letter)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_found_wherever_the_text_begins() {
        assert_eq!(encode(b"any carnal pleas"), "YW55IGNhcm5hbCBwbGVhcw");
        assert_eq!(encode(b"any carnal plea"), "YW55IGNhcm5hbCBwbGVh");
        for before in 0..7 {
            for after in 0..4 {
                let around = format!("{}S3cr3t?>{}", "x".repeat(before), "y".repeat(after));
                let whole = encode(around.as_bytes());
                let forms = base64(b"S3cr3t?>");
                assert!(forms.iter().any(|form| whole.contains(form)), "{whole} {forms:?}");
            }
        }
    }

    #[test]
    fn forms_are_those_of_programs() {
        let forms = |text| {
            let mut found = BTreeSet::new();
            add(text, &mut found);
            found
        };
        let found = forms("a\"b/ü <c>");
        for form in [
            "a\"b/ü <c>",
            "a\\\"b/ü <c>",
            "a\\\"b/\\u00fc <c>",
            "a\\\\\\\"b/ü <c>",
            "a%22b%2F%C3%BC%20%3Cc%3E",
            "a%22b/%c3%bc%20%3cc%3e",
            "a%22b%2F%C3%BC+%3Cc%3E",
            "a&quot;b/ü &lt;c&gt;",
        ] {
            assert!(found.contains(form), "{form}: {found:?}");
        }
        assert!(forms("R&D's <b>").contains("R\\u0026D\\u0027s \\u003cb\\u003e"));
        assert_eq!(forms("abc").len(), 1);
    }
}
