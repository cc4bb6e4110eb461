//! `runway_version`: PEP 440 version specifiers.

use std::cmp::Ordering;

/// A version as PEP 440 has it, without its local part.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Version {
    epoch: u64,
    release: Vec<u64>,
    /// Order of the suffixes: a development release comes before a pre-release, that before the release, that before
    /// its post-releases.
    suffix: Suffix,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Suffix {
    pre: (u8, u64),
    post: i64,
    development: u64,
}

/// No pre-release: behind all of them.
const NO_PRE: (u8, u64) = (9, 0);
/// No development release: behind all of them.
const NO_DEVELOPMENT: u64 = u64::MAX;

impl Version {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        let text = text.strip_prefix('v').unwrap_or(&text);
        let text = text.split('+').next()?;
        let (epoch, text) = match text.split_once('!') {
            Some((epoch, rest)) => (epoch.parse().ok()?, rest),
            None => (0, text),
        };
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (release, mut rest) = (text[..end].trim_end_matches('.'), &text[end..]);
        let release = release.split('.').map(|part| part.parse().ok()).collect::<Option<Vec<u64>>>()?;
        let mut suffix = Suffix { pre: NO_PRE, post: -1, development: NO_DEVELOPMENT };
        while !rest.is_empty() {
            rest = rest.trim_start_matches(['.', '-', '_']);
            let word_end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
            let (word, behind) = rest.split_at(word_end);
            let behind = behind.trim_start_matches(['.', '-', '_']);
            let number_end = behind.find(|c: char| !c.is_ascii_digit()).unwrap_or(behind.len());
            let (number, after) = behind.split_at(number_end);
            if word.is_empty() && number.is_empty() {
                return None;
            }
            let number: u64 = if number.is_empty() { 0 } else { number.parse().ok()? };
            match word {
                "a" | "alpha" => suffix.pre = (0, number),
                "b" | "beta" => suffix.pre = (1, number),
                "c" | "rc" | "pre" | "preview" => suffix.pre = (2, number),
                "post" | "rev" | "r" | "" => suffix.post = i64::try_from(number).ok()?,
                "dev" => suffix.development = number,
                _ => return None,
            }
            rest = after;
        }
        // `1.0.dev1` comes before `1.0a1`.
        if suffix.development != NO_DEVELOPMENT && suffix.pre == NO_PRE && suffix.post < 0 {
            suffix.pre = (0, 0);
            suffix.post = -2;
        }
        Some(Self { epoch, release, suffix })
    }

    fn compare(&self, other: &Self) -> Ordering {
        let part = |version: &Self, at: usize| version.release.get(at).copied().unwrap_or_default();
        let parts = self.release.len().max(other.release.len());
        let release = (0..parts).map(|at| part(self, at).cmp(&part(other, at)));
        let release = release.fold(Ordering::Equal, Ordering::then);
        self.epoch.cmp(&other.epoch).then(release).then(self.suffix.cmp(&other.suffix))
    }

    /// Whether its first numbers are those of `prefix`.
    fn starts_with(&self, prefix: &Self) -> bool {
        let part = |at: usize| self.release.get(at).copied().unwrap_or_default();
        self.epoch == prefix.epoch
            && prefix.release.iter().enumerate().all(|(at, number)| part(at) == *number)
    }
}

/// Whether a version is in a set of specifiers such as `>=1.14.0,<3`. A version alone means exactly this one (Runway).
///
/// # Errors
/// The specifier that is none.
pub(super) fn matches(specifiers: &str, version: &str) -> Result<bool, String> {
    let mut all = true;
    for specifier in specifiers.split(',').map(str::trim).filter(|specifier| !specifier.is_empty()) {
        all &= matches_one(specifier, version).ok_or_else(|| specifier.to_owned())?;
    }
    Ok(all)
}

fn matches_one(specifier: &str, version: &str) -> Option<bool> {
    let operators = ["===", "==", "!=", "~=", "<=", ">=", "<", ">"];
    let operator = operators.into_iter().find(|operator| specifier.starts_with(operator));
    let wanted = operator.map_or(specifier, |operator| &specifier[operator.len()..]).trim();
    let operator = operator.unwrap_or("==");
    let version_text = version;
    let version = Version::parse(version)?;
    if let Some(prefix) = wanted.strip_suffix(".*") {
        let same = version.starts_with(&Version::parse(prefix)?);
        return match operator {
            "==" => Some(same),
            "!=" => Some(!same),
            _ => None,
        };
    }
    if operator == "===" {
        return Some(version_text == wanted);
    }
    let wanted = Version::parse(wanted)?;
    let order = version.compare(&wanted);
    Some(match operator {
        "==" => order.is_eq(),
        "!=" => order.is_ne(),
        "<=" => order.is_le(),
        ">=" => order.is_ge(),
        // A release of the same numbers is neither before nor behind it.
        "<" => order.is_lt(),
        ">" => order.is_gt(),
        _ => {
            let kept = wanted.release.len().checked_sub(1).filter(|kept| *kept > 0)?;
            let prefix = Version { release: wanted.release[..kept].to_vec(), ..wanted };
            order.is_ge() && version.starts_with(&prefix)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specifiers_are_pep_440s() {
        for (specifiers, expected) in [
            ("2.8.4", true),
            ("v2.8.4", true),
            ("==2.8.4", true),
            ("==2.8.4.0", true),
            ("==2.8", false),
            ("==2.*", true),
            ("!=2.8.*", false),
            (">=1.14.0,<3", true),
            (">=1.14.0, <2.0.0", false),
            ("~=2.8", true),
            ("~=2.8.5", false),
            ("~=2.7.1", false),
            (">2.8.4rc1", true),
            ("<2.8.4.post1", true),
            (">2.8.4.dev3", true),
            ("===2.8.4", true),
            ("", true),
        ] {
            assert_eq!(matches(specifiers, "2.8.4"), Ok(expected), "{specifiers}");
        }
        for wrong in ["~=2", ">=2.*", "latest", ">=x", "=2.8.4", "2.8*"] {
            assert!(matches(wrong, "2.8.4").is_err(), "{wrong}");
        }
    }

    #[test]
    fn suffixes_have_an_order() {
        let ordered = ["1.0.dev1", "1.0a1", "1.0b2", "1.0rc1", "1.0", "1.0.post1", "1.1.dev1", "1!0.1"];
        for pair in ordered.windows(2) {
            let [before, after] = pair else { panic!() };
            let parsed = |text: &str| Version::parse(text).unwrap();
            assert_eq!(parsed(before).compare(&parsed(after)), Ordering::Less, "{before} {after}");
        }
    }
}
