//! The docker hooks, with a program in docker's place that writes down how it was called.

use camino::Utf8PathBuf;
use runway_core::registry::{HandlerFailure, HookCall};
use runway_host::hooks::hooks;
use serde_json::{Map, Value, json};

use crate::support::{Here, Output, call, write_script};

const ID: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Docker's place: remembers the calls, builds an image with [`ID`], knows its tags.
const FAKE: &str = r#"#!/bin/sh
{ printf '%s' "$1"; shift; for word in "$@"; do printf '|%s' "$word"; done; echo; } >> "$LOG"
case "$1 $2" in
  *password-stdin*|"--username "*) cat >> "$LOG"; echo >> "$LOG" ;;
esac
case "$*" in
  *--iidfile*) while [ "$1" != --iidfile ]; do shift; done; printf '%s' "$ID" > "$2"; echo 'Step 1/1 : FROM scratch' ;;
  "inspect "*) echo "$NAMES" ;;
  *gone*) echo 'Error response from daemon: No such image: gone:latest' >&2; exit 1 ;;
  *refused*) echo 'denied: topsecret is no password' >&2; exit 1 ;;
esac
"#;

struct Scene {
    directory: tempfile::TempDir,
    data: Map<String, Value>,
}

impl Scene {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let scene = Self { directory, data: Map::new() };
        write_script(&scene.path().join("docker"), FAKE);
        fs_err::write(scene.path().join("Dockerfile"), "FROM scratch\n").unwrap();
        scene
    }

    fn path(&self) -> Utf8PathBuf {
        Utf8PathBuf::from_path_buf(self.directory.path().canonicalize().unwrap()).unwrap()
    }

    fn call(&self, hook: &str, args: Value) -> HookCall {
        let mut call = call(&format!("runway.cfngin.hooks.docker.{hook}"), args);
        call.directory = self.path();
        for (name, value) in [
            ("PATH", format!("{}:/usr/bin:/bin", self.path())),
            ("LOG", self.path().join("log").to_string()),
            ("ID", ID.to_owned()),
            ("NAMES", r#"["repo.example/app:latest","repo.example/app:v1"]"#.to_owned()),
            ("AWS_REGION", "eu-west-1".to_owned()),
        ] {
            call.environment.insert(name.to_owned(), value);
        }
        call.hook_data = self.data.clone();
        call
    }

    /// Runs a hook; returns its result, what it printed and how docker was called.
    async fn run(
        &mut self,
        hook: &str,
        args: Value,
    ) -> (Result<Value, HandlerFailure>, Vec<String>, Vec<String>) {
        let log = self.path().join("log");
        let _ = fs_err::remove_file(&log);
        let call = self.call(hook, args);
        let output = Output::default();
        let result = hooks(&Here::provider())[&call.path].run(&call, &output).await;
        self.data.extend(output.kept());
        let calls = fs_err::read_to_string(log).unwrap_or_default();
        (result, output.lines(), calls.lines().map(str::to_owned).collect())
    }
}

#[tokio::test]
async fn login_gives_the_password_on_standard_input() {
    let mut scene = Scene::new();
    let (result, lines, calls) =
        scene.run("login", json!({"password": "topsecret", "ecr": {"account_id": "123456789012"}})).await;
    assert_eq!(result.unwrap(), json!(true));
    assert_eq!(
        calls,
        ["login|--username|AWS|--password-stdin|123456789012.dkr.ecr.eu-west-1.amazonaws.com", "topsecret"]
    );
    assert_eq!(lines, ["logged into 123456789012.dkr.ecr.eu-west-1.amazonaws.com"]);
    assert_eq!(scene.data["docker"], json!({}));

    let ecr = json!({"password": "p", "ecr": {"aws_region": "us-west-2"}});
    let (_, _, calls) = scene.run("login", ecr).await;
    assert!(
        calls[0].ends_with("|000011112222.dkr.ecr.us-west-2.amazonaws.com"),
        "the caller's account: {calls:?}"
    );
    let (_, _, calls) = scene.run("login", json!({"password": "p", "ecr": {"alias": "team"}})).await;
    assert!(calls[0].ends_with("|public.ecr.aws/team"), "{calls:?}");
    let args =
        json!({"password": "p", "username": "me", "email": "x@y", "dockercfg_path": "cfg/config.json"});
    let (_, lines, calls) = scene.run("login", args).await;
    assert_eq!(calls[0], format!("--config|{}/cfg|login|--username|me|--password-stdin", scene.path()));
    assert_eq!(lines, ["logged into Docker Hub"]);

    let (result, lines, _) =
        scene.run("login", json!({"password": "topsecret", "registry": "refused"})).await;
    let failure = result.unwrap_err();
    assert_eq!(failure.message, "`docker login --username` failed (exit status: 1)");
    assert!(!format!("{failure:?}{lines:?}").contains("topsecret"), "{failure:?} {lines:?}");
    let (result, ..) = scene.run("login", json!({})).await;
    assert_eq!(result.unwrap_err().message, "`args.password` is missing");
}

