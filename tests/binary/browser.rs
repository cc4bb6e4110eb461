//! Pages and pictures of plans in a real browser that reaches no network.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{HEAD, Project};

/// A template of which a change of `Name` replaces a database.
const DATABASE: &str = r#"Parameters: {Name: {Type: String}, Needs: {Type: String, Default: x}}
Resources:
  Database:
    Type: AWS::RDS::DBInstance
    Metadata: {"runway-rs:local": {seconds: 0}}
    Properties: {DBInstanceClass: db.t3.small, Engine: postgres, AllocatedStorage: "20", DBName: !Ref Name}
Outputs: {Note: {Value: !GetAtt Database.Endpoint.Address}}
"#;

/// What a browser made of a page.
struct Seen {
    dom: String,
    /// What it wrote on its console: errors of scripts, of the content security policy, of requests.
    console: Vec<String>,
}

impl Seen {
    /// Elements that begin with this text.
    fn elements(&self, start: &str) -> Vec<&str> {
        let tags = self.dom.split('<').map(|tag| tag.split_inclusive('>').next().unwrap_or_default());
        tags.filter(|tag| tag.starts_with(start)).collect()
    }

    /// Ids of the steps that are not hidden.
    fn shown_steps(&self) -> Vec<&str> {
        let steps = self.dom.split('<').filter(|tag| tag.contains("data-kind=\""));
        let shown = steps.filter(|tag| !tag.split('>').next().unwrap_or_default().contains("data-hidden"));
        shown.filter_map(|tag| tag.split_once(" id=\"")?.1.split('"').next()).collect()
    }

    /// What the page says of how much it shows.
    fn told(&self) -> &str {
        let (_, rest) = self.dom.split_once("<output ").expect("an element for the number of steps");
        rest.split_once('>').and_then(|(_, rest)| rest.split('<').next()).unwrap_or_default()
    }
}

fn browser() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let places = std::env::split_paths(&path).flat_map(|place| names.map(|name| place.join(name)));
    places.into_iter().find(|place| place.is_file()).unwrap_or_else(|| {
        panic!(
            "this test opens a page in a browser and needs one of {} in PATH; on Debian: apt-get install chromium",
            names.join(", ")
        )
    })
}

/// Opens a file in a browser that finds no host, and returns the page as it is after its script.
fn open(file: &Path, fragment: &str) -> Seen {
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new(browser())
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(["--dump-dom", &format!("file://{}{fragment}", file.display())])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    Seen {
        dom: String::from_utf8(output.stdout).unwrap(),
        console: errors.lines().filter(|line| line.contains(":CONSOLE")).map(str::to_owned).collect(),
    }
}

/// A project of four deployed stacks whose plan replaces a database, may update what reads it, deletes one stack and
/// leaves one as it is.
fn project() -> Project {
    let project = Project::with_stacks(
        "  - {name: data, template_path: d.yml, variables: {Name: one}}
  - {name: app, template_path: d.yml, variables: {Name: app, Needs: '${output data.Note}'}}
  - {name: rest, template_path: t.yml, variables: {Note: x}, requires: [data]}
  - {name: old, template_path: t.yml, variables: {Note: y}}
",
    );
    project.file("d.yml", DATABASE);
    project.run("deploy --yes").ended(0);
    project.stacks(
        "  - {name: data, template_path: d.yml, variables: {Name: two}}
  - {name: app, template_path: d.yml, variables: {Name: app, Needs: '${output data.Note}'}}
  - {name: rest, template_path: t.yml, variables: {Note: x}, requires: [data]}
  - {name: new, template_path: t.yml, variables: {Note: z}, requires: [app]}
",
    );
    project
}

fn written(project: &Project, format: &str) -> PathBuf {
    let text = project.run(&format!("plan --format {format}")).ended(0).stdout;
    let name = format!("plan.{format}");
    project.file(&name, &text);
    project.path().join(name)
}

