//! Names of directories in the cache, and names of sources in messages.

use sha2::{Digest as _, Sha256};

/// Longest name of a directory, in bytes; file systems take 255.
const LONGEST: usize = 200;

/// A text as a directory name (CFNgin): `@`, `/` and `:` become `_`.
pub(super) fn sanitized(text: &str) -> String {
    let name = text.replace(['@', '/', ':'], "_");
    if name.len() <= LONGEST {
        return name;
    }
    let cut = (0..=LONGEST).rev().find(|at| name.is_char_boundary(*at)).unwrap_or(0);
    format!("{}-{}", &name[..cut], fingerprint(&name))
}

/// Eight hexadecimal digits that tell apart what the rules of names make equal.
pub(super) fn fingerprint(text: &str) -> String {
    Sha256::digest(text).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

/// An address without credentials, and the credentials: the user and password of HTTP, the password of others.
pub(super) fn without_credentials(uri: &str) -> (String, Vec<String>) {
    let Some((scheme, rest)) = uri.split_once("://") else { return (uri.to_owned(), Vec::new()) };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let Some((user, host)) = rest[..end].rsplit_once('@') else { return (uri.to_owned(), Vec::new()) };
    let path = &rest[end..];
    let password = user.split_once(':').map(|(_, password)| password.to_owned());
    if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") {
        let mut secrets = vec![user.to_owned()];
        secrets.extend(password);
        return (format!("{scheme}://{host}{path}"), secrets);
    }
    match password {
        Some(password) => {
            let name = user.split(':').next().unwrap_or_default();
            (format!("{scheme}://{name}@{host}{path}"), vec![password])
        }
        None => (uri.to_owned(), Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_taken_out_of_addresses() {
        let cases = [
            ("https://h/a.git", "https://h/a.git", vec![]),
            ("https://token@h/a.git", "https://h/a.git", vec!["token"]),
            ("https://u:p@w@h:1/a@b.git", "https://h:1/a@b.git", vec!["u:p@w", "p@w"]),
            ("ssh://git@h/a.git", "ssh://git@h/a.git", vec![]),
            ("ssh://git:pw@h/a.git", "ssh://git@h/a.git", vec!["pw"]),
            ("git@h:a/b.git", "git@h:a/b.git", vec![]),
            ("/srv/a@b", "/srv/a@b", vec![]),
        ];
        for (uri, public, secrets) in cases {
            let expected = (public.to_owned(), secrets.into_iter().map(str::to_owned).collect());
            assert_eq!(without_credentials(uri), expected, "{uri}");
        }
    }

    #[test]
    fn long_names_are_cut_and_stay_different() {
        let (one, other) = (sanitized(&"a".repeat(300)), sanitized(&"a".repeat(301)));
        assert!(one.len() < 255 && one != other);
    }
}
