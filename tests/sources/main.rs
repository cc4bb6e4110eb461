//! Configs with their package sources and parameters, read here and by the classes of the real CFNgin.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

use std::io::Write as _;
use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use runway_core::config::environment;
use runway_core::config::load::{Parameters, load_merged, wanted};
use runway_core::text::Document;
use runway_host::sources::{Access, Fetched, Fetcher, Known};
use serde_json::{Value, json};

/// What is expected of a case.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Expected {
    /// The same config and the same paths.
    Same,
    /// Both refuse it.
    Refused,
    /// We refuse what CFNgin takes, for a reason given in docs/coming-from-runway.md.
    OnlyOursRefuses,
    /// CFNgin refuses what we take.
    OnlyTheirsRefuses,
    /// Both take it and read different values.
    Different,
}

use Expected::{Different, OnlyOursRefuses, OnlyTheirsRefuses, Refused, Same};

struct Case {
    name: &'static str,
    expected: Expected,
    files: &'static [(&'static str, &'static str)],
}

/// The first file is the config; one that is called `dev.env` is the environment file.
const CASES: &[Case] = &[
    Case {
        name: "maps merge, the config wins, then earlier files",
        expected: Same,
        files: &[
            (
                "c.yml",
                "namespace: own\npackage_sources:\n  local:\n    - {source: ./one, configs: [a.yml, sub/b.yml]}\n    - {source: two, configs: [c.yml], paths: [lib, ./lib/../other]}\nstacks:\n  app: {template_path: t.yml, variables: {A: own}}\ntags: {x: own}\n",
            ),
            (
                "one/a.yml",
                "namespace: a\nservice_role: a\nstacks:\n  app: {variables: {A: a, B: a}, tags: {k: a}}\n  zoo: {template_path: z.yml}\ntags: {x: a, y: a}\n",
            ),
            (
                "one/sub/b.yml",
                "service_role: b\ncfngin_bucket: from-b\nstacks:\n  app: {variables: {B: b, C: [1, 2]}}\n  box: {template_path: b.yml}\n",
            ),
            ("two/c.yml", "cfngin_bucket: from-c\nmappings: {M: {K: {v: 1}}}\n"),
            ("two/lib/x.py", ""),
            ("two/other/x.py", ""),
        ],
    },
    Case {
        name: "lists follow one another, later files first",
        expected: Same,
        files: &[
            (
                "c.yml",
                "namespace: n\npackage_sources: {local: [{source: s, configs: [a.yml, b.yml]}]}\nstacks: [{name: own, template_path: t.yml}]\npre_deploy: [{path: own.hook}]\n",
            ),
            (
                "s/a.yml",
                "stacks: [{name: a, template_path: t.yml, requires: [own]}]\npre_deploy: [{path: a.hook}]\n",
            ),
            ("s/b.yml", "stacks: [{name: b, template_path: t.yml}]\npre_deploy: [{path: b.hook}]\n"),
        ],
    },
    Case {
        name: "another kind of value replaces, null too",
        expected: Same,
        files: &[
            (
                "c.yml",
                "namespace: n\npackage_sources: {local: [{source: s, configs: [a.yml]}]}\nservice_role: null\nx: [1]\ny: {a: 1}\nz: text\nstacks: {}\n",
            ),
            (
                "s/a.yml",
                "service_role: role\nx: {a: 1}\ny: [1]\nz: {b: 2}\nstacks: {a: {template_path: t.yml}}\n",
            ),
        ],
    },
    Case {
        name: "hooks in map form run in the order of their names once something is merged",
        expected: Same,
        files: &[
            (
                "c.yml",
                "namespace: n\npackage_sources: {local: [{source: s, configs: [a.yml]}]}\npre_deploy: {z: {path: own.z}, B: {path: own.b}}\n",
            ),
            ("s/a.yml", "pre_deploy: {m: {path: a.m}, z: {path: a.z, data_key: k}}\n"),
        ],
    },
    Case {
        name: "parameters are put into merged files",
        expected: Same,
        files: &[
            (
                "c.yml",
                "namespace: ${namespace}\npackage_sources: {local: [{source: \"${dir}\", configs: [a.yml]}]}\nstacks: {app: {template_path: t.yml}}\n",
            ),
            (
                "s/a.yml",
                "stacks:\n  app:\n    variables: {Name: \"x-${namespace}\", Out: \"${output b.C}\"}\n    timeout: ${size}\n    enabled: ${flag}\n  b: {template_path: t.yml}\n",
            ),
        ],
    },
    Case {
        name: "a stack that is in two lists",
        expected: Refused,
        files: &[
            (
                "c.yml",
                "namespace: n\npackage_sources: {local: [{source: s, configs: [a.yml]}]}\nstacks: [{name: a, template_path: t.yml}]\n",
            ),
            ("s/a.yml", "stacks: [{name: a, template_path: t.yml}]\n"),
        ],
    },
    Case {
        name: "an empty file merges nothing",
        expected: Same,
        files: &[
            ("c.yml", "namespace: n\npackage_sources: {local: [{source: s, configs: [a.yml]}]}\n"),
            ("s/a.yml", "# nothing\n"),
        ],
    },
    Case {
        name: "a source without paths is a path itself; one that is missing is an error here",
        expected: OnlyOursRefuses,
        files: &[("c.yml", "namespace: n\npackage_sources: {local: [{source: nowhere}]}\n")],
    },
    Case {
        name: "values keep their types",
        expected: Same,
        files: &[(
            "c.yml",
            "namespace: n\na: ${size}\nb: ${flag}\nc: ${list}\nd: ${map}\ne: \"${size}\"\nf: x${size}y\ng: $size\nh: ${SIZE2}\n",
        )],
    },
    Case {
        name: "text is typed again by YAML",
        expected: Same,
        files: &[
            ("dev.env", "zip: 017\nyes: yes\nfloat: 1.50\ntext: a b\n"),
            ("c.yml", "namespace: n\na: ${zip}\nb: ${yes}\nc: ${float}\nd: ${text}\ne: \"${zip}\"\n"),
        ],
    },
    Case {
        name: "null stays null",
        expected: Different,
        files: &[("c.yml", "namespace: n\na: ${nothing}\n")],
    },
    Case {
        name: "a dollar sign for two",
        expected: Same,
        files: &[(
            "c.yml",
            "namespace: n\na: $$x\nb: \"$${size}\"\nc: \"$$$$\"\nd: cost $5\ne: \"${foo-bar}\"\nf: \"${output a.b}\"\n",
        )],
    },
    Case {
        name: "a lookup first, then a missing parameter",
        expected: OnlyOursRefuses,
        files: &[("c.yml", "namespace: n\na: \"${output a.b}\"\nb: ${gone}\n")],
    },
    Case { name: "a missing parameter", expected: Refused, files: &[("c.yml", "namespace: ${gone}\n")] },
    Case {
        name: "a missing parameter in a comment",
        expected: OnlyTheirsRefuses,
        files: &[("c.yml", "namespace: n # ${gone}\n")],
    },
    Case {
        name: "a bare name without a parameter",
        expected: OnlyTheirsRefuses,
        files: &[("c.yml", "namespace: n\na: $gone\n")],
    },
    Case {
        name: "lines of environment files",
        expected: Same,
        files: &[
            (
                "dev.env",
                "# c\n\n  #: x\nurl: http://a:1/b?c=d\nempty:\nspaced : v\nhash: a # b\n k: v  \nquoted: \"q\"\nurl: last\n",
            ),
            ("c.yml", "namespace: n\nu: ${url}\ne: \"${empty}\"\nh: \"${hash}\"\nk: ${k}\nq: ${quoted}\n"),
        ],
    },
    Case {
        name: "a line of an environment file without a colon",
        expected: Refused,
        files: &[("dev.env", "a: b\noops\n"), ("c.yml", "namespace: n\n")],
    },
    Case {
        name: "scalars as YAML 1.1 has them",
        expected: Same,
        files: &[(
            "c.yml",
            "namespace: n\nx: [yes, Off, y, ~, 0o17, 017, 1_000, 12:30:45, 1e3, 1.5, 012345678901, 0x1F, .5, +1, '1', null, 10.0.0.0/16, '', !!str 12]\n",
        )],
    },
    Case {
        name: "merge keys",
        expected: Same,
        files: &[(
            "c.yml",
            "namespace: n\nbase: &b {a: 1, b: 2}\nother: &o {c: 1, b: 4}\nm: {<<: *b, b: 3}\nn: {d: 1, <<: [*b, *o], a: 5}\n",
        )],
    },
    Case {
        name: "a parameter in quotes stays text in merged files too",
        expected: Different,
        files: &[
            ("c.yml", "namespace: n\npackage_sources: {local: [{source: s, configs: [a.yml]}]}\n"),
            ("s/a.yml", "x: \"${size}\"\n"),
        ],
    },
    Case {
        name: "the same key twice",
        expected: OnlyOursRefuses,
        files: &[("c.yml", "namespace: n\na: 1\na: 2\n")],
    },
    Case {
        name: "stacks that are null",
        expected: OnlyTheirsRefuses,
        files: &[("c.yml", "namespace: n\nstacks:\n")],
    },
];

