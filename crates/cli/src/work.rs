//! What a command works on, in order: configs, each with its own region, credentials and environment.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use camino::Utf8PathBuf;
use futures_util::StreamExt as _;
use futures_util::future::LocalBoxFuture;
use runway_core::config::Config;
use runway_core::engine::EngineError;
use runway_core::error::{Finding, Findings};
use runway_core::exit::ExitCode;
use runway_core::graph::persistent::object_key;
use runway_core::project::ProjectProblem;

use crate::connect::Connected;
use crate::load::Loaded;
use crate::project::Seen;
use crate::settings::{Environment, Settings};

/// The configs of one directory in one region.
pub(crate) struct Work {
    /// Module and region of a project.
    pub(crate) label: Option<String>,
    /// Directory of the project file, if there is one.
    pub(crate) root: Option<Utf8PathBuf>,
    pub(crate) settings: Settings,
    pub(crate) environment: Environment,
    pub(crate) connected: Arc<Connected>,
    pub(crate) configs: Vec<Loaded>,
}

/// Work in its order.
pub(crate) enum Tree {
    /// Configs, one after the other.
    Work(Box<Work>),
    /// One after the other; a failure stops what follows.
    Sequence(Vec<Self>),
    /// At the same time, so many of them; a failure stops what follows.
    Parallel { at_once: usize, trees: Vec<Self> },
}

impl Tree {
    /// All work, in order.
    pub(crate) fn works(&self) -> Vec<&Work> {
        match self {
            Self::Work(work) => vec![work],
            Self::Sequence(trees) | Self::Parallel { trees, .. } => {
                trees.iter().flat_map(Self::works).collect()
            }
        }
    }

    /// Calls `run` for all work, in order; the second argument says whether other work goes on beside it.
    pub(crate) fn run<'t, R>(
        &'t self,
        beside: bool,
        run: &'t R,
    ) -> LocalBoxFuture<'t, Result<ExitCode, EngineError>>
    where
        R: AsyncFn(&'t Work, bool) -> Result<ExitCode, EngineError>,
    {
        Box::pin(async move {
            match self {
                Self::Work(work) => run(work, beside).await,
                Self::Sequence(trees) => {
                    for tree in trees {
                        let exit = tree.run(beside, run).await?;
                        if exit != ExitCode::Ok {
                            return Ok(exit);
                        }
                    }
                    Ok(ExitCode::Ok)
                }
                Self::Parallel { at_once, trees } => {
                    let runs = trees.iter().map(|tree| tree.run(true, run));
                    let ends: Vec<_> = futures_util::stream::iter(runs).buffered(*at_once).collect().await;
                    together(ends)
                }
            }
        })
    }
}

/// The end of what went on at the same time: every error, or else the lowest exit code that is no success.
fn together(ends: Vec<Result<ExitCode, EngineError>>) -> Result<ExitCode, EngineError> {
    let mut errors: Vec<EngineError> = Vec::new();
    let mut exits = Vec::new();
    for end in ends {
        match end {
            Ok(exit) => exits.push(exit),
            Err(error) => errors.push(error),
        }
    }
    let failed = exits.into_iter().filter(|exit| *exit != ExitCode::Ok).min_by_key(|exit| exit.number());
    let Some(mut error) = errors.pop() else { return Ok(failed.unwrap_or(ExitCode::Ok)) };
    for other in errors {
        error.findings.extend(other.findings);
        error.exit = error.exit.min(other.exit);
    }
    Err(error)
}

/// Where the persistent graph of a config is: bucket and key.
fn graph(config: &Config, region: &str) -> Option<String> {
    let bucket = config.bucket_name(region)?;
    let key = config.persistent_graph_key.as_deref()?;
    Some(format!("s3://{bucket}/{}", object_key(&config.namespace, key)))
}

/// Refuses a run in which configs of two regions or accounts have one persistent graph, and warns of two configs of
/// one place that do: nothing in the graph tells whose its stacks are.
pub(crate) async fn check_graphs(works: &[&Work]) -> Result<Vec<Finding>, EngineError> {
    let mut findings = Findings::default();
    let mut seen: BTreeMap<String, (&Work, &Config)> = BTreeMap::new();
    for work in works {
        let region = work.connected.provider.region();
        for loaded in &work.configs {
            let Some(graph) = graph(&loaded.config, region) else { continue };
            let Some((before, config)) = seen.insert(graph.clone(), (work, &loaded.config)) else { continue };
            let elsewhere = before.connected.provider.region() != region
                || !Arc::ptr_eq(&before.connected, &work.connected)
                    && before.connected.provider.place().await? != work.connected.provider.place().await?;
            let name = |work: &Work, config: &Config| {
                let file = &config.document.name;
                work.label.as_ref().map_or_else(|| file.clone(), |label| format!("{file} ({label})"))
            };
            let (first, second) = (name(before, config), name(work, &loaded.config));
            findings.push(Finding::general(if elsewhere {
                ProjectProblem::SharedGraph { graph, first, second }
            } else {
                ProjectProblem::SameGraph { graph, first, second }
            }));
        }
    }
    if findings.has_errors() { Err(findings.into()) } else { Ok(findings.into_list()) }
}

/// Refuses a run over a part of a project whose persistent graph has stacks of what was not selected: it would delete
/// them.
pub(crate) fn check_others(works: &[&Work], others: &[Seen]) -> Findings {
    let mut findings = Findings::default();
    for work in works {
        let region = work.connected.provider.region();
        for loaded in &work.configs {
            let Some(graph) = graph(&loaded.config, region) else { continue };
            let has_it = |other: &&Seen| {
                let mut configs = other.configs.iter();
                configs.any(|loaded| self::graph(&loaded.config, &other.region).as_ref() == Some(&graph))
            };
            if let Some(other) = others.iter().find(has_it) {
                let first = work.label.clone().unwrap_or_else(|| loaded.config.document.name.clone());
                let second = other.label.clone();
                findings.push(Finding::general(ProjectProblem::GraphOfOthers { graph, first, second }));
            }
        }
    }
    findings
}

/// The turn of one target.
pub(crate) type Turn = tokio::sync::OwnedMutexGuard<()>;

/// Keeps configs with the same persistent graph from being worked on at the same time by this process: its lock is for
/// others, and would refuse the second one.
#[derive(Default)]
pub(crate) struct Turns {
    places: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

impl Turns {
    /// Waits until no other work is on the graph of a config; it is this one's turn as long as the guard is kept.
    pub(crate) async fn take(&self, config: &Config, region: &str) -> Option<Turn> {
        Some(self.of(graph(config, region)?).await)
    }

    /// Waits until no other work makes the bucket of a config.
    pub(crate) async fn take_bucket(&self, config: &Config, region: &str) -> Option<Turn> {
        Some(self.of(format!("s3://{}", config.bucket_name(region)?)).await)
    }

    async fn of(&self, place: String) -> Turn {
        let turn = {
            let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(places.entry(place).or_default())
        };
        turn.lock_owned().await
    }
}
