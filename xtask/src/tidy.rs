//! The rules of `ARCHITECTURE.md` that a compiler does not check.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::chore::{Failure, cargo, root};

/// Which of our crates each crate may depend on.
const DIRECTIONS: [(&str, &[&str]); 9] = [
    ("runway-store", &[]),
    ("runway-artifacts", &["runway-core", "runway-store"]),
    ("runway-core", &["runway-store"]),
    ("runway-local", &["runway-core", "runway-store"]),
    ("runway-aws", &["runway-core", "runway-store"]),
    ("runway-host", &["runway-core", "runway-store"]),
    (
        "runway-cli",
        &["runway-artifacts", "runway-aws", "runway-core", "runway-host", "runway-local", "runway-store"],
    ),
    ("runway-gh-action", &["runway-core"]),
    ("xtask", &["runway-artifacts", "runway-cli", "runway-core"]),
];

/// Longest source file, in lines: a file should be read in one go.
const LONGEST_FILE: usize = 500;

/// Text that must not occur below a directory, except in the files named, and why.
struct Ban {
    below: &'static str,
    text: &'static str,
    except: &'static [&'static str],
    why: &'static str,
}

const BANS: [Ban; 14] = [
    Ban { below: "crates/core/src", text: "std::fs", except: &[], why: "files arrive through `Files`" },
    Ban { below: "crates/core/src", text: "fs_err", except: &[], why: "files arrive through `Files`" },
    Ban {
        below: "crates/core/src",
        text: "std::env",
        except: &[],
        why: "the environment arrives as a value",
    },
    Ban { below: "crates/core/src", text: "std::process", except: &[], why: "the meaning has no processes" },
    Ban {
        below: "crates/core/src",
        text: "Timestamp::now(",
        except: &[],
        why: "time arrives through `Clock`",
    },
    Ban { below: "crates/core/src", text: "SystemTime", except: &[], why: "time arrives through `Clock`" },
    Ban {
        below: "crates/core/src",
        text: "Instant::now(",
        except: &["crates/core/src/clock.rs"],
        why: "time arrives through `Clock`",
    },
    Ban {
        below: "crates/core/src",
        text: "granit_parser",
        except: &["crates/core/src/yaml/build.rs", "crates/core/src/yaml/comments.rs"],
        why: "one module reads YAML",
    },
    Ban {
        below: "crates/core/src/plan",
        text: "async ",
        except: &[],
        why: "a plan is a pure function of config, graph and world",
    },
    Ban {
        below: "crates/core/src/lock/protocol",
        text: "async ",
        except: &[],
        why: "the protocol has no IO: the explorer drives it too",
    },
    Ban {
        below: "crates/artifacts/src/protocol",
        text: "async ",
        except: &[],
        why: "the protocol has no IO: the explorer drives it too",
    },
    Ban {
        below: "crates/artifacts/src",
        text: "runway_core",
        except: &[
            "crates/artifacts/src/task.rs",
            "crates/artifacts/src/task/arguments.rs",
            "crates/artifacts/src/task/told.rs",
            "crates/artifacts/src/task/words.rs",
            "crates/artifacts/src/document.rs",
            "crates/artifacts/src/document/doctor.rs",
            "crates/artifacts/src/document/markdown.rs",
            "crates/artifacts/src/document/prune.rs",
            "crates/artifacts/src/document/text.rs",
            "crates/artifacts/src/job/yaml.rs",
        ],
        why: "pushes and prunes know nothing of stacks: only the task that pushes does, and what is printed has the form of the rest",
    },
    Ban {
        below: "crates/cli/src",
        text: "std::io::std",
        except: &["crates/cli/src/output.rs", "crates/cli/src/verbosity.rs"],
        why: "one module prints, and the log beside it",
    },
    Ban {
        below: "crates",
        text: "unimplemented!",
        except: &[],
        why: "an honest error stands in for what is missing",
    },
];

/// Checks all rules and names every violation.
///
/// # Errors
/// If there is one, or the workspace cannot be read.
pub(crate) fn run() -> Result<(), Failure> {
    let mut violations = directions()?;
    let mut files = Vec::new();
    for directory in ["crates", "tests", "xtask/src"] {
        collect(&root().join(directory), &mut files)?;
    }
    for file in files {
        let text = fs_err::read_to_string(&file)?;
        let path = file.strip_prefix(root()).unwrap_or(&file).display().to_string();
        let lines = text.lines().count();
        if lines > LONGEST_FILE {
            violations.push(format!("{path}: {lines} lines, more than {LONGEST_FILE}"));
        }
        let tests = path.ends_with("/tests.rs");
        let applies =
            |ban: &&Ban| path.starts_with(ban.below) && !ban.except.contains(&path.as_str()) && !tests;
        for ban in BANS.iter().filter(applies) {
            let found = |line: &&str| line.contains(ban.text) && !line.trim_start().starts_with("//");
            if let Some(number) = text.lines().position(|line| found(&line)) {
                violations.push(format!("{path}:{}: `{}`: {}", number + 1, ban.text, ban.why));
            }
        }
    }
    if violations.is_empty() { Ok(()) } else { Err(format!("tidy:\n{}", violations.join("\n")).into()) }
}

/// Dependencies between our crates, and of them on the AWS SDK.
fn directions() -> Result<Vec<String>, Failure> {
    let output = Command::new(cargo())
        .args(["metadata", "--locked", "--offline", "--no-deps", "--format-version", "1"])
        .current_dir(root())
        .output()?;
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let mut violations = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let Some((_, allowed)) = DIRECTIONS.iter().find(|(known, _)| *known == name) else {
            violations.push(format!("crate {name} is not in the table of dependencies"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let on = dependency["name"].as_str().unwrap_or_default();
            let ours = DIRECTIONS.iter().any(|(known, _)| *known == on);
            let for_tests = dependency["kind"].as_str() == Some("dev");
            if ours && !for_tests && !allowed.contains(&on) {
                violations.push(format!("crate {name} must not depend on {on}"));
            }
            if on.starts_with("aws-") && name != "runway-aws" {
                violations
                    .push(format!("crate {name} must not depend on {on}: only runway-aws speaks to AWS"));
            }
        }
    }
    Ok(violations)
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    for entry in fs_err::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}
