//! Plans as one page of HTML: graph, steps and what changes in detail. The page is complete in itself, allows itself
//! nothing but its own style and script, and needs the script only for finding things.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::chart::Kind;
use super::json::{NoteDocument, PlanDocument, StepDocument};
use super::picture::{Heading, Picture, Target};
use super::templates::{self, Allowed};
use super::words::{self, Losses};
use crate::plan::{Action, Plan, PlannedHook, ResourceAction};
use crate::resources::Replacement;

mod details;

use details::Group;

/// With more steps than these, details are folded.
const MOST_OPEN: usize = 8;

/// Writes a plan as an HTML page; ends with a line feed.
pub fn plan(plan: &Plan) -> String {
    documents(&[Target { label: None, plan: &PlanDocument::of(plan) }])
}

/// Writes plans that were read as documents, one below the other.
pub fn documents(targets: &[Target<'_>]) -> String {
    let kinds: BTreeSet<Kind> = targets.iter().flat_map(|target| &target.plan.steps).map(Kind::of).collect();
    let title = match targets {
        [one] => heading(one.plan),
        several => format!("{} plans", several.len()),
    };
    templates::html(&Page {
        title,
        allowed: Allowed::by_digest(),
        kinds: kinds.into_iter().map(KindView::of).collect(),
        plans: targets.iter().enumerate().map(|(at, target)| PlanView::of(target, at + 1)).collect(),
    })
}

#[derive(Serialize)]
struct Page<'p> {
    title: String,
    allowed: Allowed,
    kinds: Vec<KindView>,
    plans: Vec<PlanView<'p>>,
}

#[derive(Serialize)]
struct KindView {
    class: &'static str,
    sign: char,
    verb: &'static str,
}

#[derive(Serialize)]
struct PlanView<'p> {
    id: String,
    label: Option<&'p str>,
    heading: String,
    place: String,
    counts: Vec<Count>,
    counts_text: String,
    losses: Option<Losses>,
    dangers: Vec<Danger<'p>>,
    notes: &'p [NoteDocument],
    picture: Option<Picture>,
    fits: bool,
    open: bool,
    steps: Vec<StepView<'p>>,
    folds: Vec<Fold<'p>>,
    hooks: &'p [PlannedHook],
}

#[derive(Serialize)]
struct Count {
    class: &'static str,
    sign: char,
    count: usize,
    text: &'static str,
}

/// Something that will be gone.
#[derive(Serialize)]
struct Danger<'p> {
    class: &'static str,
    sign: char,
    /// The step it belongs to.
    step: usize,
    what: String,
    /// Its type, if it is a resource.
    kind: Option<&'p str>,
    how: String,
}

#[derive(Serialize)]
struct StepView<'p> {
    /// Place in the plan, from 1.
    step: usize,
    class: &'static str,
    sign: char,
    verb: &'static str,
    name: &'p str,
    fqn: &'p str,
    reason: &'p str,
    needs: Vec<Need<'p>>,
    chain: &'p [String],
    notes: &'p [NoteDocument],
    summary: String,
    groups: Vec<Group>,
}

#[derive(Serialize)]
struct Need<'p> {
    name: &'p str,
    step: Option<usize>,
}

/// Steps that change nothing.
#[derive(Serialize)]
struct Fold<'p> {
    title: &'static str,
    steps: Vec<StepView<'p>>,
}

impl KindView {
    fn of(kind: Kind) -> Self {
        Self { class: kind.class(), sign: kind.sign(), verb: kind.verb() }
    }
}

fn heading(plan: &PlanDocument) -> String {
    format!("Plan to {} {}", words::purpose(plan.purpose), plan.namespace)
}

