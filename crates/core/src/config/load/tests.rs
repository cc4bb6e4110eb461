use std::fmt::Write as _;

use camino::Utf8Path;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::config::package_sources::{ArchiveKind, GitReference};
use crate::ident::NodeName;

/// Loads a text with the parameters `region` and `size`.
fn read(text: &str) -> (Option<Config>, Findings) {
    let parameters = [("region", json!("eu-west-1")), ("size", json!(3))];
    let parameters = parameters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    load(&Document::new("cfngin.yml", text), &parameters)
}

fn valid(text: &str) -> Config {
    let (config, findings) = read(text);
    assert!(!findings.has_errors(), "{findings:?}");
    config.unwrap()
}

fn codes(text: &str) -> Vec<String> {
    read(text).1.iter().map(Finding::code).collect()
}

/// Every finding as a person sees it, without colours.
fn rendered(name: &str, text: &str) -> String {
    let (_, findings) = load(&Document::new(name, text), &Parameters::new());
    let (errors, warnings) = findings.split();
    let mut out = String::new();
    for finding in errors.iter().chain(&warnings) {
        let handler = miette::NarratableReportHandler::new();
        handler.render_report(&mut out, finding).unwrap();
        writeln!(out, "---").unwrap();
    }
    out
}

#[test]
fn a_full_config_is_read() {
    let config = valid(
        "namespace: Ns.X\nbase: &base {Size: ${size}}\nstacks:\n  vpc: {template_path: t.yml, requires: [], variables: {<<: *base, Az: a}}\n  app:\n    template_path: t.yml\n    stack_name: Custom\n    required_by: [vpc]\n    enabled: no\n    timeout: \"10\"\n    tags: {n: 010}\n",
    );
    let vpc = &config.stacks[&NodeName::from("vpc")];
    assert_eq!(vpc.fqn.as_str(), "ns-x-vpc");
    assert_eq!(vpc.tags["cfngin_namespace"], "Ns.X");
    assert_eq!(vpc.variables.len(), 2);
    let app = &config.stacks[&NodeName::from("app")];
    assert_eq!((app.fqn.as_str(), app.enabled, app.timeout_minutes), ("ns-x-Custom", false, Some(10)));
    assert_eq!(app.tags["n"], "010");
    assert_eq!(config.bucket_name("eu-west-1").unwrap().as_str(), "cfngin-ns-x-eu-west-1");
}

#[test]
fn all_problems_of_a_file_are_found_in_one_pass() {
    let text = "namespace: n\npersistent_graph_keys: k\nstacks:\n  - name: a\n    template_pth: t.yml\n    enabled: maybe\n  - name: a\n    template_path: t.yml\n  - template_path: t.yml\n  - name: b_c\n    template_path: ${missing}\n    variables: {A: \"${ouptut a.b}\", B: \"${ssm x}\"}\n";
    let mut found = codes(text);
    found.sort();
    assert_eq!(
        found,
        [
            "config::duplicate_stack",
            "config::missing_field",
            "config::missing_parameter",
            "config::near_miss",
            "config::stack_name",
            "config::unknown_key",
            "config::wrong_type",
            "lookup::unknown",
        ]
    );
    assert_eq!(read(text).1.exit_code(), crate::exit::ExitCode::Config);
}

#[test]
fn an_empty_list_is_not_an_empty_file() {
    assert!(valid("namespace: n\nstacks:\n").stacks.is_empty());
    assert_eq!(codes(""), ["config::empty"]);
    assert_eq!(codes("[a]\n"), ["config::not_a_map"]);
    assert_eq!(codes("Resources: {}\n"), ["config::is_a_template"]);
}

#[test]
fn five_thousand_stacks_are_read() {
    let mut text = String::from("namespace: n\nstacks:\n");
    for index in 0..5_000 {
        writeln!(
            text,
            "  - name: s{index}\n    template_path: t.yml\n    variables: {{V: \"${{output s0.Id}}\"}}"
        )
        .unwrap();
    }
    assert_eq!(valid(&text).stacks.len(), 5_000);
}

