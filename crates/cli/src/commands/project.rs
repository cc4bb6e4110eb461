//! Commands on a project.

use std::sync::Arc;

use camino::Utf8Path;
use runway_core::clock::Clock;
use runway_core::engine::EngineError;
use runway_core::error::Findings;
use runway_core::exit::ExitCode;
use runway_core::plan::Purpose;
use runway_core::project::resolve::Answered;

use super::Context;
use crate::args::Command;
use crate::clock::SystemClock;
use crate::connect::Connector;
use crate::load::Check;
use crate::output;
use crate::project::{Depth, OpenProject, Targets, choose, deploy_environment, write_starter};
use crate::settings::{Found, Settings, SettingsProblem, shown};

impl Context {
    /// Carries out a command on the modules of a project.
    pub(super) fn project(&self, mut settings: Settings, path: &Utf8Path) -> Result<ExitCode, EngineError> {
        let command = &self.arguments.command;
        let mut open = OpenProject::read(path, &self.current)?;
        self.output.findings(&open.warnings, ExitCode::Ok);
        let has_standing_approval = match command {
            Command::Deploy(arguments) | Command::Destroy(arguments) => arguments.yes || settings.ci,
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
        let (tags, modules) = (&self.arguments.global.tag, &self.arguments.global.module);
        if !tags.is_empty() {
            open.project.select_by_tags(tags).map_err(EngineError::of)?;
        }
        if !modules.is_empty() {
            open.project.select_by_names(modules).map_err(EngineError::of)?;
        }
        if asking && tags.is_empty() && modules.is_empty() {
            choose(&mut open.project, changes_order, &self.output);
        }
        if changes_order {
            open.project.reverse();
        }
        self.in_runtime(self.targets(&open, &settings, has_standing_approval, changes_order))
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
        }
    }

    async fn targets(
        &self,
        open: &OpenProject,
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
        let mut targets = Targets { check, reversed, concurrent, ..self.look_at(open, settings, depth) };
        let tree = targets.tree().await?;
        if let Some(arguments) = validates {
            return Ok(self.validated(targets.findings, targets.files, &arguments.form));
        }
        if targets.findings.has_errors() {
            return Err(targets.findings.into());
        }
        self.output.findings(&targets.findings.split().1, ExitCode::Ok);
        let exit = self.carry_out(&tree, &self.output).await;
        self.stats(&connector).await;
        exit
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
    use super::for_shell;

    #[test]
    fn values_survive_a_shell() {
        let value = "a \"b\" $c `d` \\e";
        let line = format!("printf %s \"{}\"", for_shell(value));
        let ran = std::process::Command::new("sh").args(["-c", &line]).output().unwrap();
        assert_eq!(String::from_utf8(ran.stdout).unwrap(), value);
    }
}
