//! Which modules are worked on: by tag, by name, or by a person at a terminal.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::scene::{Scene, planned};

fn scene() -> Scene {
    let scene = Scene::new(
        "deployments:
  - name: network
    modules:
      - {path: a.cfn, tags: [net, one]}
      - parallel:
          - {path: b.cfn, tags: [net]}
          - {path: c.cfn, tags: [net, one]}
    parameters: {note: x}
    regions: [us-east-1]
  - name: app
    modules: [{path: d.cfn, tags: [app]}]
    parameters: {note: x}
    regions: [us-east-1]
",
    );
    for module in ["a.cfn", "b.cfn", "c.cfn", "d.cfn"] {
        scene.module(module);
    }
    scene
}

fn chosen(scene: &Scene, line: &str) -> Vec<String> {
    let plan = scene.run(&format!("plan -e dev --format json {line}")).ended(0);
    planned(&plan.stdout).iter().map(|target| target.split(' ').next().unwrap().to_owned()).collect()
}

#[test]
fn by_tags_and_names() {
    let scene = scene();
    assert_eq!(chosen(&scene, "--tag net"), ["network.a.cfn", "network.b.cfn", "network.c.cfn"]);
    assert_eq!(chosen(&scene, "--tag net --tag one"), ["network.a.cfn", "network.c.cfn"]);
    assert_eq!(chosen(&scene, "--module d.cfn --module network.b.cfn"), ["network.b.cfn", "app.d.cfn"]);
    let ran = scene.run("plan -e dev --tag net --tag app").ended(10);
    assert!(ran.stderr.contains("there is no module with the tags net, app"), "{}", ran.stderr);
    assert!(scene.run("plan -e dev --module e.cfn").ended(10).stderr.contains("the name `e.cfn`"));
    // Without a project there is nothing to choose from.
    scene.run_in("a.cfn", "plan -c cfngin.yml -e dev --param note=x --tag net").ended(64);
}

/// Runs the program at a terminal, with answers to what it asks: each is typed once its question is there.
fn at_a_terminal(scene: &Scene, line: &str, answers: &[(&str, &str)]) -> (i32, String) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let path = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
    let theirs = || Stdio::from(File::options().read(true).write(true).open(&path).unwrap());
    let mut command = scene.command(line);
    let mut child = command.stdin(theirs()).stdout(theirs()).stderr(theirs()).spawn().unwrap();
    drop(command);
    let mut ours = File::from(ours);
    let mut reader = ours.try_clone().unwrap();
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        // The other side's end is an error here.
        while let Ok(count) = reader.read(&mut bytes) {
            if count == 0 || send.send(String::from_utf8_lossy(&bytes[..count]).into_owned()).is_err() {
                break;
            }
        }
    });
    let (mut seen, mut from) = (String::new(), 0);
    for (question, answer) in answers {
        while !seen[from..].contains(question) {
            let more = receive.recv_timeout(Duration::from_secs(60));
            seen.push_str(&more.unwrap_or_else(|_| panic!("no {question:?} in {seen}")));
        }
        from = seen.len();
        ours.write_all(format!("{answer}\n").as_bytes()).unwrap();
    }
    let status = child.wait().unwrap();
    while let Ok(more) = receive.recv_timeout(Duration::from_millis(500)) {
        seen.push_str(&more);
    }
    (status.code().unwrap(), seen)
}

#[test]
fn by_a_person_at_a_terminal() {
    let scene = scene();
    let deployment = "deployment to work on";
    let module = "module to work on";
    let approval = "Carry out this plan?";
    // A deployment, of it a module, of that one of the parallel ones.
    let (code, seen) = at_a_terminal(
        &scene,
        "deploy -e dev",
        &[(deployment, "9"), (deployment, "1"), (module, "2"), (module, "1"), (approval, "y")],
    );
    assert_eq!((code, scene.stacks()), (0, vec!["us-east-1 dev-b".to_owned()]), "{seen}");
    assert!(seen.contains("1: network - a.cfn, parallel_parent (us-east-1)"), "{seen}");
    assert!(seen.contains("2: parallel_parent [b.cfn, c.cfn]"), "{seen}");
    // All is the default; the plan of every module is asked for.
    let (code, seen) = at_a_terminal(&scene, "plan -e dev", &[(deployment, "")]);
    assert!(code == 0 && seen.contains("app.d.cfn in us-east-1"), "{seen}");
    // A destroy asks, and a no changes nothing.
    let (code, seen) = at_a_terminal(
        &scene,
        "destroy -e dev",
        &[(deployment, "1"), (module, "2"), (module, "1"), ("Delete these stacks?", "n")],
    );
    assert_eq!((code, scene.stacks().len()), (0, 1), "{seen}");
    // Neither tags nor --yes leave a question.
    let (code, seen) = at_a_terminal(&scene, "destroy -e dev --module b.cfn --yes", &[]);
    assert_eq!((code, scene.stacks().len()), (0, 0), "{seen}");
}

#[test]
fn a_branch_that_names_no_environment_is_asked_about() {
    let scene =
        Scene::new("deployments:\n  - {modules: [a.cfn], parameters: {note: x}, regions: [us-east-1]}\n");
    scene.module("a.cfn");
    let git = std::process::Command::new("git")
        .args(["init", "-q", "-b", "feature"])
        .current_dir(scene.path())
        .status();
    assert!(git.unwrap().success());
    let (code, seen) = at_a_terminal(&scene, "plan", &[("Name of the deploy environment [feature]", "lab")]);
    assert!(code == 0 && seen.contains("namespace lab"), "{seen}");
}

#[test]
fn a_removed_stack_is_selected_where_it_is_recorded() {
    let scene = scene();
    scene.run("deploy -e dev --yes").ended(0);
    let path = "d.cfn/cfngin.yml";
    let config = std::fs::read_to_string(scene.path().join(path)).unwrap();
    scene.file(path, &config.replace("name: d,", "name: other,"));
    let ran = scene.run("deploy -e dev --yes --stack nothing").ended(10);
    assert!(ran.stderr.contains("nothing"), "{}", ran.stderr);
    scene.run("deploy -e dev --yes --stack d").ended(0);
    assert_eq!(scene.stacks(), ["us-east-1 dev-a", "us-east-1 dev-b", "us-east-1 dev-c"]);
    let printed = scene.run("outputs a -e dev").ended(0).stdout;
    assert!(printed.contains("Note"), "{printed}");
}