#[test]
fn fixtures_are_valid_or_show_their_problems() {
    insta::glob!("../../../../../fixtures/config", "valid/*.yml", |path| {
        let text = std::fs::read_to_string(path).unwrap();
        let (config, findings) = read(&text);
        let found: Vec<String> = findings.iter().map(Finding::code).collect();
        let config = config.unwrap();
        let stacks: Vec<String> = config
            .stacks
            .values()
            .map(|stack| {
                format!("{} -> {} {:?}", stack.name, stack.fqn, stack.variables.keys().collect::<Vec<_>>())
            })
            .collect();
        insta::assert_debug_snapshot!((found, stacks));
        assert!(!findings.has_errors(), "{findings:?}");
    });
    insta::glob!("../../../../../fixtures/config", "invalid/*.yml", |path| {
        let text = std::fs::read_to_string(path).unwrap();
        let name = Utf8Path::from_path(path).and_then(Utf8Path::file_name).unwrap_or_default();
        insta::assert_snapshot!(rendered(name, &text));
    });
}

proptest! {
    #[test]
    fn no_text_makes_loading_panic(text in "(namespace: n\n)?(stacks:\n)?[ \\-:\\[\\]{}&*$a-z0-9\n#'\"<]{0,80}") {
        let _ = read(&text);
    }

    /// A valid config with one byte changed or lost.
    #[test]
    fn no_mutation_makes_loading_panic(at in 0_usize..300, byte in any::<u8>(), drop in any::<bool>()) {
        let text = "namespace: n\nbase: &b {A: 1}\nstacks:\n  - name: a\n    template_path: t.yml\n    variables: {<<: *b, X: \"${output b.C}\"}\n  - name: b\n    template_path: t.yml\n    requires: [a]\n    tags: {k: v}\n";
        let mut bytes = text.as_bytes().to_vec();
        let at = at % bytes.len();
        if drop { bytes.remove(at); } else { bytes[at] = byte; }
        let _ = read(&String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn lookups_mappings_sources_and_the_raw_config_are_kept() {
    let config = read(
        "namespace: n\nlookups: {mine: lib.Mine}\ntemplate_indent: 2\ncfngin_cache_dir: .cache\nmappings: {Ami: {eu: {\"01\": 017, x: yes}}}\npackage_sources:\n  local: [{source: ../a, configs: [c.yml]}]\n  s3: [{bucket: b, key: x.tar.gz, use_latest: no}]\n  git: [{uri: u, tag: v1}, {uri: v, branch: null}]\nstacks:\n  - {name: a, template_path: t.yml, variables: {V: \"${mine x}\", N: ${size}}}\n",
    )
    .0
    .unwrap();
    assert_eq!(config.lookups["mine"].path, "lib.Mine");
    assert_eq!((config.template_indent, config.cache_directory.as_deref()), (2, Some(".cache".into())));
    assert_eq!(json!(config.mappings), json!({"Ami": {"eu": {"01": 15, "x": true}}}));
    let sources = &config.package_sources;
    assert_eq!(sources.local[0].contents.configs[0].0, "c.yml");
    assert_eq!((sources.s3[0].archive, sources.s3[0].use_latest), (ArchiveKind::TarGzip, false));
    let references: Vec<&GitReference> = sources.git.iter().map(|source| &source.reference).collect();
    assert_eq!(references, [&GitReference::Tag("v1".to_owned()), &GitReference::Head]);
    assert_eq!(config.raw["stacks"][0]["variables"], json!({"V": "${mine x}", "N": 3}));
}

#[test]
fn mistakes_in_sources_and_lookups_are_told() {
    assert_eq!(
        codes(
            "namespace: n\npackage_sources:\n  git: [{uri: u, tag: a, branch: b}, {url: u}]\n  s3: [{bucket: b, key: x.rar}]\n  ftp: []\n"
        ),
        [
            "config::unknown_key",
            "config::archive_kind",
            "config::two_references",
            "config::unknown_key",
            "config::missing_field",
        ]
    );
    assert_eq!(codes("namespace: n\nlookups: {a: 1, b: c}\nmappings: {a: {b: c}}\n").len(), 3);
}
