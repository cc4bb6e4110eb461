//! Commands on a project.

use std::sync::Arc;

use camino::Utf8Path;
use runway_core::clock::Clock;
use runway_core::engine::EngineError;
use runway_core::error::Findings;
use runway_core::exit::ExitCode;
use runway_core::plan::Purpose;
use runway_core::project::resolve::Answered;

use super::{Context, planning};
use crate::args::Command;
use crate::clock::SystemClock;
use crate::connect::Connector;
use crate::load::Check;
use crate::output;
use crate::project::{Depth, OpenProject, Seen, Targets, choose, deploy_environment, write_starter};
use crate::settings::{Found, Settings, SettingsProblem, shown};
use crate::work::check_others;

impl Context {
    /// Carries out a command on the modules of a project.
    pub(super) fn project(&self, mut settings: Settings, path: &Utf8Path) -> Result<ExitCode, EngineError> {
        let command = &self.arguments.command;
        let mut open = OpenProject::read(path, &self.current)?;
        self.output.findings(&open.warnings, ExitCode::Ok);
        let has_standing_approval = match command {
            Command::Deploy(arguments) | Command::Destroy(arguments) => {
                arguments.yes || settings.ci || arguments.plan.is_some()
            }
            _ => settings.ci,
        };
        let acts =
            matches!(command, Command::Plan(_) | Command::Deploy(_) | Command::Destroy(_) | Command::Init);
        let asking = acts && !has_standing_approval && output::can_ask();
        settings.deploy_environment =
            deploy_environment(&settings, &open.root, open.project.ignore_git_branch, asking, &self.output)
                .map_err(EngineError::of)?;
        let destroys = matches!(self.purpose(), Purpose::Destroy) && !matches!(command, Command::Init);
        let changes_order = destroys && matches!(command, Command::Plan(_) | Command::Destroy(_));
        let whole = open.clone();
        let (tags, modules) = (&self.arguments.global.tag, &self.arguments.global.module);
        if !tags.is_empty() {
            open.project.select_by_tags(tags).map_err(EngineError::of)?;
        }
        if !modules.is_empty() {
            open.project.select_by_names(modules).map_err(EngineError::of)?;
        }
        // A plan that is kept is one of everything that was named.
        let keeps = matches!(command, Command::Plan(arguments) if arguments.out.is_some());
        if asking && !keeps && tags.is_empty() && modules.is_empty() {
            choose(&mut open.project, changes_order, &self.output);
        }
        let is_part = self.arguments.global.region.is_some()
            || open.project.module_names().len() < whole.project.module_names().len();
        let whole = Some(whole).filter(|_| is_part);
        if changes_order {
            open.project.reverse();
        }
        self.in_runtime(self.targets(
            (&open, whole.as_ref()),
            &settings,
            has_standing_approval,
            changes_order,
        ))
    }

