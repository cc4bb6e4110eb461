//! Which configs `--stack` is about.

use std::collections::BTreeMap;

use runway_core::config::Config;
use runway_core::engine::GraphView;
use runway_core::plan::{Selection, fqn_of_recorded};

use crate::args::PlanningArguments;
use crate::load::Loaded;
use crate::work::Work;

/// Selected names that no config of the command has, and the configs in whose graphs they are recorded.
pub(crate) type Strays<'w> = BTreeMap<String, Vec<&'w Loaded>>;

/// The configs of some work that are worked on, each with the stacks of it that are selected. A config that has none of
/// them is passed over; a name that is nowhere at all is for every config to refuse.
pub(crate) fn selected<'w>(
    work: &'w Work,
    strays: &Strays<'_>,
    arguments: &PlanningArguments,
) -> Vec<(&'w Loaded, Option<Selection>)> {
    if arguments.stacks.is_empty() {
        return work.configs.iter().map(|loaded| (loaded, None)).collect();
    }
    let is_stray = |loaded: &Loaded, wanted: &str| {
        strays.get(wanted).is_some_and(|recording| {
            recording.is_empty() || recording.iter().any(|other| std::ptr::eq(*other, loaded))
        })
    };
    let chosen = |loaded: &Loaded| {
        let stacks = arguments.stacks.iter().filter(|wanted| has(loaded, wanted) || is_stray(loaded, wanted));
        Selection {
            stacks: stacks.cloned().collect(),
            with_dependencies: arguments.with_dependencies,
            with_dependents: arguments.with_dependents,
        }
    };
    let all = work.configs.iter().map(|loaded| (loaded, chosen(loaded)));
    all.filter(|(_, chosen)| !chosen.stacks.is_empty())
        .map(|(loaded, chosen)| (loaded, Some(chosen)))
        .collect()
}

/// Whether a config has a stack of this name or full name.
pub(crate) fn has(loaded: &Loaded, wanted: &str) -> bool {
    let mut stacks = loaded.config.stacks.values();
    stacks.any(|stack| stack.name.as_str() == wanted || stack.fqn.as_str() == wanted)
}

/// Whether a stack of this name or full name is recorded.
pub(crate) fn is_recorded(view: &GraphView, config: &Config, wanted: &str) -> bool {
    let recorded = view.graph.iter().flat_map(|graph| graph.nodes.keys());
    recorded
        .chain(view.state.nodes.keys())
        .any(|name| name.as_str() == wanted || fqn_of_recorded(config, &view.state, name).as_str() == wanted)
}