#[test]
fn a_page_works_in_a_browser_without_a_network() {
    let project = project();
    let page = written(&project, "html");
    let seen = open(&page, "");
    assert!(seen.console.is_empty(), "{:?}", seen.console);
    assert_eq!(seen.told(), "5 stacks");
    assert_eq!(seen.shown_steps().len(), 5);
    assert!(!seen.dom.contains("role=\"search\" hidden"), "the filter is not shown");
    assert_eq!(seen.elements("a class=\"stack ").len(), 5);
    assert!(seen.dom.contains("DATA WILL BE LOST"));

    // What is asked for in the address is found.
    let found = open(&page, "#find=dbname");
    assert_eq!((found.told(), found.shown_steps().len()), ("1 of 5 stacks", 1), "{:?}", found.shown_steps());
    let kinds = open(&page, "#only=delete,create");
    let shown =
        kinds.elements("article class=\"step ").into_iter().filter(|tag| !tag.contains("data-hidden"));
    let shown: Vec<&str> = shown.filter_map(|tag| tag.split('"').nth(1)).collect();
    assert_eq!(shown, ["step create", "step delete"]);
    assert_eq!(kinds.told(), "2 of 5 stacks");
    assert!(found.console.is_empty() && kinds.console.is_empty());

    // Without its script it shows everything, and no filter that does nothing.
    let text = std::fs::read_to_string(&page).unwrap();
    let (before, script) = text.split_once("<script>").unwrap();
    let still = project.path().join("still.html");
    std::fs::write(&still, format!("{before}{}", script.split_once("</script>").unwrap().1)).unwrap();
    let still = open(&still, "#find=dbname");
    assert_eq!(still.shown_steps().len(), 5);
    assert!(still.dom.contains("role=\"search\" hidden"), "the filter is shown");
}

#[test]
fn a_picture_is_a_document_of_its_own() {
    let project = project();
    let picture = written(&project, "svg");
    let seen = open(&picture, "");
    assert!(seen.console.is_empty(), "{:?}", seen.console);
    assert!(!seen.dom.contains("parsererror"), "{}", seen.dom);
    assert_eq!(seen.elements("g class=\"stack ").len(), 5);
    assert_eq!(seen.elements("path class=\"arrow").len(), 4, "three arrows and one in the legend");
}

#[test]
fn what_the_browser_would_load_or_run_is_noticed() {
    let project = project();
    let page = written(&project, "html");
    let text = std::fs::read_to_string(&page).unwrap();
    for foreign in [
        "<img src=\"http://example.com/x.png\">",
        "<script>document.title = 'x'</script>",
        "<p style=\"color: red\">x</p>",
    ] {
        let changed = page.with_file_name("changed.html");
        std::fs::write(&changed, text.replace("</main>", &format!("{foreign}</main>"))).unwrap();
        let seen = open(&changed, "");
        assert_eq!(seen.console.len(), 1, "{foreign}: {:?}", seen.console);
        assert!(seen.console[0].contains("Content Security Policy"), "{:?}", seen.console);
        assert!(seen.dom.contains("<title>Plan to deploy ns</title>"));
    }
}

#[test]
fn values_stay_texts_in_a_browser() {
    let value = "</script><script>document.title=1</script><img src=x onerror=alert(1)>\"&lt;";
    let project = Project::new(&format!(
        "{HEAD}stacks:\n  - {{name: a, template_path: v.yml, variables: {{Text: '{value}'}}}}\n"
    ));
    project.file(
        "v.yml",
        "Parameters: {Text: {Type: String}}\nResources: {P: {Type: AWS::SNS::Topic, Properties: {DisplayName: !Ref Text}}}\n",
    );
    let page = written(&project, "html");
    let seen = open(&page, "");
    assert!(seen.console.is_empty(), "{:?}", seen.console);
    assert!(seen.dom.contains("<title>Plan to deploy ns</title>"), "the title was changed");
    assert!(seen.elements("img").is_empty() && seen.elements("script").len() == 1);
    assert!(seen.dom.contains("&lt;/script&gt;&lt;script&gt;document.title=1&lt;/script&gt;&lt;img src=x"));
}
