//! Names that AWS takes.

/// Why CloudFormation refuses a stack name; `None` if it takes it (API reference, CreateStack, `StackName`).
pub(super) fn invalid_stack_name(name: &str) -> Option<&'static str> {
    if name.len() > 128 {
        Some("it is longer than 128 characters")
    } else if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        Some("it must start with a letter")
    } else if name.contains('_') {
        Some("underscores are not allowed")
    } else if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        Some("only letters, digits and dashes are allowed")
    } else {
        None
    }
}

/// Why S3 refuses a bucket name; `None` if it takes it (S3 user guide, "General purpose bucket naming rules").
pub(super) fn invalid_bucket_name(name: &str) -> Option<&'static str> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if !(3..=63).contains(&name.len()) {
        Some("it must have 3 to 63 characters")
    } else if !name.chars().all(|c| inner(c) || matches!(c, '-' | '.')) {
        Some("only lower-case letters, digits, dashes and dots are allowed")
    } else if !name.starts_with(inner) || !name.ends_with(inner) {
        Some("it must start and end with a letter or a digit")
    } else if name.contains("..") {
        Some("two dots must not follow each other")
    } else if name.parse::<std::net::Ipv4Addr>().is_ok() {
        Some("it must not look like an IP address")
    } else if ["xn--", "sthree-"].iter().any(|prefix| name.starts_with(prefix)) {
        Some("the prefixes `xn--` and `sthree-` are reserved")
    } else if ["-s3alias", "--ol-s3"].iter().any(|suffix| name.ends_with(suffix)) {
        Some("the suffixes `-s3alias` and `--ol-s3` are reserved")
    } else {
        None
    }
}

/// Whether a bucket of this name may exist since before March 2018, when us-east-1 allowed more (S3 user guide).
pub(super) fn was_valid_bucket_name(name: &str) -> bool {
    let old = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    (3..=255).contains(&name.len()) && name.chars().all(old)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_names_follow_the_rules_of_s3() {
        for name in ["abc", "a.b-c.1", "cfngin-dev-eu-west-1"] {
            assert_eq!(invalid_bucket_name(name), None, "{name}");
        }
        let long = "a".repeat(64);
        for name in ["ab", &long, "Abc", "a_b", "-ab", "ab-", "a..b", "10.0.0.1", "xn--abc", "abc-s3alias"] {
            assert!(invalid_bucket_name(name).is_some(), "{name}");
        }
    }
}
