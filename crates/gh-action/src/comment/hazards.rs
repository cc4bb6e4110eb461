//! What a reviewer must not miss: data that is lost, what is deleted, what is replaced. Pure.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write as _;

use runway_core::plan::{Action, Certainty, LossKind, ResourceAction};
use runway_core::provider::{AnnouncedAction, AnnouncedChange, AnnouncedReplacement};
use runway_core::render::json::{LossDocument, PlanDocument, ResourceDocument, StepDocument};
use runway_core::render::markdown::{code, escaped};
use runway_core::render::style::shortened;
use runway_core::resources::{Fate, Replacement};

use super::page::{Page, length, without_comments};

/// Longest reason that is given with a destructive change, in characters.
const LONGEST_REASON: usize = 240;

/// Room kept for the sentence that some names are left out.
const MORE: usize = 40;

/// What kind of destruction; the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Data goes.
    Lost,
    /// Data may go.
    MayBeLost,
    /// A stack goes.
    Deleted,
    /// A stack goes and a new one takes its place.
    Recreated,
    /// What a task keeps goes.
    TaskDeleted,
    /// A resource goes.
    Removed,
    /// A resource goes and a new one takes its place.
    Replaced,
    /// A resource may go.
    MayBeRemoved,
    /// A new resource may take the place of one.
    MayBeReplaced,
}

impl Kind {
    /// Every kind, the worst first.
    const ALL: [Self; 9] = [
        Self::Lost,
        Self::MayBeLost,
        Self::Deleted,
        Self::Recreated,
        Self::TaskDeleted,
        Self::Removed,
        Self::Replaced,
        Self::MayBeRemoved,
        Self::MayBeReplaced,
    ];

    /// How many there are, in words.
    fn counted(self, count: usize) -> String {
        let of = match self {
            Self::Deleted | Self::Recreated => "stack",
            Self::TaskDeleted => "task",
            _ => "resource",
        };
        let noun = if count == 1 { of.to_owned() } else { format!("{of}s") };
        format!("{count} {noun} {}", self.verb())
    }

    /// What happens.
    fn verb(self) -> &'static str {
        match self {
            Self::Lost => "LOST with data",
            Self::MayBeLost => "perhaps LOST with data",
            Self::Deleted | Self::TaskDeleted => "DELETED",
            Self::Recreated => "DELETED and created again",
            Self::Removed => "removed",
            Self::Replaced => "replaced",
            Self::MayBeRemoved => "perhaps removed",
            Self::MayBeReplaced => "perhaps replaced",
        }
    }
}

/// One destructive change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hazard<'a> {
    /// What kind.
    pub(crate) kind: Kind,
    /// The stack.
    pub(crate) stack: &'a str,
    /// A resource of it; `None` for the whole stack.
    pub(crate) resource: Option<&'a str>,
    /// What it is, in brackets behind its name: the full name of a stack, the type of a resource.
    pub(crate) what: &'a str,
    /// Why.
    pub(crate) reason: Cow<'a, str>,
}

/// Every destructive change of the plans, the worst kind first, else in the plans' order. A resource that loses data is
/// one, however it does; those that go with their stack are not told one by one.
pub(crate) fn hazards(plans: &[PlanDocument]) -> Vec<Hazard<'_>> {
    let mut all = Vec::new();
    for plan in plans {
        all.extend(plan.losses.iter().map(of_loss));
        let lost: BTreeSet<(&str, &str)> = plan
            .losses
            .iter()
            .filter_map(|loss| Some((loss.stack.as_str(), loss.resource.as_deref()?)))
            .collect();
        for step in &plan.steps {
            all.extend(of_stack(step));
            all.extend(of_resources(step).filter(|hazard| {
                hazard.resource.is_none_or(|resource| !lost.contains(&(hazard.stack, resource)))
            }));
        }
    }
    all.sort_by_key(|hazard| hazard.kind);
    all
}

