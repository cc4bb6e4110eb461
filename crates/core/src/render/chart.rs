//! What a picture of a plan shows: stacks, what they need, and what happens to them. The same for every form of picture.

use std::collections::{BTreeMap, BTreeSet};

use super::json::{PlanDocument, StepDocument};
use super::words;
use crate::plan::{Action, Certainty};

/// What happens to a stack, as pictures tell it apart: by colour, by shape and by sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Delete,
    Recreate,
    Create,
    Update,
    Run,
    May,
    Skip,
    None,
}

impl Kind {
    /// What happens to the stack of a step.
    pub(super) fn of(step: &StepDocument) -> Self {
        match (step.action, step.certainty) {
            (Action::Delete, _) => Self::Delete,
            (Action::Recreate, _) => Self::Recreate,
            (Action::Update, Certainty::May) => Self::May,
            (Action::Run, _) => Self::Run,
            (Action::Create, _) => Self::Create,
            (Action::Update, _) => Self::Update,
            (Action::Skip, _) => Self::Skip,
            (Action::None, _) => Self::None,
        }
    }

    /// Name of its class in style sheets.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Recreate => "recreate",
            Self::Create => "create",
            Self::Update => "update",
            Self::Run => "run",
            Self::May => "may",
            Self::Skip => "skip",
            Self::None => "none",
        }
    }

    /// The sign in front of a step; what only may happen has one of its own.
    pub(super) fn sign(self) -> char {
        match self {
            Self::Delete => words::sign(Action::Delete),
            Self::Recreate => words::sign(Action::Recreate),
            Self::Create => words::sign(Action::Create),
            Self::Update => words::sign(Action::Update),
            Self::Run => words::sign(Action::Run),
            Self::May => '?',
            Self::Skip => words::sign(Action::Skip),
            Self::None => '=',
        }
    }

    /// What happens, in words.
    pub(super) fn verb(self) -> &'static str {
        match self {
            Self::Delete => words::verb(Action::Delete, Certainty::Will),
            Self::Recreate => words::verb(Action::Recreate, Certainty::Will),
            Self::Create => words::verb(Action::Create, Certainty::Will),
            Self::Update => words::verb(Action::Update, Certainty::Will),
            Self::Run => words::verb(Action::Run, Certainty::Will),
            Self::May => words::verb(Action::Update, Certainty::May),
            Self::Skip => "left alone",
            Self::None => words::verb(Action::None, Certainty::Proved),
        }
    }

    /// Whether anything happens.
    pub(super) fn is_change(self) -> bool {
        !matches!(self, Self::Skip | Self::None)
    }

    /// Whether something is lost.
    pub(super) fn is_destructive(self) -> bool {
        matches!(self, Self::Delete | Self::Recreate)
    }
}

/// How much a picture can show.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// With more stacks than these, only those that change are shown, and their direct neighbours.
    pub(super) everything: usize,
    /// Stacks at most.
    pub(super) stacks: usize,
    /// Arrows at most.
    pub(super) arrows: usize,
}

/// An arrow from a stack to what it needs, as places in the list of stacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Arrow {
    pub(super) from: usize,
    pub(super) to: usize,
}

/// What is drawn.
pub(super) struct Chart<'p> {
    /// Stacks in the order of the plan, with their places in it.
    pub(super) stacks: Vec<(usize, &'p StepDocument)>,
    /// What they need.
    pub(super) arrows: Vec<Arrow>,
    /// Stacks that change and are not shown.
    pub(super) changes_left_out: usize,
    /// Stacks that do not change and are not shown.
    pub(super) others_left_out: usize,
    /// Arrows between shown stacks that are not shown.
    pub(super) arrows_left_out: usize,
}

impl<'p> Chart<'p> {
    /// Chooses what is shown of a plan.
    pub(super) fn of(plan: &'p PlanDocument, room: Room) -> Self {
        let arrows = arrows(&plan.steps);
        let kinds: Vec<Kind> = plan.steps.iter().map(Kind::of).collect();
        let shown = shown(&kinds, &arrows, room);
        let place: BTreeMap<usize, usize> = shown.iter().enumerate().map(|(at, step)| (*step, at)).collect();
        let mut between: Vec<Arrow> = arrows
            .iter()
            .filter_map(|arrow| Some(Arrow { from: *place.get(&arrow.from)?, to: *place.get(&arrow.to)? }))
            .collect();
        let arrows_left_out = between.len().saturating_sub(room.arrows);
        between.truncate(room.arrows);
        let hidden = |change: bool| {
            let hidden = kinds.iter().enumerate().filter(|(step, _)| !shown.contains(step));
            hidden.filter(|(_, kind)| kind.is_change() == change).count()
        };
        Self {
            changes_left_out: hidden(true),
            others_left_out: hidden(false),
            arrows_left_out,
            stacks: shown.iter().filter_map(|step| Some((*step, plan.steps.get(*step)?))).collect(),
            arrows: between,
        }
    }

    /// What is not shown, as a sentence.
    pub(super) fn left_out(&self) -> Option<String> {
        let count = |count: usize, one: &str, many: &str| match count {
            0 => None,
            1 => Some(format!("1 {one}")),
            _ => Some(format!("{count} {many}")),
        };
        let parts: Vec<String> = [
            count(self.changes_left_out, "stack that changes", "stacks that change"),
            count(self.others_left_out, "stack that does not change", "stacks that do not change"),
            count(self.arrows_left_out, "arrow", "arrows"),
        ]
        .into_iter()
        .flatten()
        .collect();
        (!parts.is_empty()).then(|| format!("Not drawn: {}.", parts.join(", ")))
    }
}

/// Dependencies: what a step waits for. A deletion waits for what needed the stack, so its arrows come from there.
fn arrows(steps: &[StepDocument]) -> BTreeSet<Arrow> {
    let place: BTreeMap<&str, usize> =
        steps.iter().enumerate().map(|(at, step)| (step.name.as_str(), at)).collect();
    let mut arrows = BTreeSet::new();
    for (from, step) in steps.iter().enumerate() {
        for need in &step.needs {
            let Some(to) = place.get(need.as_str()).copied().filter(|to| *to != from) else { continue };
            let turned = step.action == Action::Delete;
            arrows.insert(if turned { Arrow { from: to, to: from } } else { Arrow { from, to } });
        }
    }
    arrows
}

/// Which steps are shown: all if there is room, else those that change and their neighbours, else those that change,
/// else the first of these, destructive ones first.
fn shown(kinds: &[Kind], arrows: &BTreeSet<Arrow>, room: Room) -> BTreeSet<usize> {
    if kinds.len() <= room.everything {
        return (0..kinds.len()).collect();
    }
    let changes: BTreeSet<usize> = (0..kinds.len()).filter(|step| kinds[*step].is_change()).collect();
    let mut with_neighbours = changes.clone();
    for arrow in arrows {
        if changes.contains(&arrow.from) {
            with_neighbours.insert(arrow.to);
        }
        if changes.contains(&arrow.to) {
            with_neighbours.insert(arrow.from);
        }
    }
    if with_neighbours.len() <= room.stacks {
        return with_neighbours;
    }
    let mut by_weight: Vec<usize> = changes.into_iter().collect();
    by_weight.sort_by_key(|step| (kinds[*step], *step));
    by_weight.into_iter().take(room.stacks).collect()
}

#[cfg(test)]
pub(super) mod tests;
