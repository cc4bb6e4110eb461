//! Manifests for Kubernetes: a Job that pushes a build, and a CronJob that prunes. Pure.

mod name;
mod yaml;

use runway_store::ContentDigest;
use serde_json::{Map, Value, json};

pub use self::name::{is_label, is_subdomain, label};
pub use self::yaml::yaml;
use crate::names::AppName;

/// Longest name: a CronJob puts the time behind it, and a Job what its pods are told apart by.
const LONGEST_NAME: usize = 52;

/// Where the files of the build are in the pod.
const FILES: &str = "/assets";

/// What a pod may use.
const PROCESSOR: &str = "100m";
const MEMORY: &str = "64Mi";
/// Files under way need 96 MiB at most, and as many requests as there may be some more.
const MOST_MEMORY: &str = "256Mi";

/// Exit codes that would only come again: wrong arguments or files, no permission, refusals.
const FINAL: [u8; 4] = [10, 22, 31, 64];

/// As whom the pods run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunAs {
    /// As this user, who is not root.
    User(u32),
    /// As the cluster chooses, but not as root.
    Any,
}

/// How a Job is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// Kubernetes makes a name of its own for every run.
    Generated,
    /// The name is that of the app and the build: the same build has the same one.
    Build,
}

/// What the Job and the CronJob have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobOrder {
    /// The app.
    pub app: AppName,
    /// Namespace of the cluster; that of whoever applies the manifest if not given.
    pub namespace: Option<String>,
    /// Image with this program.
    pub runner: String,
    /// Service account, by which the pod has its role.
    pub service_account: Option<String>,
    /// Secret whose entries become variables.
    pub secret: Option<String>,
    /// As whom.
    pub run_as: RunAs,
    /// Seconds after which it is ended.
    pub deadline: u64,
    /// How often it is tried again.
    pub retries: u32,
    /// Seconds after which it is forgotten.
    pub keep: u64,
}

/// The build that a Job pushes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildOrder {
    /// The app's image, which has the files.
    pub image: String,
    /// Where they are in it.
    pub path: String,
    /// How the Job is named.
    pub naming: Naming,
    /// Options of `assets push` beyond app, source and image.
    pub options: Vec<String>,
}

/// A dollar begins a variable in the arguments of a container unless there are two.
fn literal(argument: &str) -> String {
    argument.replace('$', "$$")
}

impl JobOrder {
    fn meta(&self, kind: &str, name: Value, key: &str) -> Value {
        let mut meta = Map::new();
        meta.insert(key.to_owned(), name);
        if let Some(namespace) = &self.namespace {
            meta.insert("namespace".to_owned(), namespace.as_str().into());
        }
        meta.insert("labels".to_owned(), self.labels(kind));
        Value::Object(meta)
    }

    fn labels(&self, kind: &str) -> Value {
        json!({
            "app.kubernetes.io/name": label(self.app.as_str(), LONGEST_NAME),
            "app.kubernetes.io/component": format!("assets-{kind}"),
            "app.kubernetes.io/managed-by": "runway-rs",
        })
    }

    fn name(&self, kind: &str) -> String {
        let ending = format!("-assets-{kind}");
        format!("{}{ending}", label(self.app.as_str(), LONGEST_NAME - ending.len()))
    }

    fn container_context() -> Value {
        json!({
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        })
    }

    fn resources() -> Value {
        json!({
            "requests": {"cpu": PROCESSOR, "memory": MEMORY},
            "limits": {"memory": MOST_MEMORY},
        })
    }

    fn container(&self, name: &str, arguments: impl Iterator<Item = String>) -> Map<String, Value> {
        let mut container = Map::new();
        container.insert("name".to_owned(), name.into());
        container.insert("image".to_owned(), self.runner.as_str().into());
        let arguments: Vec<Value> = arguments.map(|argument| literal(&argument).into()).collect();
        container.insert("args".to_owned(), arguments.into());
        if let Some(secret) = &self.secret {
            container.insert("envFrom".to_owned(), json!([{"secretRef": {"name": secret}}]));
        }
        container.insert("securityContext".to_owned(), Self::container_context());
        container.insert("resources".to_owned(), Self::resources());
        container
    }

    /// A pod that ends by itself.
    fn job(&self, kind: &str, containers: Map<String, Value>) -> Value {
        let mut context = Map::new();
        context.insert("runAsNonRoot".to_owned(), true.into());
        if let RunAs::User(user) = self.run_as {
            context.insert("runAsUser".to_owned(), user.into());
            context.insert("runAsGroup".to_owned(), user.into());
        }
        context.insert("seccompProfile".to_owned(), json!({"type": "RuntimeDefault"}));
        let mut pod = Map::new();
        pod.insert("restartPolicy".to_owned(), "Never".into());
        if let Some(account) = &self.service_account {
            pod.insert("serviceAccountName".to_owned(), account.as_str().into());
        }
        // The cluster's own interface is not used; a role comes by a token of its own.
        pod.insert("automountServiceAccountToken".to_owned(), false.into());
        pod.insert("securityContext".to_owned(), context.into());
        pod.extend(containers);
        json!({
            "backoffLimit": self.retries,
            "activeDeadlineSeconds": self.deadline,
            "ttlSecondsAfterFinished": self.keep,
            "podFailurePolicy": {"rules": [{
                "action": "FailJob",
                "onExitCodes": {"containerName": kind, "operator": "In", "values": FINAL},
            }]},
            "template": {"metadata": {"labels": self.labels(kind)}, "spec": pod},
        })
    }

