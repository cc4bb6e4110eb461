use std::process::Command;

use super::*;

/// A repository with two commits on `main`, a branch `side`, the tag `v1` on the first commit, and hooks that leave a
/// mark.
struct Origin {
    root: tempfile::TempDir,
}

impl Origin {
    fn new() -> Self {
        let origin = Self { root: tempfile::tempdir().unwrap() };
        fs_err::create_dir(origin.path("origin")).unwrap();
        origin.git(&["init", "-q", "-b", "main"]);
        origin.commit("first");
        origin.git(&["tag", "v1"]);
        origin.git(&["checkout", "-q", "-b", "side"]);
        origin.commit("side");
        origin.git(&["checkout", "-q", "main"]);
        origin.commit("second");
        origin
    }

    fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.root.path()).unwrap().join(name)
    }

    fn git(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=t", "-c", "user.email=t@localhost"]).args(arguments);
        let output = command.current_dir(self.path("origin")).output().unwrap();
        assert!(output.status.success(), "{arguments:?} {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn commit(&self, text: &str) {
        fs_err::write(self.path("origin/file"), text).unwrap();
        self.git(&["add", "file"]);
        self.git(&["commit", "-q", "-m", text]);
    }

    fn uri(&self) -> String {
        format!("file://{}", self.path("origin"))
    }

    async fn package(&self, reference: GitReference) -> Result<Checkout, SourceFailure> {
        package(&self.uri(), &reference, &self.path("packages"), &self.path(""), true).await
    }
}

fn text(checkout: &Checkout) -> String {
    fs_err::read_to_string(checkout.directory.join("file")).unwrap()
}

#[tokio::test]
async fn branches_tags_and_commits_are_checked_out_and_pinned() {
    let origin = Origin::new();
    let first = origin.git(&["rev-parse", "v1"]);
    for (reference, expected) in [
        (GitReference::Head, "second"),
        (GitReference::Branch("side".into()), "side"),
        (GitReference::Tag("v1".into()), "first"),
        (GitReference::Commit(first.clone()), "first"),
        (GitReference::Commit(first[..8].to_uppercase()), "first"),
    ] {
        let checkout = origin.package(reference.clone()).await.unwrap();
        assert_eq!(text(&checkout), expected, "{reference:?}");
        assert_eq!(origin.git(&["rev-parse", &format!("{}^0", checkout.commit)]), checkout.commit);
        assert!(!origin.package(reference).await.unwrap().fetched);
    }
    let directory = origin.package(GitReference::Tag("v1".into())).await.unwrap().directory;
    let expected = format!("{}-v1", origin.uri().replace([':', '/'], "_"));
    assert_eq!(directory.file_name(), Some(expected.as_str()));
    origin.commit("third");
    let newest = origin.package(GitReference::Head).await.unwrap();
    assert_eq!((text(&newest).as_str(), newest.fetched), ("third", true));
}

#[tokio::test]
async fn what_is_pinned_needs_no_network() {
    let origin = Origin::new();
    let commit = origin.git(&["rev-parse", "main"]);
    let pinned = GitReference::Commit(commit);
    origin.package(pinned.clone()).await.unwrap();
    origin.package(GitReference::Tag("v1".into())).await.unwrap();
    fs_err::rename(origin.path("origin"), origin.path("gone")).unwrap();
    assert!(!origin.package(pinned).await.unwrap().fetched);
    assert!(!origin.package(GitReference::Tag("v1".into())).await.unwrap().fetched);
    let failure = origin.package(GitReference::Branch("main".into())).await.unwrap_err();
    assert!(matches!(failure, SourceFailure::Git { .. }), "{failure}");
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let origin = Origin::new();
    for (reference, named) in [
        (GitReference::Branch("v1".into()), "branch `v1`"),
        (GitReference::Tag("main".into()), "tag `main`"),
        (GitReference::Commit("0123456789".into()), "commit `0123456789`"),
    ] {
        let failure = origin.package(reference).await.unwrap_err();
        assert!(failure.to_string().ends_with(named), "{failure}");
    }
    assert!(fs_err::read_dir(origin.path("packages")).unwrap().next().is_none(), "nothing half-done stays");
    let missing = format!("{}x", origin.uri());
    let failure =
        package(&missing, &GitReference::Head, &origin.path("packages"), &origin.path(""), true).await;
    assert!(failure.unwrap_err().to_string().contains("does not appear to be a git repository"));
}

#[tokio::test]
async fn options_and_programs_are_no_addresses_and_no_references() {
    let origin = Origin::new();
    let mark = origin.path("mark");
    let uris = [
        format!("--upload-pack=touch {mark}"),
        format!("-utouch {mark}"),
        format!("ext::sh -c touch% {mark}"),
        format!("ssh://-oProxyCommand=touch${{IFS}}{mark}/x"),
        "a\nb".to_owned(),
        String::new(),
    ];
    for uri in uris {
        for reference in [GitReference::Head, GitReference::Commit("abcdef".into())] {
            let result = package(&uri, &reference, &origin.path("packages"), &origin.path(""), true).await;
            assert!(result.is_err(), "{uri}");
        }
    }
    for name in ["--upload-pack=x", "a b", "a..b", "a^{}", "", "/a", "a\tb", ":a"] {
        for reference in [GitReference::Branch(name.into()), GitReference::Tag(name.into())] {
            let failure = origin.package(reference).await.unwrap_err();
            assert!(matches!(failure, SourceFailure::Reference { .. }), "{name:?} {failure}");
        }
    }
    assert!(matches!(
        origin.package(GitReference::Commit("main".into())).await,
        Err(SourceFailure::Reference { .. })
    ));
    assert!(!mark.exists());
}