fn parameters() -> Parameters {
    json!({
        "namespace": "ns", "dir": "s", "size": 3, "SIZE2": 4, "flag": true, "list": ["a", 1, true], "map": {"k": [true, "v"]}, "nothing": null
    })
    .as_object()
    .unwrap()
    .clone()
    .into_iter()
    .collect()
}

/// The config as we read it, and the paths of its sources.
async fn ours(directory: &Utf8Path, case: &Case) -> Result<(Value, Vec<Utf8PathBuf>), String> {
    let read = |name: &str| Document::new(name, fs_err::read_to_string(directory.join(name)).unwrap());
    let mut parameters = parameters();
    if directory.join("dev.env").exists() {
        let (values, findings) = environment::parse(&read("dev.env"));
        if findings.has_errors() {
            return Err(format!("{findings:?}"));
        }
        parameters.extend(values.into_iter().map(|(name, value)| (name, Value::String(value))));
    }
    let document = read("c.yml");
    let known = Known::default();
    let fetcher = Fetcher {
        known: &known,
        document: &document,
        directory,
        default_cache: &directory.join("cache"),
        access: Access::Cache,
        shown: &Utf8Path::to_owned,
        progress: &|_| {},
    };
    let fetched = match wanted(&document, &parameters, "dev.env").map_err(|found| format!("{found:?}"))? {
        Some(wanted) => fetcher.fetch(&wanted).await.map_err(|found| format!("{found:?}"))?,
        None => Fetched::default(),
    };
    let (config, findings) = load_merged(&document, &fetched.configs, &parameters, "dev.env");
    if findings.has_errors() {
        return Err(format!("{}: {findings:?}", case.name));
    }
    Ok((config.unwrap().raw, fetched.paths))
}