    /// The environment variables of all deployments.
    async fn variables(
        &self,
        open: &OpenProject,
        settings: &Settings,
    ) -> Result<Vec<(String, String)>, EngineError> {
        let connector = self.connector(&open.root);
        let mut targets = self.look_at(open, settings, Depth::Connected(&connector));
        let mut all: Vec<(String, String)> = Vec::new();
        for deployment in &open.project.deployments {
            for (name, value) in targets.variables(deployment, settings, &mut Answered::new()).await? {
                // Of deployments with the same variable, the last one wins (Runway).
                match all.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, known)) => *known = value,
                    None => all.push((name, value)),
                }
            }
        }
        if targets.findings.has_errors() { Err(targets.findings.into()) } else { Ok(all) }
    }

    fn connector(&self, root: &Utf8Path) -> Connector {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        Connector::new(root.to_owned(), self.environment.clone(), clock)
    }

    /// A look at a project that has not begun.
    fn look_at<'c>(&'c self, open: &'c OpenProject, settings: &'c Settings, depth: Depth<'c>) -> Targets<'c> {
        Targets {
            open,
            settings,
            global: &self.arguments.global,
            environment: &self.environment,
            output: &self.output,
            current: &self.current,
            depth,
            known_sources: &self.known_sources,
            check: Check::For(self.purpose()),
            reversed: false,
            concurrent: false,
            findings: Findings::default(),
            files: 1,
            only_region: None,
            seen: Vec::new(),
            unseen: Vec::new(),
        }
    }

    async fn targets(
        &self,
        (open, whole): (&OpenProject, Option<&OpenProject>),
        settings: &Settings,
        concurrent: bool,
        reversed: bool,
    ) -> Result<ExitCode, EngineError> {
        let connector = self.connector(&open.root);
        let validates =
            if let Command::Validate(arguments) = &self.arguments.command { Some(arguments) } else { None };
        let depth = match validates {
            Some(arguments) => Depth::Files { fetch: arguments.fetch },
            None => Depth::Connected(&connector),
        };
        let check = if validates.is_some() { Check::All } else { Check::For(self.purpose()) };
        // What is only looked at is told in order.
        let concurrent =
            concurrent && matches!(self.arguments.command, Command::Deploy(_) | Command::Destroy(_));
        let mut targets = Targets {
            check,
            reversed,
            concurrent,
            only_region: self.arguments.global.region.as_deref(),
            ..self.look_at(open, settings, depth)
        };
        let tree = targets.tree().await?;
        if let Some(arguments) = validates {
            return Ok(self.validated(targets.findings, targets.files, &arguments.form));
        }
        if targets.findings.has_errors() {
            return Err(targets.findings.into());
        }
        let selects_stacks = planning(&self.arguments.command).is_none_or(|given| !given.stacks.is_empty());
        if let Some(whole) = whole.filter(|_| !selects_stacks) {
            let others = self.others(whole, settings, &targets.seen).await?;
            let found = check_others(&tree.works(), &others);
            if found.has_errors() {
                return Err(found.into());
            }
        }
        self.output.findings(&targets.findings.split().1, ExitCode::Ok);
        let exit = self.carry_out(&tree, &self.output).await;
        self.stats(&connector).await;
        exit
    }

    /// The configs of a project that are not among the selected ones, as far as they can be read without the cloud. What
    /// is wrong with them is no matter of this run.
    async fn others(
        &self,
        whole: &OpenProject,
        settings: &Settings,
        selected: &[Seen],
    ) -> Result<Vec<Seen>, EngineError> {
        let quiet = output::Output { quiet: 2, ..self.output.clone() };
        let look = self.look_at(whole, settings, Depth::Files { fetch: false });
        let mut targets = Targets { output: &quiet, ..look };
        targets.tree().await?;
        let is_selected = |other: &Seen| {
            selected.iter().any(|seen| (seen.module, &seen.region) == (other.module, &other.region))
        };
        for what in targets.unseen.iter().filter(|what| !selected.iter().any(|seen| seen.label == **what)) {
            self.output.message(&format!(
                "warning: {what}: not known whether it has the same persistent graph as what is selected"
            ));
        }
        let mut others = targets.seen;
        others.retain(|other| !is_selected(other));
        Ok(others)
    }

    /// Prints the name of the deploy environment; asks nothing (Runway).
    pub(super) fn whichenv(&self, settings: &Settings, found: &Found) -> Result<ExitCode, EngineError> {
        let quiet = output::Output { quiet: 2, ..self.output.clone() };
        let (root, ignore) = match found {
            Found::Project(path) => {
                let open = OpenProject::read(path, &self.current)?;
                (open.root, open.project.ignore_git_branch)
            }
            Found::Configs(_) => (self.current.clone(), false),
        };
        let name = deploy_environment(settings, &root, ignore, false, &quiet).map_err(EngineError::of)?;
        self.output.data(&format!("{name}\n"));
        Ok(ExitCode::Ok)
    }

    /// Prints the environment variables of the deployments for a shell (Runway).
    pub(super) fn envvars(&self, mut settings: Settings, path: &Utf8Path) -> Result<ExitCode, EngineError> {
        let open = OpenProject::read(path, &self.current)?;
        let quiet = output::Output { quiet: 2, ..self.output.clone() };
        let name = deploy_environment(&settings, &open.root, open.project.ignore_git_branch, false, &quiet)
            .map_err(EngineError::of)?;
        settings.deploy_environment = name;
        let all = self.in_runtime(self.variables(&open, &settings))?;
        if all.is_empty() {
            let path = shown(&open.path, &self.current);
            return Err(EngineError::of(SettingsProblem::NoEnvironmentVariables { path }));
        }
        if let Some((name, _)) = all.iter().find(|(name, _)| !is_shell_name(name)) {
            return Err(EngineError::of(SettingsProblem::VariableName { name: name.clone() }));
        }
        let lines: String =
            all.iter().map(|(name, value)| format!("export {name}=\"{}\"\n", for_shell(value))).collect();
        self.output.data(&lines);
        Ok(ExitCode::Ok)
    }

    /// Writes a project to begin with.
    pub(super) fn new_project(&self, directory: Option<&Utf8Path>) -> Result<ExitCode, EngineError> {
        let root = directory.map_or_else(|| self.current.clone(), |directory| self.current.join(directory));
        let written = write_starter(&root, &self.current).map_err(EngineError::of)?;
        for path in written {
            self.output.message(&format!("wrote {path}"));
        }
        let inside = directory.map(|directory| format!("cd {directory} && ")).unwrap_or_default();
        self.output.message(&format!("try it without AWS: {inside}runway-rs deploy -e dev --provider local"));
        Ok(ExitCode::Ok)
    }
}

/// Whether a shell takes it for the name of a variable: nothing else may get into a script.
fn is_shell_name(name: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(is_letter) && name.chars().all(|c| is_letter(c) || c.is_ascii_digit())
}

/// A value between double quotes, as a POSIX shell reads it.
fn for_shell(value: &str) -> String {
    let mut text = String::new();
    for c in value.chars() {
        if matches!(c, '"' | '\\' | '$' | '`') {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{for_shell, is_shell_name};

    #[test]
    fn names_are_what_a_shell_takes() {
        assert!(["A", "_a1", "KUBECONFIG"].into_iter().all(is_shell_name));
        assert!(!["", "1a", "a-b", "a;id", "a$(id)", "ä"].into_iter().any(is_shell_name));
    }

    #[test]
    fn values_survive_a_shell() {
        let value = "a \"b\" $c `d` \\e";
        let line = format!("printf %s \"{}\"", for_shell(value));
        let ran = std::process::Command::new("sh").args(["-c", &line]).output().unwrap();
        assert_eq!(String::from_utf8(ran.stdout).unwrap(), value);
    }
}
