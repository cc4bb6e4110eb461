//! Python blueprints that are not rendered again, by the whole binary: what is counted is how often Python starts.

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::python::python;
use crate::support::{Project, Ran, finished};

const BLUEPRINTS: &str = r#"
from pathlib import Path
from runway.cfngin.blueprints.base import Blueprint
from troposphere import sqs

AT_ONCE = {"runway-rs:local": {"seconds": 0}}


class Queue(Blueprint):
    VARIABLES = {"Label": {"type": str}}

    def create_template(self):
        text = (Path(__file__).parent / "text.txt").read_text()
        self.template.add_resource(sqs.Queue("Queue", DelaySeconds=len(text), Metadata=AT_ONCE))
        self.add_output("Label", self.variables["Label"])
"#;

/// A project with this many blueprints, whose Python tells when it starts.
struct Rendered {
    project: Project,
    starts: PathBuf,
}

impl Rendered {
    fn new(count: usize) -> Self {
        let mut config = "namespace: ns\ncfngin_bucket: ''\nsys_path: ./\nstacks:\n".to_owned();
        for number in 0..count {
            let stack = "class_path: blueprints.own.Queue";
            let _ =
                writeln!(config, "  - {{name: q{number:02}, {stack}, variables: {{Label: label-{number}}}}}");
        }
        let project = Project::new(&config);
        for directory in ["blueprints", "counting"] {
            std::fs::create_dir(project.path().join(directory)).unwrap();
        }
        project.file("blueprints/__init__.py", "");
        project.file("blueprints/own.py", BLUEPRINTS);
        project.file("blueprints/text.txt", "1");
        let starts = project.path().join("starts");
        let text =
            format!("with open('{}', 'a') as starts:\n    starts.write('start\\n')\n", starts.display());
        project.file("counting/sitecustomize.py", &text);
        Self { project, starts }
    }

    /// Runs the binary; and how often Python was started.
    fn run(&self, line: &str) -> (Ran, usize) {
        let mut command = self.project.command(line);
        command
            .env("RUNWAY_RS_PYTHON", python("runway"))
            .env("PYTHONPATH", self.project.path().join("counting"))
            .env("PATH", "/usr/bin:/bin");
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let ran = finished(command.spawn().unwrap()).ended(0);
        let starts = std::fs::read_to_string(&self.starts).unwrap_or_default().lines().count();
        let _ = std::fs::remove_file(&self.starts);
        (ran, starts)
    }

    fn plan(&self, more: &str) -> (String, usize) {
        let (ran, starts) = self.run(&format!("plan --format json {more}"));
        (ran.stdout, starts)
    }
}

#[test]
fn fifty_blueprints_that_nobody_changed_start_no_python() {
    let rendered = Rendered::new(50);
    assert_eq!(rendered.plan("").1, 1);
    let (deployed, starts) = rendered.run("deploy --yes");
    assert_eq!(starts, 0, "what a plan has rendered is deployed: {}", deployed.stderr);
    for line in ["plan", "deploy --yes"] {
        let (ran, starts) = rendered.run(line);
        assert_eq!(starts, 0, "{line}: {}{}", ran.stdout, ran.stderr);
    }
    let (with, without) = (rendered.plan(""), rendered.plan("--cache off"));
    assert_eq!((with.1, without.1), (0, 1));
    assert_eq!(with.0, without.0);

    // A file that all of them read, and then a variable of one.
    rendered.project.file("blueprints/text.txt", "more");
    let (with, without) = (rendered.plan(""), rendered.plan("--cache off"));
    assert_eq!((with.1, without.1), (1, 1));
    assert_eq!(with.0, without.0);
    let plan: serde_json::Value = serde_json::from_str(&with.0).unwrap();
    assert_eq!(plan["summary"]["update"], 50, "{plan}");
    assert_eq!(rendered.run("deploy --yes").1, 0);
    let config = rendered.project.path().join("cfngin.yml");
    let text = std::fs::read_to_string(&config).unwrap().replace("Label: label-7}", "Label: another}");
    std::fs::write(config, text).unwrap();
    let (with, without) = (rendered.plan(""), rendered.plan("--cache off"));
    assert_eq!((with.1, without.1), (1, 1));
    assert_eq!(with.0, without.0);
}
