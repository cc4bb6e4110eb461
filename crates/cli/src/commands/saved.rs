//! Files with plans: written by `plan --out`, carried out by `deploy --plan` and `destroy --plan`.

use std::io::{Read as _, Write as _};

use camino::Utf8Path;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use runway_core::clock::Clock as _;
use runway_core::engine::EngineError;
use runway_core::error::Finding;
use runway_core::exit::ExitCode;
use runway_core::plan::Purpose;
use runway_core::plan::saved::{SavedOptions, SavedPlan, SavedPlans, SavedProblem, SavedTarget, open, seal};

use super::session::Session;
use super::{Context, planning};
use crate::Arguments;
use crate::args::{Command, PlanningArguments};
use crate::clock::SystemClock;
use crate::load::Loaded;
use crate::settings::SettingsProblem;
use crate::work::Work;

/// Bytes of the largest file that is read.
const LONGEST: u64 = 256 * 1024 * 1024;

/// The file with the plan that a command carries out.
pub(super) fn file(command: &Command) -> Option<&Utf8Path> {
    match command {
        Command::Deploy(arguments) | Command::Destroy(arguments) => arguments.plan.as_deref(),
        _ => None,
    }
}

/// Reads the file that a command names, and takes from it the options that it fixes.
///
/// # Errors
/// [`EngineError`] if it is no saved plan, was changed, or does not go with the command line.
pub(super) fn read(arguments: &mut Arguments, current: &Utf8Path) -> Result<Option<SavedPlans>, EngineError> {
    let Some(path) = file(&arguments.command).map(Utf8Path::to_owned) else { return Ok(None) };
    let global = &arguments.global;
    let given = [(&global.tag, "--tag"), (&global.module, "--module")];
    if let Some((_, option)) = given.into_iter().find(|(names, _)| !names.is_empty()) {
        return Err(EngineError::of(SavedProblem::FixedOption { option }));
    }
    let bytes = bytes(&current.join(&path), LONGEST)
        .map_err(|message| EngineError::of(SettingsProblem::Unreadable { path: path.clone(), message }))?;
    let saved = open(path.as_str(), &bytes).map_err(EngineError::of)?;
    let (wanted, common) = match &mut arguments.command {
        Command::Destroy(arguments) => (Purpose::Destroy, &mut arguments.common),
        Command::Deploy(arguments) => (Purpose::Deploy, &mut arguments.common),
        _ => return Ok(None),
    };
    if saved.plans.iter().any(|plan| plan.plan.purpose != wanted) {
        let (planned, command) = match wanted {
            Purpose::Deploy => ("destroy", "deploy"),
            Purpose::Destroy => ("deploy", "destroy"),
        };
        return Err(EngineError::of(SavedProblem::OtherPurpose {
            path: path.into_string(),
            planned,
            command,
        }));
    }
    let SavedOptions { stacks, with_dependencies, with_dependents, tags, modules } = saved.options.clone();
    *common = PlanningArguments {
        stacks,
        with_dependencies,
        with_dependents,
        // What may be deleted or lost is for this command line to say, and not for a file.
        allow_empty: common.allow_empty,
        allow: common.allow.clone(),
        full: common.full,
        concurrency: common.concurrency,
    };
    arguments.global.tag = tags;
    arguments.global.module = modules;
    Ok(Some(saved))
}

/// The bytes of a file that is not longer than `longest`.
pub(super) fn bytes(path: &Utf8Path, longest: u64) -> Result<Vec<u8>, String> {
    let message = |error: std::io::Error| error.kind().to_string();
    // Before it is opened: a named pipe would keep this program waiting for ever.
    if !fs_err::metadata(path).map_err(message)?.is_file() {
        return Err("it is no regular file".to_owned());
    }
    let mut bytes = Vec::new();
    let file = fs_err::File::open(path).map_err(message)?;
    file.take(longest + 1).read_to_end(&mut bytes).map_err(message)?;
    if bytes.len() as u64 > longest {
        return Err(format!("it is larger than {} MiB", longest / 1024 / 1024));
    }
    Ok(bytes)
}

/// How a file with plans calls a config.
pub(super) fn target(work: &Work, loaded: &Loaded) -> SavedTarget {
    SavedTarget {
        config: loaded.config.document.name.clone(),
        module: work.label.clone(),
        environment: work.settings.deploy_environment.clone(),
        region: work.connected.provider.region().to_owned(),
    }
}

impl Context {
    /// The saved plan of a target; none if the command carries out no saved plans.
    ///
    /// # Errors
    /// [`EngineError`] if it does, and there is none for this target.
    pub(super) fn saved_plan(&self, target: &SavedTarget) -> Result<Option<&SavedPlan>, EngineError> {
        let Some(saved) = &self.saved else { return Ok(None) };
        let plan = saved.plans.iter().find(|plan| plan.target == *target);
        plan.map(Some).ok_or_else(|| EngineError::of(SavedProblem::Moved { what: unplanned(target) }))
    }

    /// Writes what `plan --out` has planned.
    pub(super) fn write_plans(&self, path: &Utf8Path, plans: Vec<SavedPlan>) -> Result<(), EngineError> {
        let global = &self.arguments.global;
        let options = planning(&self.arguments.command).map(|given| SavedOptions {
            stacks: given.stacks.clone(),
            with_dependencies: given.with_dependencies,
            with_dependents: given.with_dependents,
            tags: global.tag.clone(),
            modules: global.module.clone(),
        });
        let text = seal(&SavedPlans {
            version: 1,
            digest: String::new(),
            program: format!("runway-rs {}", env!("CARGO_PKG_VERSION")),
            created: SystemClock.now().to_string(),
            options: options.unwrap_or_default(),
            plans,
        });
        replace(&self.current.join(path), text.as_bytes(), 0o600).map_err(|error| {
            let (path, message) = (path.to_owned(), error.to_string());
            EngineError::of(SettingsProblem::Unwritable { path, message })
        })?;
        let command = match self.purpose() {
            Purpose::Deploy => "deploy",
            Purpose::Destroy => "destroy",
        };
        self.output.message(&format!("wrote {path}: `runway-rs {command} --plan {path}` carries it out"));
        Ok(())
    }
}