impl<'p> PlanView<'p> {
    fn of(target: &Target<'p>, number: usize) -> Self {
        let plan = target.plan;
        let id = format!("p{number}");
        let places: BTreeMap<&str, usize> =
            plan.steps.iter().enumerate().map(|(at, step)| (step.name.as_str(), at + 1)).collect();
        let of_kind = |is_shown: &dyn Fn(Kind) -> bool| -> Vec<StepView<'p>> {
            let steps = plan.steps.iter().enumerate().filter(|(_, step)| is_shown(Kind::of(step)));
            steps.map(|(at, step)| StepView::of(step, at + 1, &places)).collect()
        };
        let steps = of_kind(&Kind::is_change);
        let folds = [("Left alone", Kind::Skip), ("Unchanged", Kind::None)]
            .into_iter()
            .map(|(title, kind)| Fold { title, steps: of_kind(&|other| other == kind) })
            .filter(|fold| !fold.steps.is_empty())
            .collect();
        let picture = Some(Picture::of(plan, &id, Heading::Around)).filter(|_| !plan.steps.is_empty());
        Self {
            label: target.label,
            heading: heading(plan),
            place: format!("Account {}, region {}", plan.account, plan.region),
            counts: counts(plan),
            counts_text: Some(words::counts(&plan.summary))
                .filter(|counts| !counts.is_empty())
                .unwrap_or_else(|| "no changes".to_owned()),
            losses: words::losses(&plan.losses),
            dangers: dangers(plan),
            notes: &plan.notes,
            fits: picture.as_ref().is_some_and(Picture::fits),
            picture,
            open: steps.len() <= MOST_OPEN,
            steps,
            folds,
            hooks: &plan.hooks,
            id,
        }
    }
}

impl<'p> StepView<'p> {
    fn of(step: &'p StepDocument, number: usize, places: &BTreeMap<&str, usize>) -> Self {
        let kind = Kind::of(step);
        let groups = details::groups(step);
        let parts: Vec<String> = groups.iter().map(Group::count).collect();
        Self {
            step: number,
            class: kind.class(),
            sign: kind.sign(),
            verb: kind.verb(),
            name: &step.name,
            fqn: &step.fqn,
            reason: &step.reason,
            needs: step
                .needs
                .iter()
                .map(|name| Need { name, step: places.get(name.as_str()).copied() })
                .collect(),
            chain: &step.chain,
            notes: &step.notes,
            summary: parts.join(", "),
            groups,
        }
    }
}

fn counts(plan: &PlanDocument) -> Vec<Count> {
    let texts = [
        (Kind::Delete, "to DELETE"),
        (Kind::Recreate, "to DELETE and create"),
        (Kind::Create, "to create"),
        (Kind::Update, "to update"),
        (Kind::May, "that may be updated"),
    ];
    let count = |kind| plan.steps.iter().filter(|step| Kind::of(step) == kind).count();
    texts
        .into_iter()
        .map(|(kind, text)| Count { class: kind.class(), sign: kind.sign(), count: count(kind), text })
        .filter(|count| count.count > 0)
        .collect()
}

/// What will be gone: whole stacks, then resources of stacks that stay.
fn dangers(plan: &PlanDocument) -> Vec<Danger<'_>> {
    let steps = || plan.steps.iter().enumerate();
    let stacks = steps().filter(|(_, step)| Kind::of(step).is_destructive()).map(|(at, step)| {
        let kind = Kind::of(step);
        let how = match kind {
            Kind::Recreate => "the stack is deleted and created anew",
            _ => "the stack is deleted with what is in it",
        };
        Danger {
            class: kind.class(),
            sign: kind.sign(),
            step: at + 1,
            what: step.fqn.clone(),
            kind: None,
            how: format!("{how}: {}", step.reason),
        }
    });
    let updates = steps().filter(|(_, step)| step.action == Action::Update);
    let resources = updates.flat_map(|(at, step)| {
        let gone = step.changes.resources.iter().filter(|(_, change)| {
            change.action == ResourceAction::Remove || change.replacement != Replacement::Never
        });
        gone.map(move |(id, change)| {
            let kind = details::kind(change);
            Danger {
                class: kind.class(),
                sign: kind.sign(),
                step: at + 1,
                what: format!("{}/{id}", step.name),
                kind: Some(&change.kind),
                how: details::phrase(id, change).unwrap_or_else(|| "removed".to_owned()),
            }
        })
    });
    stacks.chain(resources).collect()
}

#[cfg(test)]
mod tests;
