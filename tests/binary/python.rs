//! Projects with hooks, blueprints and lookups in Python, run with the real Runway beside the embedded provider.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{HEAD, Project, Ran, finished};

const HOOKS: &str = r#"
import os
import sys

from runway.cfngin.hooks.base import Hook, HookArgsBaseModel


def say(text):
    with open("said.txt", "a", encoding="utf-8") as file:
        file.write(text + "\n")


def build(context, provider, name, **kwargs):
    print(f"building {name}")
    say(f"build {name} {context.hook_data['command']['stdout'].strip()}")
    with open("note.txt", encoding="utf-8") as file:
        return {"note": file.read().strip(), "deep": {"list": [1, 2]}}


def after(context, provider, note, **kwargs):
    say(f"after {note}")
    return True


def bye(context, provider, **kwargs):
    say("bye")
    return True


class Words(HookArgsBaseModel):
    word: str


class Stages(Hook):
    ARGS_PARSER = Words

    def pre_deploy(self):
        say(f"class {self.args.word}")
        return {"word": self.args.word}


def shouts(context, provider, **kwargs):
    for _ in range(100_000):
        print("x" * 100)
    return True


def vanishes(context, provider, **kwargs):
    print("last words", flush=True)
    os._exit(7)


def raises(context, provider, **kwargs):
    raise RuntimeError("the build is broken")
"#;

const BLUEPRINTS: &str = r#"
from runway.cfngin.blueprints.base import Blueprint
from runway.cfngin.blueprints.variables.types import CFNString
from troposphere import Output, ssm


class Settings(Blueprint):
    VARIABLES = {
        "Label": {"type": CFNString, "default": "none"},
        "Data": {"type": dict, "default": {}},
        "Count": {"type": int, "default": 1},
    }

    def create_template(self):
        if self.variables["Count"] > 9:
            raise ValueError("nine settings are enough")
        for index in range(self.variables["Count"]):
            self.template.add_resource(
                ssm.Parameter(
                    f"P{index}",
                    Type="String",
                    Value=self.variables["Data"].get("text", "no text"),
                    Metadata={"runway-rs:local": {"seconds": 0}},
                )
            )
        self.template.add_output(Output("Label", Value=self.variables["Label"].ref))
"#;

const LOOKUPS: &str = r#"
from runway.lookups.handlers.base import LookupHandler


class Shout(LookupHandler):
    TYPE_NAME = "shout"

    @classmethod
    def handle(cls, value, *args, **kwargs):
        return value.upper()
"#;

const PAGE: &str = r#"Parameters: {Note: {Type: String}}
Resources:
{% for size in mappings.Sizes.values() %}
  P{{ loop.index }}:
    Type: AWS::SSM::Parameter
    Metadata: {"runway-rs:local": {seconds: 0}}
    Properties: {Type: String, Value: "{{ size.text }} {{ context.hook_data.build.note }}"}
{% endfor %}
Outputs: {Note: {Value: !Ref Note}}
"#;

const CONFIG: &str = r#"sys_path: ./
lookups: {shout: lookups.own.Shout}
mappings: {Sizes: {dev: {text: small}, prod: {text: large}}}
pre_deploy:
  - path: runway.cfngin.hooks.command.run_command
    data_key: command
    args: {command: [echo, from the command], capture: true}
  - {path: hooks.own.build, data_key: build, args: {name: "${file plain:file://name.txt}"}}
  - {path: hooks.own.Stages, data_key: stages, args: {word: "${hook_data build.note}!"}}
post_deploy:
  - {path: hooks.own.after, args: {note: "${output raw.Note}"}}
pre_destroy:
  - {path: hooks.own.bye}
stacks:
  - {name: raw, template_path: t.yml, variables: {Note: "${hook_data build.note}"}}
  - name: settings
    class_path: blueprints.own.Settings
    variables:
      Label: "${shout loud}-${hook_data stages.word}"
      Data: "${file json:file://data.json}"
      Count: 2
  - {name: page, template_path: page.yml.j2, variables: {Note: "${output settings.Label}"}}
"#;

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Interpreter of an environment that the tests install.
pub(crate) fn python(environment: &str) -> PathBuf {
    let place = root().join(format!("target/python/{environment}/bin/python"));
    assert!(place.exists(), "{} is missing: `cargo xtask test` installs it", place.display());
    place
}