/// Writes a file with these permissions, less what the user's mask takes. Whoever looks sees the old one or the new one, and
/// never a part.
pub(crate) fn replace(path: &Utf8Path, bytes: &[u8], mode: u32) -> std::io::Result<()> {
    if fs_err::metadata(path).is_ok_and(|about| !about.is_file()) {
        return Err(std::io::Error::other("it exists and is no regular file"));
    }
    let name = path.file_name().ok_or_else(|| std::io::Error::other("it names no file"))?;
    let beside = path.with_file_name(format!(".{name}.{}.tmp", uuid::Uuid::new_v4()));
    let written = fs_err::OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside);
    let written = written.and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let placed = written.and_then(|()| fs_err::rename(&beside, path));
    if placed.is_err() {
        // It may never have been there.
        let _ = fs_err::remove_file(&beside);
    }
    placed
}

/// Compares every plan that is to be carried out with the world, before the first of them is.
pub(super) async fn still_stand(
    saved: &SavedPlans,
    sessions: &[Session<'_>],
    purpose: Purpose,
) -> Result<(), EngineError> {
    let targets: Vec<SavedTarget> = sessions.iter().flat_map(Session::targets).collect();
    if let Some(error) = strangers(saved, &targets) {
        return Err(error);
    }
    if targets.len() < 2 {
        // The run itself does it.
        return Ok(());
    }
    let mut all: Option<EngineError> = None;
    for session in sessions {
        for error in session.compare(purpose).await {
            match &mut all {
                None => all = Some(error),
                Some(all) => {
                    all.findings.extend(error.findings);
                    // What moved says more than what could not be found out.
                    all.exit = if error.exit == ExitCode::Stale { error.exit } else { all.exit };
                }
            }
        }
    }
    all.map_or(Ok(()), Err)
}

/// How the configs of a run and the plans of a file do not go together; nothing if each has its counterpart.
fn strangers(saved: &SavedPlans, targets: &[SavedTarget]) -> Option<EngineError> {
    let mut left: Vec<&SavedTarget> =
        saved.plans.iter().map(|plan| &plan.target).filter(|target| !targets.contains(target)).collect();
    let planned = |target: &&SavedTarget| !saved.plans.iter().any(|plan| plan.target == **target);
    let mut found = Vec::new();
    for target in targets.iter().filter(planned) {
        let same_config = left.iter().position(|before| before.config == target.config);
        found.push(match same_config.map(|at| left.remove(at)) {
            Some(before) => difference(before, target),
            None => unplanned(target),
        });
    }
    found.extend(
        left.into_iter().map(|before| format!("this run does not reach {}, which is planned", name(before))),
    );
    let findings: Vec<Finding> =
        found.into_iter().map(|what| Finding::general(SavedProblem::Moved { what })).collect();
    (!findings.is_empty()).then_some(EngineError { findings, exit: ExitCode::Stale })
}

fn unplanned(target: &SavedTarget) -> String {
    format!("the saved plan has nothing for {}", name(target))
}

fn name(target: &SavedTarget) -> String {
    let SavedTarget { config, module, environment, region } = target;
    let module = module.as_ref().map(|module| format!(", module {module}")).unwrap_or_default();
    format!("{config} (deploy environment {environment}, region {region}{module})")
}

fn difference(before: &SavedTarget, now: &SavedTarget) -> String {
    let module = |target: &SavedTarget| target.module.clone().unwrap_or_else(|| "none".to_owned());
    let all = [
        ("region", before.region.clone(), now.region.clone()),
        ("deploy environment", before.environment.clone(), now.environment.clone()),
        ("module", module(before), module(now)),
    ];
    // The name of a module has its region in it.
    let differing = all.into_iter().find(|(_, before, now)| before != now).into_iter();
    let words: Vec<String> =
        differing.map(|(what, before, now)| format!("for {what} {before}, and this is {now}")).collect();
    format!("{}: planned {}", now.config, words.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(config: &str, environment: &str, region: &str) -> SavedTarget {
        SavedTarget {
            config: config.to_owned(),
            module: None,
            environment: environment.to_owned(),
            region: region.to_owned(),
        }
    }

    #[test]
    fn a_file_is_replaced_whole_and_read_by_its_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let path = camino::Utf8PathBuf::from_path_buf(directory.path().join("x.plan")).unwrap();
        for text in ["a long text", "short"] {
            replace(&path, text.as_bytes(), 0o600).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left beside it");
        assert!(replace(Utf8Path::new("/dev/null"), b"x", 0o600).is_err());
        assert!(replace(&path.join("nowhere/x"), b"x", 0o600).is_err());
    }

    #[test]
    fn the_difference_between_two_targets_is_named() {
        let before = target("a.yml", "dev", "eu-west-1");
        let words = |now| difference(&before, &now);
        assert_eq!(
            words(target("a.yml", "dev", "us-east-1")),
            "a.yml: planned for region eu-west-1, and this is us-east-1"
        );
        assert_eq!(
            words(target("a.yml", "prod", "eu-west-1")),
            "a.yml: planned for deploy environment dev, and this is prod"
        );
    }
}