fn of_loss(loss: &LossDocument) -> Hazard<'_> {
    let how = match loss.how {
        LossKind::Replaced => "replaced",
        LossKind::Removed => "removed from its stack",
        LossKind::StackDeleted => "deleted with its stack",
    };
    let allowed = if loss.allowed { ", which is allowed" } else { "" };
    Hazard {
        kind: if loss.certainty == Certainty::May { Kind::MayBeLost } else { Kind::Lost },
        stack: &loss.stack,
        resource: loss.resource.as_deref(),
        what: if loss.kind.is_empty() { "not known" } else { &loss.kind },
        reason: Cow::Owned(format!("{}, {how}{allowed}", loss.holds)),
    }
}

fn of_stack(step: &StepDocument) -> Option<Hazard<'_>> {
    let kind = match step.action {
        Action::Delete if step.task.is_some() => Kind::TaskDeleted,
        Action::Delete => Kind::Deleted,
        Action::Recreate => Kind::Recreated,
        Action::Create | Action::Update | Action::Run | Action::None | Action::Skip => return None,
    };
    Some(Hazard {
        kind,
        stack: &step.name,
        resource: None,
        // The name of a task in full is its name.
        what: step.task.as_ref().map_or(&step.fqn, |task| task.subject.as_ref().unwrap_or(&task.kind)),
        reason: Cow::Borrowed(&step.reason),
    })
}

/// Resources that go, as predicted or, where that is worse, as CloudFormation announced it.
fn of_resources(step: &StepDocument) -> impl Iterator<Item = Hazard<'_>> {
    let is_update = step.action == Action::Update;
    let resources = Some(&step.changes.resources).filter(|_| is_update);
    let announced = step.change_set.as_ref().filter(|_| is_update).map(|answer| &answer.changes);
    let predicted = resources.into_iter().flatten().filter_map(move |(id, resource)| {
        let kind = of_prediction(resource)?;
        let worse =
            announced.and_then(|changes| of_announcement(changes.get(id)?)).filter(|other| *other < kind);
        Some(Hazard {
            kind: worse.unwrap_or(kind),
            stack: &step.name,
            resource: Some(id),
            what: &resource.kind,
            reason: Cow::Owned(reason(resource)),
        })
    });
    let is_predicted = move |id: &String| {
        resources.and_then(|resources| resources.get(id)).and_then(of_prediction).is_some()
    };
    let only_announced = announced.into_iter().flatten().filter_map(move |(id, change)| {
        let kind = of_announcement(change).filter(|_| !is_predicted(id))?;
        Some(Hazard {
            kind,
            stack: &step.name,
            resource: Some(id),
            what: &change.resource_type,
            reason: Cow::Borrowed("announced by CloudFormation, and not predicted"),
        })
    });
    predicted.chain(only_announced)
}

fn of_prediction(resource: &ResourceDocument) -> Option<Kind> {
    let may = resource.certainty == Certainty::May;
    match (resource.action, resource.replacement) {
        (ResourceAction::Remove, _) if may => Some(Kind::MayBeRemoved),
        (ResourceAction::Remove, _) => Some(Kind::Removed),
        (ResourceAction::Modify, Replacement::Will) if !may => Some(Kind::Replaced),
        (ResourceAction::Modify, Replacement::Will | Replacement::May) => Some(Kind::MayBeReplaced),
        (ResourceAction::Add, _) | (ResourceAction::Modify, Replacement::Never) => None,
    }
}

fn of_announcement(change: &AnnouncedChange) -> Option<Kind> {
    let may = change.is_uncertain();
    match (change.action, change.replacement) {
        (AnnouncedAction::Remove, _) if may => Some(Kind::MayBeRemoved),
        (AnnouncedAction::Remove, _) => Some(Kind::Removed),
        (AnnouncedAction::Modify, Some(AnnouncedReplacement::Always)) if !may => Some(Kind::Replaced),
        (AnnouncedAction::Modify, Some(AnnouncedReplacement::Always | AnnouncedReplacement::Conditional)) => {
            Some(Kind::MayBeReplaced)
        }
        _ => None,
    }
}

