//! Which configs `--stack` is about.

use runway_core::plan::Selection;

use crate::args::PlanningArguments;
use crate::load::Loaded;
use crate::work::Work;

/// The configs of some work that are worked on, each with the stacks of it that are selected. A config that has none of
/// them is passed over; a name that no config of the command has may be recorded, so every config is asked for it.
pub(crate) fn selected<'w>(
    work: &'w Work,
    works: &[&Work],
    arguments: &PlanningArguments,
) -> Vec<(&'w Loaded, Option<Selection>)> {
    if arguments.stacks.is_empty() {
        return work.configs.iter().map(|loaded| (loaded, None)).collect();
    }
    let nowhere =
        |wanted: &str| !works.iter().flat_map(|work| &work.configs).any(|loaded| has(loaded, wanted));
    let chosen = |loaded: &Loaded| {
        let stacks = arguments.stacks.iter().filter(|wanted| has(loaded, wanted) || nowhere(wanted));
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

fn has(loaded: &Loaded, wanted: &str) -> bool {
    let mut stacks = loaded.config.stacks.values();
    stacks.any(|stack| stack.name.as_str() == wanted || stack.fqn.as_str() == wanted)
}
