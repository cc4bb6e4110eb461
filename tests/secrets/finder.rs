//! Looks for a secret in a text by undoing every way in which it may be written, not by doing it: so it does not repeat
//! what the program does.

/// Undoes a form.
type Undo = fn(&str) -> String;

/// A text with everything that it may say in another form.
pub(crate) struct Reader {
    forms: Vec<(&'static str, Vec<u8>)>,
}

impl Reader {
    pub(crate) fn new(text: &str) -> Self {
        let undo: [(&str, Undo); 7] = [
            ("as it is", str::to_owned),
            ("in JSON", unescaped),
            ("in JSON in JSON", |text| unescaped(&unescaped(text))),
            ("in a URL", percent_decoded),
            ("in a form", |text| percent_decoded(&text.replace('+', " "))),
            ("in HTML", html_decoded),
            ("in Markdown", |text| text.replace("\\|", "|")),
        ];
        let mut forms: Vec<(&str, Vec<u8>)> = Vec::new();
        for (name, undo) in undo {
            let plain = undo(text);
            if forms.iter().any(|(_, known)| known == plain.as_bytes()) {
                continue;
            }
            forms.push(("in Base64", from_base64(&plain)));
            forms.push((name, plain.into_bytes()));
        }
        Self { forms }
    }

    /// How the secret stands in the text, if it does.
    pub(crate) fn find(&self, secret: &str) -> Option<&'static str> {
        let (first, rest) = secret.as_bytes().split_first().unwrap();
        let has = |bytes: &[u8]| {
            let mut from = 0;
            while let Some(at) = bytes[from..].iter().position(|byte| byte == first) {
                from += at + 1;
                if bytes[from..].starts_with(rest) {
                    return true;
                }
            }
            false
        };
        self.forms.iter().find(|(_, bytes)| has(bytes)).map(|(name, _)| *name)
    }
}

fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text.chars();
    while let Some(letter) = rest.next() {
        if letter != '\\' {
            out.push(letter);
            continue;
        }
        match rest.next() {
            Some('n') => out.push('\n'),
            Some('u') => {
                let digits: String = rest.by_ref().take(4).collect();
                let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                out.push(code.unwrap_or('\u{fffd}'));
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let code = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok()))
            .flatten();
        out.push(code.unwrap_or(bytes[at]));
        at += if code.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn html_decoded(text: &str) -> String {
    [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&#x27;", "'"), ("&amp;", "&")]
        .iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// What every run of letters of Base64 says, read from each of its first four.
fn from_base64(text: &str) -> Vec<u8> {
    let value = |letter: u8| match letter {
        b'A'..=b'Z' => Some(letter - b'A'),
        b'a'..=b'z' => Some(letter - b'a' + 26),
        b'0'..=b'9' => Some(letter - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    };
    let mut all = Vec::new();
    for run in text.as_bytes().split(|letter| value(*letter).is_none()).filter(|run| run.len() > 10) {
        for start in 0..4 {
            for group in run[start..].chunks(4) {
                let number = group
                    .iter()
                    .fold(0_u32, |number, letter| number << 6 | u32::from(value(*letter).unwrap()));
                let number = number << (6 * (4 - group.len()));
                all.extend(number.to_be_bytes().into_iter().skip(1).take(group.len() - 1));
            }
            all.push(0);
        }
    }
    all
}

#[test]
fn a_secret_is_found_however_it_is_written() {
    let secret = "p\"a/s s&<";
    for text in [
        "x p\"a/s s&< y",
        r#"{"a": "x p\"a/s s&< y"}"#,
        r#""{\"a\": \"x p\\\"a/s s&<\"}""#,
        "x%20p%22a%2Fs%20s%26%3C",
        "x+p%22a%2fs+s%26%3c",
        "p&quot;a/s s&amp;&lt;",
        "cCJhL3MgcyY8",
        "YXAiYS9zIHMmPGI=",
        "YWFwImEvcyBzJjxi",
    ] {
        assert!(Reader::new(text).find(secret).is_some(), "{text}");
    }
    assert!(Reader::new("p\"a/s").find(secret).is_none());
    assert!(Reader::new("x cCJhL3M").find(secret).is_none());
}
