//! The data file of resource types: what of them can only be set at creation, from the schemas inside `cfn-lint`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::chore::{Failure, root, say};

/// The file, beside the module that reads it.
const FILE: &str = "crates/core/src/resources/types.txt";

/// The region whose schema of a type counts; other regions add the types that it lacks.
const FIRST_REGION: &str = "us-east-1.json";

/// Writes the file of resource types from the installed package, or checks it.
///
/// With `check` and without the package there is nothing to compare with, which is said and is no failure: only the
/// tests against the emulator install it.
///
/// # Errors
/// If the package is needed and missing or unreadable, or the file is not what it yields.
pub(crate) fn run(check: bool) -> Result<(), Failure> {
    let Some(packages) = packages() else {
        if check {
            say("cfn-lint is not installed: the resource types were not checked");
            return Ok(());
        }
        return Err("cfn-lint is not installed; `cargo xtask test` installs it with the emulator".into());
    };
    let text = table(&packages)?;
    let place = root().join(FILE);
    if fs_err::read_to_string(&place).ok().as_deref() == Some(text.as_str()) {
        return Ok(());
    }
    if check {
        return Err(format!("not up to date: {FILE}; run `cargo xtask resource-types`").into());
    }
    fs_err::write(&place, text)?;
    say(&format!("wrote {FILE}"));
    Ok(())
}

/// The directory of installed packages that has cfn-lint: that of the emulator.
fn packages() -> Option<PathBuf> {
    let libraries = root().join("target/python/moto/lib");
    let pythons = fs_err::read_dir(libraries).ok()?.flatten();
    pythons.map(|python| python.path().join("site-packages")).find(|place| place.join("cfnlint").is_dir())
}

fn table(packages: &Path) -> Result<String, Failure> {
    let schemas = packages.join("cfnlint/data/schemas");
    let date = json(&schemas.join("version.json"))?;
    let mut text = format!(
        "# cfn-lint {}, schemas of {}; written by `cargo xtask resource-types`\n\
         # type, create-only paths, conditionally create-only paths, primary identifier, tags (! if they cannot be \
         updated), its fixed attributes\n",
        version(packages)?,
        date["schema_date"].as_str().unwrap_or("unknown date"),
    );
    for (kind, file) in types(&schemas)? {
        let schema = json(&schemas.join("resources").join(format!("{file}.json")))?;
        let _ = writeln!(text, "{kind}\t{}", describe(&schema));
    }
    Ok(text)
}

/// The version that pip recorded.
fn version(packages: &Path) -> Result<String, Failure> {
    for entry in fs_err::read_dir(packages)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let version = name.strip_prefix("cfn_lint-").and_then(|rest| rest.strip_suffix(".dist-info"));
        if let Some(version) = version {
            return Ok(version.to_owned());
        }
    }
    Err(format!("no version of cfn-lint in {}", packages.display()).into())
}

/// Each type with the name of its schema. Types of SAM are left out: their schemas do not say what is create-only.
fn types(schemas: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let mut regions: Vec<PathBuf> = fs_err::read_dir(schemas.join("providers"))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .filter(|path| path.file_name().is_some_and(|name| name != "sam.json"))
        .collect();
    regions.sort_by_key(|path| (path.file_name().is_some_and(|name| name != FIRST_REGION), path.clone()));
    let mut types = BTreeMap::new();
    for region in regions {
        for (kind, file) in json(&region)?.as_object().into_iter().flatten() {
            if let Some(file) = file.as_str() {
                types.entry(kind.clone()).or_insert_with(|| file.to_owned());
            }
        }
    }
    Ok(types)
}

/// One line, after the type.
fn describe(schema: &Value) -> String {
    let create_only = paths(schema, "createOnlyProperties");
    let conditional = &paths(schema, "conditionalCreateOnlyProperties") - &create_only;
    let identifier = paths(schema, "primaryIdentifier");
    // What AWS gives and what identifies the resource does not change while the resource lives.
    let fixed = &paths(schema, "readOnlyProperties") & &identifier;
    let fields =
        [joined(&create_only), joined(&conditional), joined(&identifier), tags(schema), joined(&fixed)];
    fields.join("\t").trim_end().to_owned()
}

fn tags(schema: &Value) -> String {
    let empty = Map::new();
    let tagging = schema["tagging"].as_object().unwrap_or(&empty);
    let says = |key: &str| tagging.get(key).and_then(Value::as_bool);
    let taggable = says("taggable").or_else(|| schema["taggable"].as_bool()).unwrap_or(true);
    let property = tagging.get("tagProperty").and_then(Value::as_str).and_then(path);
    let property = property.unwrap_or_else(|| "Tags".to_owned());
    if !taggable || schema["properties"].get(&property).is_none() {
        return String::new();
    }
    let updatable = says("tagUpdatable").unwrap_or(true);
    format!("{property}{}", if updatable { "" } else { "!" })
}

fn paths(schema: &Value, key: &str) -> BTreeSet<String> {
    let listed = schema[key].as_array().into_iter().flatten();
    listed.filter_map(Value::as_str).filter_map(path).collect()
}

/// `/properties/A/B/*/C` as `A.B.C`: callers ask without indices.
fn path(pointer: &str) -> Option<String> {
    let inner = pointer.strip_prefix("/properties/")?;
    let segments: Vec<&str> =
        inner.split('/').filter(|segment| !["*", "items", "properties"].contains(segment)).collect();
    Some(segments.join("."))
}

fn joined(paths: &BTreeSet<String>) -> String {
    paths.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
}

fn json(path: &Path) -> Result<Value, Failure> {
    Ok(serde_json::from_str(&fs_err::read_to_string(path)?)?)
}
