//! Printing manifests for Kubernetes.

use runway_artifacts::job::{BuildOrder, JobOrder, Naming, yaml};
use runway_core::engine::EngineError;
use runway_core::exit::ExitCode;
use runway_core::render::json::pretty;
use serde_json::json;

use super::AssetsContext;
use super::place::PlaceProblem;
use super::purge::Purge;
use super::request::missing;
use crate::args::{AssetsJob, JobFormat};

impl AssetsContext<'_> {
    /// Prints a Job, a CronJob, or both. What would be wrong in the pod is wrong here.
    pub(super) fn job(&self, arguments: &AssetsJob) -> Result<ExitCode, EngineError> {
        let layout = self.layout(&arguments.place)?;
        if arguments.place.directory.is_some() {
            let reason = "a Job pushes to a bucket".to_owned();
            return Err(EngineError::of(PlaceProblem::Value { name: "--directory", reason }));
        }
        // A secret may say which bucket it is.
        let bucket = match (self.bucket_name(&arguments.place), &arguments.secret) {
            (Ok(bucket), _) => vec!["--bucket".to_owned(), bucket],
            (Err(_), Some(_)) => Vec::new(),
            (Err(error), None) => return Err(error),
        };
        Purge::of(&arguments.purge)?;
        let order = JobOrder {
            app: layout.app().clone(),
            namespace: arguments.namespace.clone(),
            runner: arguments.runner_image.clone(),
            service_account: arguments.service_account.clone(),
            secret: arguments.secret.clone(),
            run_as: arguments.run_as,
            deadline: arguments.deadline.as_secs(),
            retries: arguments.retries,
            keep: arguments.keep.as_secs(),
        };
        let valpop = self.of_valpop(arguments)?;
        let options = |given: &[String], valpop: &[String]| {
            bucket.iter().chain(given).chain(valpop).cloned().collect::<Vec<_>>()
        };
        let mut manifests = Vec::new();
        let image = arguments.how.image.clone().or_else(|| self.variable("VALPOP_IMAGE"));
        match image {
            Some(image) => manifests.push(order.push(&BuildOrder {
                image,
                path: arguments.source_path.clone(),
                naming: if arguments.name_by_build { Naming::Build } else { Naming::Generated },
                options: options(&arguments.given.push, &valpop.push),
            })),
            None if arguments.cron.is_none() => return Err(missing("--image", "RUNWAY_RS_ASSETS_IMAGE")),
            None => {}
        }
        if let Some(schedule) = &arguments.cron {
            manifests.push(order.prune(schedule, &options(&arguments.given.prune, &valpop.prune)));
        }
        self.output.data(&match (arguments.format, manifests.as_slice()) {
            (JobFormat::Yaml, manifests) => yaml(manifests),
            (JobFormat::Json, [manifest]) => pretty(manifest),
            (JobFormat::Json, manifests) => {
                pretty(&json!({"apiVersion": "v1", "kind": "List", "items": manifests}))
            }
        });
        Ok(ExitCode::Ok)
    }
}
