//! A person chooses what to work on.

use runway_core::lookup::VariableValue;
use runway_core::project::{Deployment, Module, Project, Setting};

use crate::output::Output;

/// Asks which deployment and module to work on, if there are several; all is the default (Runway).
pub(crate) fn choose(project: &mut Project, destroy: bool, output: &Output) {
    let entries: Vec<String> = project.deployments.iter().map(entry).collect();
    let Some(deployment) = number(output, "Configured deployments", "deployment", &entries, destroy) else {
        return;
    };
    let modules =
        project.deployments.get(deployment).map(|chosen| chosen.modules.as_slice()).unwrap_or_default();
    let entries: Vec<String> = modules.iter().map(Module::menu_entry).collect();
    let module = number(output, "Configured modules", "module", &entries, destroy);
    let inner =
        module.and_then(|at| modules.get(at)).map(|module| module.parallel.as_slice()).unwrap_or_default();
    let entries: Vec<String> = inner.iter().map(Module::menu_entry).collect();
    let inner = number(output, "Configured modules", "module", &entries, destroy);
    project.select_by_position(deployment, module, inner);
}

/// Position of the chosen entry; `None` for all. One entry needs no question.
fn number(output: &Output, title: &str, what: &str, entries: &[String], destroy: bool) -> Option<usize> {
    if entries.len() < 2 {
        return (entries.len() == 1).then_some(0);
    }
    let mut text = format!("\n{title}\n\n");
    for (at, entry) in entries.iter().enumerate() {
        text.push_str(&format!("{:>3}: {entry}\n", at + 1));
    }
    if destroy {
        text.push_str(&format!("\n(\"all\" destroys every {what}, in reverse order)\n"));
    }
    output.essential(&text);
    loop {
        let answer = output.ask_for(&format!("Number of the {what} to work on, or \"all\""), "all");
        if answer == "all" {
            return None;
        }
        match answer.parse::<usize>() {
            Ok(number) if (1..=entries.len()).contains(&number) => return Some(number - 1),
            _ => output.essential(&format!("`{answer}` is neither a number of the list nor \"all\"")),
        }
    }
}

/// `name - modules (regions)`, as Runway shows it.
fn entry(deployment: &Deployment) -> String {
    let modules: Vec<&str> = deployment.modules.iter().map(|module| module.name.as_str()).collect();
    format!("{} - {} ({})", deployment.name, modules.join(", "), written(&deployment.regions))
}

/// Regions as they are written.
fn written(regions: &Setting) -> String {
    fn text(value: &VariableValue) -> String {
        match value {
            VariableValue::Text(text) => text.clone(),
            VariableValue::Expression(expression) => expression.source.clone(),
            VariableValue::List(items) => items.iter().map(text).collect::<Vec<_>>().join(", "),
            _ => String::new(),
        }
    }
    text(&regions.value)
}