    /// The Job that pushes a build: the files are copied out of the app's image, and sent from there.
    pub fn push(&self, build: &BuildOrder) -> Value {
        let name = self.name("push");
        let meta = match build.naming {
            Naming::Generated => self.meta("push", format!("{name}-").into(), "generateName"),
            Naming::Build => {
                let of = [build.image.clone()].into_iter().chain(build.options.iter().cloned());
                let digest = ContentDigest::of(of.collect::<Vec<_>>().join("\0").as_bytes()).to_string();
                let digest = digest.get(..10).unwrap_or_default().to_owned();
                self.meta("push", format!("{name}-{digest}").into(), "name")
            }
        };
        let from = format!("{}/.", build.path.trim_end_matches('/'));
        let copy = json!({
            "name": "files",
            "image": build.image,
            "command": ["cp", "-R", literal(&from), format!("{FILES}/")],
            "securityContext": Self::container_context(),
            "resources": Self::resources(),
            "volumeMounts": [{"name": "files", "mountPath": FILES}],
        });
        let first =
            ["assets", "push", "--app", self.app.as_str(), "--source", FILES, "--image", &build.image];
        let arguments = first.map(str::to_owned).into_iter().chain(build.options.iter().cloned());
        let mut push = self.container("push", arguments);
        push.insert(
            "volumeMounts".to_owned(),
            json!([{"name": "files", "mountPath": FILES, "readOnly": true}]),
        );
        let containers = Map::from_iter([
            ("initContainers".to_owned(), json!([copy])),
            ("containers".to_owned(), json!([push])),
            ("volumes".to_owned(), json!([{"name": "files", "emptyDir": {}}])),
        ]);
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": self.job("push", containers)})
    }

    /// The CronJob that prunes, with options of `assets prune` beyond the app.
    pub fn prune(&self, schedule: &str, options: &[String]) -> Value {
        let first = ["assets", "prune", "--app", self.app.as_str()];
        let arguments = first.map(str::to_owned).into_iter().chain(options.iter().cloned());
        let prune = self.container("prune", arguments);
        let containers = Map::from_iter([("containers".to_owned(), json!([prune]))]);
        json!({
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "metadata": self.meta("prune", self.name("prune").into(), "name"),
            "spec": {
                "schedule": schedule,
                "concurrencyPolicy": "Forbid",
                "startingDeadlineSeconds": 3600,
                "successfulJobsHistoryLimit": 1,
                "failedJobsHistoryLimit": 3,
                "jobTemplate": {
                    "metadata": {"labels": self.labels("prune")},
                    "spec": self.job("prune", containers),
                },
            },
        })
    }
}

/// The manifests of the documentation: those that the command of their first line prints.
pub fn examples() -> Vec<(&'static str, String)> {
    let Ok(app) = "myapp".parse::<AppName>() else { return Vec::new() };
    let order = JobOrder {
        app,
        namespace: Some("frontends".to_owned()),
        runner: "quay.io/x/runway-rs:0.1.0".to_owned(),
        service_account: Some("assets-writer".to_owned()),
        secret: None,
        run_as: RunAs::User(65532),
        deadline: 1800,
        retries: 3,
        keep: 86400,
    };
    let common = "runway-rs assets job --app myapp --bucket frontend --runner-image quay.io/x/runway-rs:0.1.0 --service-account assets-writer --namespace frontends --threshold 48h";
    let words = |options: &[&str]| options.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let build = BuildOrder {
        image: "quay.io/x/myapp:720317c".to_owned(),
        path: "/srv/dist".to_owned(),
        naming: Naming::Generated,
        options: words(&["--bucket", "frontend", "--build-timestamp", "1763652000", "--threshold", "48h"]),
    };
    let push = yaml(&[order.push(&build)]);
    let prune = yaml(&[order.prune("0 3 * * *", &words(&["--bucket", "frontend", "--threshold", "48h"]))]);
    vec![
        (
            "assets-job.yaml",
            format!(
                "# {common} --image quay.io/x/myapp:720317c --build-timestamp 1763652000 --source-path /srv/dist\n{push}"
            ),
        ),
        ("assets-cronjob.yaml", format!("# {common} --cron \"0 3 * * *\"\n{prune}")),
    ]
}
