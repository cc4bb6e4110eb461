//! `AllowedPattern` of a template's parameter: a regular expression of Java's kind.

use regex::Regex;

/// What a pattern says about a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// The whole text matches.
    Yes,
    /// It does not.
    No,
    /// The pattern uses what Java has and this program lacks, such as look-around: only CloudFormation can tell.
    Unknown,
    /// It is no pattern at all.
    Malformed,
}

/// Holds a text against a pattern.
pub fn allows(pattern: &str, text: &str) -> Match {
    match Regex::new(&format!("^(?:{pattern})$")) {
        Ok(expression) if expression.is_match(text) => Match::Yes,
        Ok(_) => Match::No,
        Err(error) => {
            // The crate tells what it lacks from what is wrong only in words.
            let words = error.to_string();
            let lacks =
                ["not supported", "unrecognized escape", "Unicode", "unrecognized flag", "size limit"];
            if lacks.iter().any(|lack| words.contains(lack)) { Match::Unknown } else { Match::Malformed }
        }
    }
}

/// A `Number` as CloudFormation takes it: neither infinite nor `NaN`.
pub fn number(text: &str) -> Option<f64> {
    text.trim().parse::<f64>().ok().filter(|number| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_java_are_told_from_mistakes() {
        assert_eq!(allows("[a-z]+", "abc"), Match::Yes);
        assert_eq!(allows("a|b", "ab"), Match::No);
        for foreign in
            ["(?=.*[0-9]).+", "(?!x).*", "(?<=a)b", r"(a)\1", r"\h+", r"\p{javaLowerCase}+", "(?>a+)b"]
        {
            assert_eq!(allows(foreign, "abc"), Match::Unknown, "{foreign}");
        }
        for malformed in ["[a-z", "(a", "a)", "*", "a{2,1}", "[z-a]"] {
            assert_eq!(allows(malformed, "abc"), Match::Malformed, "{malformed}");
        }
    }

    #[test]
    fn numbers_are_finite() {
        assert_eq!(number(" 1.5 "), Some(1.5));
        for odd in ["", "x", "NaN", "inf", "-infinity"] {
            assert_eq!(number(odd), None, "{odd}");
        }
    }
}