#[tokio::test]
async fn names_that_become_equal_are_told_apart() {
    let origin = Origin::new();
    origin.git(&["tag", "a/b", "main"]);
    origin.git(&["tag", "a_b", "side"]);
    let one = origin.package(GitReference::Tag("a/b".into())).await.unwrap();
    let other = origin.package(GitReference::Tag("a_b".into())).await.unwrap();
    assert_eq!((text(&one).as_str(), text(&other).as_str()), ("second", "side"));
    assert_ne!(one.directory, other.directory);
    assert!(!origin.package(GitReference::Tag("a_b".into())).await.unwrap().fetched);
}

#[tokio::test]
async fn concurrent_fetches_end_with_one_checkout() {
    let origin = Origin::new();
    let fetch = || origin.package(GitReference::Tag("v1".into()));
    let (one, two, three) = tokio::join!(fetch(), fetch(), fetch());
    let directories = [one.unwrap().directory, two.unwrap().directory, three.unwrap().directory];
    assert!(directories.iter().all(|directory| *directory == directories[0]));
    assert_eq!(fs_err::read_dir(origin.path("packages")).unwrap().count(), 1);
}

#[tokio::test]
async fn a_module_has_a_location_inside_its_repository() {
    let origin = Origin::new();
    fs_err::create_dir_all(origin.path("origin/infra/app.cfn")).unwrap();
    fs_err::write(origin.path("origin/infra/app.cfn/a.yml"), "namespace: a\n").unwrap();
    std::os::unix::fs::symlink("/etc", origin.path("origin/etc").as_std_path()).unwrap();
    origin.git(&["add", "."]);
    origin.git(&["commit", "-q", "-m", "module"]);
    let cache = origin.path("cache");
    let checkout =
        module("origin", &GitReference::Branch("main".into()), &cache, &origin.path(""), true).await.unwrap();
    let again =
        module("origin", &GitReference::Branch("main".into()), &cache, &origin.path(""), true).await.unwrap();
    assert_eq!((again.fetched, &again.directory), (false, &checkout.directory));
    // The same relative address somewhere else is another repository.
    fs_err::create_dir(origin.path("other")).unwrap();
    let other =
        module("../origin", &GitReference::Branch("main".into()), &cache, &origin.path("other"), true)
            .await
            .unwrap();
    assert!(other.fetched);
    let location = checkout.location("infra/app.cfn").unwrap();
    assert!(location.join("a.yml").is_file());
    assert!(checkout.location("").is_some());
    for outside in ["..", "etc", "nowhere", "file"] {
        assert_eq!(checkout.location(outside), None, "{outside}");
    }
}

#[tokio::test]
async fn hooks_do_not_run_and_credentials_stay_out_of_the_cache() {
    let origin = Origin::new();
    let mark = origin.path("mark");
    let settings = origin.path("settings");
    let hooks = origin.path("hooks");
    fs_err::create_dir(&hooks).unwrap();
    let hook = hooks.join("post-checkout");
    fs_err::write(&hook, format!("#!/bin/sh\ntouch {mark}\n")).unwrap();
    let mut permissions = fs_err::metadata(&hook).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o755);
    fs_err::set_permissions(&hook, permissions).unwrap();
    fs_err::write(
        &settings,
        format!(
            "[core]\n\thooksPath = {hooks}\n[url \"{}\"]\n\tinsteadOf = https://robot:secret@host.invalid/a\n",
            origin.uri()
        ),
    )
    .unwrap();
    // The settings reach git by the environment, so another process is needed.
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sources::git::tests::fetches_with_credentials", "--ignored"])
        .env("GIT_CONFIG_GLOBAL", &settings)
        .env("TEST_PACKAGES", origin.path("packages"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(!mark.exists());
    let directory = fs_err::read_dir(origin.path("packages")).unwrap().next().unwrap().unwrap();
    assert_eq!(directory.file_name(), "https___host.invalid_a-v1");
    let config = fs_err::read_to_string(directory.path().join(".git/config")).unwrap();
    assert!(config.contains("https://host.invalid/a") && !config.contains("secret"), "{config}");
}

#[tokio::test]
#[ignore = "the other half of a test, with its own environment"]
#[expect(clippy::disallowed_methods, reason = "told by the first half")]
async fn fetches_with_credentials() {
    let Ok(packages) = std::env::var("TEST_PACKAGES") else { return };
    let packages = Utf8PathBuf::from(packages);
    let uri = "https://robot:secret@host.invalid/a";
    let checkout = package(uri, &GitReference::Tag("v1".into()), &packages, "/".into(), true).await.unwrap();
    assert_eq!(checkout.uri, "https://host.invalid/a");
    let failure =
        package("https://robot:secret@host.invalid:1/b", &GitReference::Head, &packages, "/".into(), true)
            .await;
    assert!(!failure.unwrap_err().to_string().contains("secret"));
}