/// What the real CFNgin makes of all cases.
fn theirs(directories: &[Utf8PathBuf]) -> Vec<Value> {
    let root = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = root.join("target/python/runway/bin/python");
    assert!(python.exists(), "run `cargo xtask python` first: {python} is missing");
    let cases: Vec<Value> = directories
        .iter()
        .map(|directory| {
            let mut case = json!({"directory": directory, "file": "c.yml", "parameters": parameters()});
            if let Ok(text) = fs_err::read_to_string(directory.join("dev.env")) {
                case["environment_file"] = text.into();
            }
            case
        })
        .collect();
    let mut child = Command::new(python)
        .arg(root.join("tests/sources/reference.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(json!(cases).to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn configs_are_read_and_merged_as_the_real_cfngin_does() {
    let root = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(root.path()).unwrap().canonicalize_utf8().unwrap();
    let mut directories = Vec::new();
    for (index, case) in CASES.iter().enumerate() {
        let directory = root.join(index.to_string());
        for (name, text) in case.files {
            fs_err::create_dir_all(directory.join(name).parent().unwrap()).unwrap();
            fs_err::write(directory.join(name), text).unwrap();
        }
        directories.push(directory);
    }
    let theirs = theirs(&directories);
    let mut wrong = Vec::new();
    for ((case, directory), theirs) in CASES.iter().zip(&directories).zip(theirs) {
        let ours = ours(directory, case).await;
        let found = match (&ours, theirs.get("error")) {
            (Err(_), Some(_)) => Refused,
            (Err(_), None) => OnlyOursRefuses,
            (Ok(_), Some(_)) => OnlyTheirsRefuses,
            (Ok((config, paths)), None) => {
                // As texts: the order of fields counts too.
                let texts = (config.to_string(), theirs["config"].to_string());
                let same = texts.0 == texts.1 && json!(paths) == theirs["paths"];
                if same { Same } else { Different }
            }
        };
        if found != case.expected {
            wrong.push(format!("{}: {found:?}\n  ours: {ours:?}\n  theirs: {theirs}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}