/// Which properties replace a resource, and what becomes of its data.
fn reason(resource: &ResourceDocument) -> String {
    let mut phrases: Vec<String> = Vec::new();
    let replacing = resource.properties.iter().filter(|change| change.replacement != Replacement::Never);
    for change in replacing {
        let because = change.because.as_ref().map(|why| format!(" because {why}")).unwrap_or_default();
        phrases.push(format!("{}{because}", change.path));
    }
    phrases.extend(resource.data.as_ref().map(|data| match data.fate {
        Fate::Lost => format!("the {} is lost", data.holds),
        Fate::Retained => format!("the {} is retained, outside the stack", data.holds),
        Fate::Snapshot => format!("a snapshot of the {} is kept", data.holds),
    }));
    if phrases.is_empty() { "not in the template any more".to_owned() } else { phrases.join(", ") }
}

/// Whether a step is, or has, a destructive change.
pub(crate) fn is_hazardous(step: &StepDocument) -> bool {
    of_stack(step).is_some() || of_resources(step).next().is_some()
}

/// Resources that are, or may be, replaced.
pub(crate) fn replacements(plans: &[PlanDocument]) -> usize {
    let resources = plans.iter().flat_map(|plan| &plan.steps).flat_map(of_resources);
    resources.filter(|hazard| matches!(hazard.kind, Kind::Replaced | Kind::MayBeReplaced)).count()
}