/// A project with Python code, and an interpreter that counts how often it is started.
struct WithPython {
    project: Project,
    interpreter: PathBuf,
}

impl WithPython {
    fn new(config: &str) -> Self {
        Self::behind(config, &python("runway"))
    }

    fn behind(config: &str, python: &Path) -> Self {
        let project = Project::new(&format!("{HEAD}{config}"));
        for (package, text) in [("hooks", HOOKS), ("blueprints", BLUEPRINTS), ("lookups", LOOKUPS)] {
            std::fs::create_dir(project.path().join(package)).unwrap();
            project.file(&format!("{package}/__init__.py"), "");
            project.file(&format!("{package}/own.py"), text);
        }
        project.file("page.yml.j2", PAGE);
        project.file("name.txt", "the thing");
        project.file("note.txt", "x\n");
        project.file("data.json", "{\"text\": \"from a file\"}\n");
        let interpreter = project.path().join("python");
        let script = format!(
            "#!/bin/sh\necho start >> {}/starts\nexec {} \"$@\"\n",
            project.path().display(),
            python.display()
        );
        project.file("python", &script);
        std::fs::set_permissions(&interpreter, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { project, interpreter }
    }

    fn run(&self, line: &str) -> Ran {
        let mut command = self.project.command(line);
        command.env("RUNWAY_RS_PYTHON", &self.interpreter).env("PATH", "/usr/bin:/bin");
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        finished(command.spawn().unwrap())
    }

    /// Lines of a file of the project, which it is removed after.
    fn take(&self, file: &str) -> Vec<String> {
        let path = self.project.path().join(file);
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let _ = std::fs::remove_file(path);
        text.lines().map(str::to_owned).collect()
    }

    fn outputs(&self) -> Value {
        serde_json::from_str(&self.run("outputs --format json").ended(0).stdout).unwrap()
    }
}

#[test]
fn a_project_lives_from_its_first_deploy_to_its_destroy() {
    let project = WithPython::new(CONFIG);

    let plan = project.run("plan --format json").ended(0);
    let plan: Value = serde_json::from_str(&plan.stdout).unwrap();
    crate::formats::check("plan", &plan);
    let hooks: Vec<&str> =
        plan["hooks"].as_array().unwrap().iter().map(|hook| hook["path"].as_str().unwrap()).collect();
    let expected =
        ["runway.cfngin.hooks.command.run_command", "hooks.own.build", "hooks.own.Stages", "hooks.own.after"];
    assert_eq!(hooks, expected);
    assert_eq!(project.take("said.txt"), [""; 0], "a plan runs no hooks");
    assert_eq!(project.take("starts").len(), 1, "one Python for all lookups");

    let deploy = project.run("deploy --yes").ended(0);
    assert!(deploy.stderr.contains("building the thing"), "{}", deploy.stderr);
    assert_eq!(project.take("starts").len(), 1, "one Python for lookups, hooks and blueprints");
    let said = ["build the thing from the command", "class x!", "after x"];
    assert_eq!(project.take("said.txt"), said);
    let outputs = project.outputs();
    assert_eq!(outputs["stacks"]["raw"], json!({"Note": "x"}), "{outputs}");
    assert_eq!(outputs["stacks"]["settings"], json!({"Label": "LOUD-x!"}));
    assert_eq!(outputs["stacks"]["page"], json!({"Note": "LOUD-x!"}));
    assert_eq!(project.take("starts").len(), 0, "outputs need no Python");

    // Nothing to do, which only the hooks know.
    let again = project.run("deploy --yes --format json").ended(0);
    assert_eq!(project.take("said.txt"), said);
    let mut lines = again.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let last = lines.find(|line| line["event"] == "run_finished").unwrap();
    assert_eq!((&last["done"]["update"], &last["done"]["create"]), (&json!(0), &json!(0)), "{last}");

    project.project.file("note.txt", "y\n");
    project.project.file("data.json", "{\"text\": \"edited\"}\n");
    let edited = project.run("deploy --yes").ended(0);
    assert_eq!(project.outputs()["stacks"]["raw"]["Note"], "y", "{}", edited.stderr);
    assert_eq!(project.outputs()["stacks"]["page"]["Note"], "LOUD-y!");
    project.take("said.txt");
    project.take("starts");

    project.run("destroy --yes").ended(0);
    assert_eq!(project.take("said.txt"), ["bye"]);
    assert_eq!(project.take("starts").len(), 1);
    assert_eq!(project.outputs()["stacks"], json!({}));
}

#[test]
fn a_config_without_python_starts_none() {
    let stacks = "stacks:\n  - {name: raw, template_path: t.yml, variables: {Note: \"${file plain:file://note.txt}\"}}\n";
    let config = format!(
        "pre_deploy:\n  - {{path: runway.cfngin.hooks.command.run_command, args: {{command: [echo, hello]}}}}\n{stacks}"
    );
    let project = WithPython::new(&config);
    project.project.file("note.txt", "x");
    let deploy = project.run("deploy --yes").ended(0);
    assert!(deploy.stderr.contains("hello"), "{}", deploy.stderr);
    project.run("destroy --yes").ended(0);
    assert_eq!(project.take("starts").len(), 0);
}

const BLUEPRINT: &str = "sys_path: ./\nstacks:\n  - {name: settings, class_path: blueprints.own.Settings, variables: {Count: 1}}\n";

fn hook(path: &str) -> String {
    format!(
        "sys_path: ./\npre_deploy:\n  - {{path: {path}}}\nstacks:\n  - {{name: raw, template_path: t.yml, variables: {{Note: x}}}}\n"
    )
}

/// Runs a deploy that cannot succeed, and gives back what it said.
#[track_caller]
fn refused(project: &WithPython, code: i32) -> String {
    let deploy = project.run("deploy --yes").ended(code);
    let status = project.run("status --format json").ended(0);
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    let stacks = status["stacks"].as_array().unwrap();
    let exists = |stack: &&Value| stack["exists"] == true && stack["name"] != "cfngin-bucket";
    assert_eq!(stacks.iter().filter(exists).count(), 0, "{status:#}");
    deploy.stderr
}

#[test]
fn a_missing_python_is_named() {
    for (config, code) in [(BLUEPRINT.to_owned(), 10), (hook("hooks.own.bye"), 30)] {
        let mut project = WithPython::new(&config);
        project.interpreter = "/nowhere/python".into();
        let said = refused(&project, code);
        assert!(said.contains("/nowhere/python") && said.contains("RUNWAY_RS_PYTHON"), "{said}");
    }
}

#[test]
fn a_python_without_runway_is_told_what_to_install() {
    for (config, code) in [(BLUEPRINT.to_owned(), 10), (hook("hooks.own.bye"), 30)] {
        let project = WithPython::behind(&config, &python("moto"));
        let said = refused(&project, code);
        assert!(said.contains("runway") && said.contains("pip install"), "{said}");
    }
}

#[test]
fn an_error_in_a_blueprint_is_shown_where_it_was_raised() {
    let project = WithPython::new(&BLUEPRINT.replace("Count: 1", "Count: 10"));
    let said = refused(&project, 10);
    assert!(said.contains("nine settings are enough"), "{said}");
    assert!(said.contains("blueprints/own.py") && said.contains("in create_template"), "{said}");
}

#[test]
fn an_error_in_a_hook_is_shown_where_it_was_raised() {
    let project = WithPython::new(&hook("hooks.own.raises"));
    let said = refused(&project, 30);
    assert!(said.contains("the build is broken") && said.contains("hooks/own.py"), "{said}");
    assert!(said.contains("hooks.own.raises"), "{said}");
}

#[test]
fn a_hook_that_is_not_there_is_named() {
    for path in ["hooks.own.nothing", "hooks.nowhere.main"] {
        let said = refused(&WithPython::new(&hook(path)), 30);
        assert!(said.contains(path), "{said}");
    }
}

#[test]
fn python_that_vanishes_half_way_ends_the_run() {
    let project = WithPython::new(&hook("hooks.own.vanishes"));
    let said = refused(&project, 30);
    assert!(said.contains("last words") && said.contains('7'), "{said}");
    // Nobody is locked out.
    project.project.file("cfngin.yml", &format!("{HEAD}{}", hook("hooks.own.bye")));
    project.run("deploy --yes").ended(0);
}

#[test]
fn ten_megabytes_of_output_are_no_problem() {
    let project = WithPython::new(&hook("hooks.own.shouts"));
    let deploy = project.run("deploy --yes").ended(0);
    assert!(deploy.stderr.lines().any(|line| line.contains("xxxxx")), "{} bytes", deploy.stderr.len());
    assert_eq!(project.outputs()["stacks"]["raw"]["Note"], "x");
}