#[tokio::test]
async fn an_image_is_built_pushed_and_removed() {
    let mut scene = Scene::new();
    let args = json!({
        "repo": "repo.example/app",
        "tags": ["latest", "v1"],
        "docker": {"buildargs": {"A": 1, "B": "two"}, "pull": true, "nocache": true, "rm": false, "target": "final"},
    });
    let (result, lines, calls) = scene.run("image.build", args).await;
    let image = json!({
        "id": ID,
        "short_id": "sha256:0123456789",
        "repo": "repo.example/app",
        "tags": ["latest", "v1"],
        "uri": {"latest": "repo.example/app:latest", "v1": "repo.example/app:v1"},
    });
    assert_eq!(result.unwrap(), json!({"image": image}));
    assert_eq!(scene.data["docker"], json!({"image": image}));
    let path = scene.path();
    assert!(calls[0].starts_with(&format!("image|build|--file|{path}/Dockerfile|--iidfile|")), "{calls:?}");
    let options = "--build-arg|A=1|--build-arg|B=two|--target|final|--no-cache|--pull|--rm=false|--tag|repo.example/app";
    assert!(calls[0].ends_with(&format!("|{options}|{path}")), "{calls:?}");
    assert_eq!(
        calls[1..],
        [
            format!("image|tag|{ID}|repo.example/app:latest"),
            format!("image|tag|{ID}|repo.example/app:v1"),
            format!("image|inspect|--format|{{{{json .RepoTags}}}}|{ID}"),
        ]
    );
    assert_eq!(lines[0], "Step 1/1 : FROM scratch");

    let (result, lines, calls) = scene.run("image.push", json!({"image": image})).await;
    assert_eq!(result.unwrap(), json!({"image": image}));
    assert_eq!(calls, ["image|push|repo.example/app:latest", "image|push|repo.example/app:v1"]);
    assert_eq!(lines[0], "pushing image repo.example/app...");

    let (result, _, calls) =
        scene.run("image.remove", json!({"image": image, "force": true, "noprune": true})).await;
    assert_eq!(calls[0], "image|rm|--force|--no-prune|repo.example/app:latest");
    assert_eq!(result.unwrap(), json!({"image": null}));
}

#[tokio::test]
async fn repositories_are_named_in_runways_ways() {
    let mut scene = Scene::new();
    let ecr = json!({"ecr_repo": {"repo_name": "app"}});
    let (_, _, calls) = scene.run("image.push", ecr).await;
    assert_eq!(calls, ["image|push|000011112222.dkr.ecr.eu-west-1.amazonaws.com/app:latest"]);
    let public = json!({"ecr_repo": {"repo_name": "app", "registry_alias": "team"}, "tags": ["v1"]});
    let (_, _, calls) = scene.run("image.push", public).await;
    assert_eq!(calls, ["image|push|public.ecr.aws/team/app:v1"]);
    let (result, ..) = scene.run("image.push", json!({})).await;
    assert_eq!(result.unwrap_err().message, "no repository is named");
    let (result, ..) = scene.run("image.push", json!({"repo": "refused"})).await;
    assert_eq!(result.unwrap_err().message, "`docker image push` failed (exit status: 1)", "unlike Runway");
    let (result, lines, _) = scene.run("image.remove", json!({"repo": "gone"})).await;
    assert!(result.is_ok());
    assert_eq!(lines[1], "local image gone:latest does not exist");
}

#[tokio::test]
async fn mistakes_in_a_build_are_told_before_docker_runs() {
    let mut scene = Scene::new();
    let path = scene.path();
    let cases = [
        (json!({"path": "nowhere", "repo": "r"}), format!("the directory {path}/nowhere does not exist")),
        (json!({"dockerfile": "Other", "repo": "r"}), format!("the Dockerfile {path}/Other does not exist")),
        (json!({}), "no repository is named".to_owned()),
        (
            json!({"repo": "r", "docker": {"memory": 1}}),
            "`args.docker.memory` is unknown or not supported".to_owned(),
        ),
        (json!({"repo": "r", "tags": "latest"}), "`args.tags` must be a list of texts".to_owned()),
    ];
    for (args, message) in cases {
        let (result, _, calls) = scene.run("image.build", args).await;
        assert_eq!(result.unwrap_err().message, message);
        assert!(calls.is_empty(), "{calls:?}");
    }
    fs_err::remove_file(path.join("docker")).unwrap();
    let (result, ..) = scene.run("image.push", json!({"repo": "r"})).await;
    assert_eq!(result.unwrap_err().message, "the program `docker` cannot be started: it is not on the PATH");
}
