//! Looks for a secret in a text by undoing every way in which it may be written, not by doing it: so it does not repeat
//! what the program does.

/// How the secret stands in the text, if it does.
pub(crate) fn find(text: &str, secret: &str) -> Option<&'static str> {
    let forms: [(&str, fn(&str) -> String); 7] = [
        ("as it is", str::to_owned),
        ("in JSON", unescaped),
        ("in JSON in JSON", |text| unescaped(&unescaped(text))),
        ("in a URL", |text| percent_decoded(text)),
        ("in a form", |text| percent_decoded(&text.replace('+', " "))),
        ("in HTML", html_decoded),
        ("in Markdown", |text| text.replace("\\|", "|")),
    ];
    for (name, undo) in forms {
        let plain = undo(text);
        if plain.contains(secret) {
            return Some(name);
        }
        if in_base64(&plain, secret) {
            return Some("in Base64");
        }
    }
    None
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

/// Decodes every run of letters of Base64, from each of its first four.
fn in_base64(text: &str, secret: &str) -> bool {
    let value = |letter: u8| match letter {
        b'A'..=b'Z' => Some(letter - b'A'),
        b'a'..=b'z' => Some(letter - b'a' + 26),
        b'0'..=b'9' => Some(letter - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    };
    text.as_bytes().split(|letter| value(*letter).is_none()).filter(|run| run.len() > secret.len()).any(
        |run| {
            (0..4).any(|start| {
                let bits: Vec<u8> = run.iter().skip(start).filter_map(|letter| value(*letter)).collect();
                let bytes: Vec<u8> = bits
                    .chunks(4)
                    .flat_map(|group| {
                        let number = group.iter().fold(0_u32, |number, bits| number << 6 | u32::from(*bits));
                        let number = number << (6 * (4 - group.len()));
                        number.to_be_bytes().into_iter().skip(1).take(group.len() - 1)
                    })
                    .collect();
                bytes.windows(secret.len()).any(|window| window == secret.as_bytes())
            })
        },
    )
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
        assert!(find(text, secret).is_some(), "{text}");
    }
    assert!(find("p\"a/s", secret).is_none());
    assert!(find("x cCJhL3M", secret).is_none());
}