/// The destructive changes as Markdown, in the most detailed form that fits: a line each with its reason, names by kind
/// and stack, names alone. Where not even the names fit, as many as do. The counts are always those of all.
pub(crate) fn listed(hazards: &[Hazard<'_>], room: usize) -> String {
    if hazards.is_empty() {
        return String::new();
    }
    let counts: Vec<String> = Kind::ALL
        .into_iter()
        .map(|kind| (kind, hazards.iter().filter(|hazard| hazard.kind == kind).count()))
        .filter(|(_, count)| *count > 0)
        .map(|(kind, count)| kind.counted(count))
        .collect();
    let noun = if hazards.len() == 1 { "change" } else { "changes" };
    let head = format!("> [!CAUTION]\n> **{} destructive {noun}:** {}\n\n", hazards.len(), counts.join(", "));
    let left = room.saturating_sub(length(&head) + 1);
    let list = lines(hazards, left).or_else(|| names(hazards, left)).unwrap_or_else(|| dense(hazards, left));
    format!("{head}{list}\n")
}

/// A line each; `None` if they do not fit.
fn lines(hazards: &[Hazard<'_>], room: usize) -> Option<String> {
    let mut out = Page::new(room);
    for hazard in hazards {
        let resource = hazard.resource.map(|resource| format!("/{resource}")).unwrap_or_default();
        let name = code(&format!("{}{resource}", hazard.stack));
        let reason = escaped(&shortened(&hazard.reason, LONGEST_REASON));
        let what = code(hazard.what);
        out.push(&format!("- **{}:** `{name}` (`{what}`): {reason}\n", hazard.kind.verb())).then_some(())?;
    }
    Some(out.into_text())
}

/// Names by kind and stack; `None` if they do not fit.
fn names(hazards: &[Hazard<'_>], room: usize) -> Option<String> {
    let mut out = Page::new(room);
    for kind in Kind::ALL {
        let mut before = None;
        for hazard in hazards.iter().filter(|hazard| hazard.kind == kind) {
            let gap = if before.is_none() { format!("- **{}:** ", kind.verb()) } else { ", ".to_owned() };
            let name = match hazard.resource {
                Some(resource) if before == Some(hazard.stack) => format!("`{}`", code(resource)),
                Some(resource) => format!("`{}`: `{}`", code(hazard.stack), code(resource)),
                None => format!("`{}`", code(hazard.stack)),
            };
            out.push(&format!("{gap}{name}")).then_some(())?;
            before = Some(hazard.stack);
        }
        if before.is_some() {
            out.push("\n").then_some(())?;
        }
    }
    Some(out.into_text())
}

/// Names alone, in one span for each kind, as many as fit, and how many are left out.
fn dense(hazards: &[Hazard<'_>], room: usize) -> String {
    // Each list has some signs around its names.
    let kinds: BTreeSet<Kind> = hazards.iter().map(|hazard| hazard.kind).collect();
    let frames: usize = kinds.iter().map(|kind| kind.verb().len() + 7).sum();
    let mut out = Page::new(room.saturating_sub(MORE + frames));
    let mut shown = 0;
    let mut text = String::new();
    'kinds: for kind in Kind::ALL {
        let mut before = None;
        for hazard in hazards.iter().filter(|hazard| hazard.kind == kind) {
            let name = match hazard.resource {
                Some(resource) if before == Some(hazard.stack) => format!(",{}", code(resource)),
                Some(resource) => format!(" {}/{}", code(hazard.stack), code(resource)),
                None => format!(" {}", code(hazard.stack)),
            };
            let name = without_comments(&name);
            if !out.push(&name) {
                break 'kinds;
            }
            if before.is_none() {
                let _ = write!(text, "- {}: `", kind.verb());
            }
            text.push_str(if before.is_none() { name.trim_start() } else { &name });
            before = Some(hazard.stack);
            shown += 1;
        }
        if before.is_some() {
            text.push_str("`\n");
        }
    }
    if text.matches('`').count() % 2 == 1 {
        text.push_str("`\n");
    }
    if shown < hazards.len() {
        let _ = writeln!(text, "- and {} more", hazards.len() - shown);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn many(count: usize, names: &[String]) -> Vec<Hazard<'_>> {
        (0..count)
            .map(|index| Hazard {
                kind: if index % 2 == 0 { Kind::Deleted } else { Kind::Recreated },
                stack: &names[index],
                resource: None,
                what: "ns-x",
                reason: Cow::Borrowed("is in the persistent graph but not in the config"),
            })
            .collect()
    }

    #[test]
    fn the_form_gets_denser_as_room_gets_less_and_the_counts_stay_right() {
        let stacks: Vec<String> = (0..1_000).map(|index| format!("stack-{index:04}")).collect();
        let mut hazards = many(1_000, &stacks);
        hazards.sort_by_key(|hazard| hazard.kind);
        let counts = "**1000 destructive changes:** 500 stacks DELETED, 500 stacks DELETED and created again";
        for (room, form) in [
            (200_000, "- **DELETED:** `stack-0000` (`ns-x`): is in the persistent graph"),
            (20_000, "- **DELETED:** `stack-0000`, `stack-0002`"),
            (12_000, "- DELETED: `stack-0000 stack-0002"),
            (2_000, "- DELETED: `stack-0000 stack-0002"),
            (400, "- DELETED: `stack-0000 stack-0002"),
        ] {
            let text = listed(&hazards, room);
            assert!(length(&text) <= room, "{room}: {}", length(&text));
            assert!(text.contains(counts), "{text}");
            assert!(text.contains(form), "{room}\n{text}");
            let shown = stacks.iter().filter(|name| text.contains(name.as_str())).count();
            if room >= 12_000 {
                assert_eq!(shown, 1_000, "{room}");
            } else {
                assert!(text.contains(&format!("- and {} more\n", 1_000 - shown)), "{room}\n{text}");
            }
            assert_eq!(text.matches('`').count() % 2, 0);
        }
        assert_eq!(listed(&[], 10), "");
    }

    #[test]
    fn one_change_is_told_in_the_singular() {
        let stacks = ["a".to_owned()];
        let text = listed(&many(1, &stacks), 1_000);
        assert!(text.contains("**1 destructive change:** 1 stack DELETED\n"), "{text}");
    }
}
