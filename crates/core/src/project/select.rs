//! Which modules of a project are worked on, and in which order.

use super::{Module, Project, ProjectProblem};
use crate::error::nearest;

impl Project {
    /// Keeps the modules that have every one of these tags (Runway). Of a parallel module, its inner modules count.
    ///
    /// # Errors
    /// [`ProjectProblem::NothingSelected`] if none is left.
    pub fn select_by_tags(&mut self, tags: &[String]) -> Result<(), ProjectProblem> {
        self.keep(&|_, module| tags.iter().all(|tag| module.tags.contains(tag)));
        if !self.deployments.is_empty() {
            return Ok(());
        }
        let wanted = format!("the tags {}", tags.join(", "));
        Err(ProjectProblem::NothingSelected { wanted, help: "a module must have all of them".to_owned() })
    }

    /// Keeps the modules with one of these names; `<deployment>.<module>` names one of a single deployment.
    ///
    /// # Errors
    /// [`ProjectProblem::NothingSelected`] for the first name that no module has.
    pub fn select_by_names(&mut self, names: &[String]) -> Result<(), ProjectProblem> {
        let known: Vec<(String, String)> = self.module_names();
        let is_named = |name: &str, deployment: &str, module: &str| {
            name == module
                || name.strip_prefix(deployment).and_then(|rest| rest.strip_prefix('.')) == Some(module)
        };
        for name in names {
            if !known.iter().any(|(deployment, module)| is_named(name, deployment, module)) {
                let modules: Vec<&str> = known.iter().map(|(_, module)| module.as_str()).collect();
                let help = match nearest(name, modules.iter().copied()) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("modules are {}", modules.join(", ")),
                };
                return Err(ProjectProblem::NothingSelected { wanted: format!("the name `{name}`"), help });
            }
        }
        self.keep(&|deployment, module| names.iter().any(|name| is_named(name, deployment, &module.name)));
        Ok(())
    }

    /// Keeps one deployment, of it one module if `module` is given, and of that one inner module if `inner` is;
    /// positions count from 0.
    pub fn select_by_position(&mut self, deployment: usize, module: Option<usize>, inner: Option<usize>) {
        only(&mut self.deployments, Some(deployment));
        for deployment in &mut self.deployments {
            only(&mut deployment.modules, module);
            deployment.modules.iter_mut().for_each(|module| only(&mut module.parallel, inner));
        }
    }

    /// Deployments, modules and inner modules in the order of a destroy; regions are reversed where they are known.
    pub fn reverse(&mut self) {
        self.deployments.reverse();
        for deployment in &mut self.deployments {
            deployment.modules.reverse();
            deployment.modules.iter_mut().for_each(|module| module.parallel.reverse());
        }
    }

    /// Deployment and name of every module that stands for itself.
    pub fn module_names(&self) -> Vec<(String, String)> {
        let mut names = Vec::new();
        for deployment in &self.deployments {
            for module in &deployment.modules {
                names.push((deployment.name.clone(), module.name.clone()));
                names.extend(
                    module.parallel.iter().map(|inner| (deployment.name.clone(), inner.name.clone())),
                );
            }
        }
        names
    }

    fn keep(&mut self, keep: &dyn Fn(&str, &Module) -> bool) {
        for deployment in &mut self.deployments {
            let name = deployment.name.clone();
            for module in &mut deployment.modules {
                // A parallel module that is meant itself keeps all of its inner ones.
                if !keep(&name, module) || module.parallel.is_empty() {
                    module.parallel.retain(|inner| keep(&name, inner));
                }
            }
            deployment.modules.retain(|module| keep(&name, module) || !module.parallel.is_empty());
        }
        self.deployments.retain(|deployment| !deployment.modules.is_empty());
    }
}

/// Keeps one item, if there is one at this place.
fn only<T>(items: &mut Vec<T>, at: Option<usize>) {
    if let Some(at) = at.filter(|at| *at < items.len()) {
        let kept = items.swap_remove(at);
        *items = vec![kept];
    }
}

impl Module {
    /// How a menu shows it: inner modules in brackets (Runway).
    pub fn menu_entry(&self) -> String {
        if self.parallel.is_empty() {
            return self.name.clone();
        }
        let inner: Vec<&str> = self.parallel.iter().map(|inner| inner.name.as_str()).collect();
        format!("{} [{}]", self.name, inner.join(", "))
    }
}
