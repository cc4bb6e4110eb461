//! A plan as a picture: the graph of its stacks, with what happens to each, as SVG.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use super::chart::{Chart, Kind, Room};
use super::json::{PlanDocument, StepDocument};
use super::layout::{self, BOX_HEIGHT, Layout};
use super::style::shortened;
use super::templates;
use super::words;
use crate::plan::Plan;

/// What a picture shows: beyond a few hundred boxes nobody finds anything, beyond a few thousand no viewer is quick.
const ROOM: Room = Room { everything: 300, stacks: 2_000, arrows: 6_000 };
/// Around everything, in pixels.
const MARGIN: i64 = 24;
/// Width of a letter of a name: fonts of one width have letters of three fifths of their height, which is 13.
const LETTER: f64 = 7.85;
/// What a box takes beside its name.
const BESIDE_NAME: f64 = 58.0;
/// Letters of a name that are shown; all of them are in its title.
const LONGEST_NAME: usize = 30;
/// What is written on a stack that loses data.
const ALARM: &str = "data loss";
/// Width of an entry of the legend, at its 11 pixels a letter, and of its mark.
const LEGEND_LETTER: f64 = 6.7;
const BESIDE_LEGEND: f64 = 44.0;
/// Narrower pictures would cut their own headings.
const LEAST_WIDTH: i64 = 560;

/// A plan and what it is called where there are several.
#[derive(Debug, Clone, Copy)]
pub struct Target<'p> {
    /// Module and region in a project.
    pub label: Option<&'p str>,
    /// The plan.
    pub plan: &'p PlanDocument,
}

/// Writes a plan as an SVG document; ends with a line feed.
pub fn plan(plan: &Plan) -> String {
    documents(&[Target { label: None, plan: &PlanDocument::of(plan) }])
}

/// Writes plans that were read as documents, one below the other.
pub fn documents(targets: &[Target<'_>]) -> String {
    let mut pictures: Vec<Picture> = targets
        .iter()
        .enumerate()
        .map(|(at, target)| Picture::of(target.plan, &format!("p{}", at + 1), Heading::Inside(target.label)))
        .collect();
    let mut top = 0;
    for picture in &mut pictures {
        picture.top = top;
        top += picture.height;
    }
    let width = pictures.iter().map(|picture| picture.width).max().unwrap_or_default();
    templates::svg(&Drawing { width, height: top, pictures })
}

/// What is said of a plan in words of the program itself, not in texts from elsewhere.
const WORDS: [&str; 10] =
    ["action", "certainty", "code", "fate", "holds", "how", "kind", "purpose", "reasons", "replacement"];

/// A plan with every text in it changed, for example without secrets.
pub fn with_texts(plan: &PlanDocument, change: &dyn Fn(&str) -> String) -> PlanDocument {
    fn walk(value: &mut Value, change: &dyn Fn(&str) -> String) {
        match value {
            Value::String(text) => *text = change(text),
            Value::Array(items) => items.iter_mut().for_each(|item| walk(item, change)),
            Value::Object(entries) => {
                let texts = entries.iter_mut().filter(|(name, _)| !WORDS.contains(&name.as_str()));
                texts.for_each(|(_, value)| walk(value, change));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let changed = serde_json::to_value(plan).and_then(|mut value| {
        walk(&mut value, change);
        serde_json::from_value(value)
    });
    // Should a word ever be missing above, nothing is shown rather than too much; a test would see it.
    changed.unwrap_or_else(|_| PlanDocument {
        steps: Vec::new(),
        hooks: Vec::new(),
        notes: Vec::new(),
        ..plan.clone()
    })
}

/// An SVG document.
#[derive(Serialize)]
pub(super) struct Drawing {
    width: i64,
    height: i64,
    pictures: Vec<Picture>,
}

/// Whether a picture says itself what it is of.
pub(super) enum Heading<'t> {
    /// It does, with this label before it.
    Inside(Option<&'t str>),
    /// What is around it does, and has steps that the boxes lead to.
    Around,
}

/// The picture of one plan.
#[derive(Serialize)]
pub(super) struct Picture {
    id: String,
    width: i64,
    height: i64,
    /// Where it begins in the document.
    top: i64,
    /// Where its boxes begin.
    boxes_top: i64,
    margin: i64,
    heading: Option<String>,
    place: String,
    description: String,
    left_out: Option<String>,
    linked: bool,
    boxes: Vec<BoxView>,
    arrows: Vec<ArrowView>,
    legend: Vec<LegendView>,
    legend_top: i64,
}

#[derive(Serialize)]
struct BoxView {
    x: i64,
    y: i64,
    width: i64,
    height: i64,
    class: &'static str,
    sign: char,
    verb: &'static str,
    name: String,
    title: String,
    step: usize,
    /// What is worse than the action itself, in a word or two.
    alarm: Option<&'static str>,
}

#[derive(Serialize)]
struct ArrowView {
    path: String,
    title: String,
    dim: bool,
    from: usize,
    to: usize,
}

#[derive(Serialize)]
struct LegendView {
    x: i64,
    y: i64,
    class: &'static str,
    sign: char,
    text: String,
}

impl Picture {
    /// Draws a plan.
    pub(super) fn of(plan: &PlanDocument, id: &str, heading: Heading<'_>) -> Self {
        let chart = Chart::of(plan, ROOM);
        let at_risk = at_risk(plan);
        let is_at_risk = |step: &StepDocument| at_risk.contains(step.name.as_str());
        let widths: Vec<f64> =
            chart.stacks.iter().map(|(_, step)| box_width(step, is_at_risk(step))).collect();
        let edges: Vec<(usize, usize)> = chart.arrows.iter().map(|arrow| (arrow.from, arrow.to)).collect();
        let layout = layout::lay_out(&widths, &edges);
        let left_out = chart.left_out();
        let counts = words::counts(&plan.summary);
        let counts = if counts.is_empty() { "no changes".to_owned() } else { counts };
        let title = format!("Plan to {} {}: {counts}", words::purpose(plan.purpose), plan.namespace);
        let place = format!("account {}, region {}", plan.account, plan.region);
        let (heading, linked) = match heading {
            Heading::Inside(None) => (Some(title.clone()), false),
            Heading::Inside(Some(label)) => (Some(format!("{label} \u{2013} {title}")), false),
            Heading::Around => (None, true),
        };
        let mut boxes_top = MARGIN;
        if heading.is_some() {
            boxes_top += 56;
        }
        if left_out.is_some() {
            boxes_top += 22;
        }
        let width = (whole(layout.width) + 2 * MARGIN).max(LEAST_WIDTH);
        let kinds: BTreeSet<Kind> = chart.stacks.iter().map(|(_, step)| Kind::of(step)).collect();
        let (legend, legend_height) = legend(&kinds, !layout.routes.is_empty(), width);
        let legend_top = boxes_top + whole(layout.height) + if layout.boxes.is_empty() { 0 } else { 30 };
        Self {
            id: id.to_owned(),
            width,
            height: legend_top + legend_height + MARGIN,
            top: 0,
            boxes_top,
            margin: MARGIN,
            heading,
            place,
            description: description(&chart, &title),
            left_out,
            linked,
            boxes: boxes(&chart, &layout, &is_at_risk),
            arrows: arrows(&chart, &layout),
            legend,
            legend_top,
        }
    }

    /// Whether it fits a page of a usual width.
    pub(super) fn fits(&self) -> bool {
        self.width <= 1_400
    }
}

/// The whole pixel above: short texts, and no digits that rounding could change.
#[expect(clippy::cast_possible_truncation, reason = "pictures are not 2^63 pixels wide")]
fn whole(pixels: f64) -> i64 {
    pixels.ceil() as i64
}

fn box_width(step: &StepDocument, is_at_risk: bool) -> f64 {
    let name = columns(&short(&step.name)) as f64 * LETTER;
    let alarm = if is_at_risk { columns(ALARM) + 4 } else { 0 };
    let verb = (columns(Kind::of(step).verb()) + alarm) as f64 * LEGEND_LETTER;
    (name.max(verb) + BESIDE_NAME).max(132.0).ceil()
}

fn short(name: &str) -> String {
    shortened(name, LONGEST_NAME)
}

/// How many letters of one width a text takes: those of East Asia, and pictures, take two.
fn columns(text: &str) -> usize {
    text.chars().map(|c| if c >= '\u{1100}' && !('\u{2000}'..='\u{2bff}').contains(&c) { 2 } else { 1 }).sum()
}

fn boxes(chart: &Chart<'_>, layout: &Layout, is_at_risk: &dyn Fn(&StepDocument) -> bool) -> Vec<BoxView> {
    let places = chart.stacks.iter().zip(&layout.boxes);
    places
        .map(|((at, step), place)| {
            let kind = Kind::of(step);
            let alarm = is_at_risk(step).then_some(ALARM);
            let mut title = format!("{}: {}", step.name, kind.verb());
            for more in alarm.into_iter().chain([step.reason.as_str()]).filter(|more| !more.is_empty()) {
                title.push_str("; ");
                title.push_str(more);
            }
            BoxView {
                x: whole(place.x),
                y: whole(place.y),
                width: whole(place.width),
                height: whole(BOX_HEIGHT),
                class: kind.class(),
                sign: kind.sign(),
                verb: kind.verb(),
                name: short(&step.name),
                title,
                step: at + 1,
                alarm,
            }
        })
        .collect()
}

/// Stacks of which data would be lost.
fn at_risk(plan: &PlanDocument) -> BTreeSet<&str> {
    plan.losses.iter().map(|loss| loss.stack.as_str()).collect()
}

fn arrows(chart: &Chart<'_>, layout: &Layout) -> Vec<ArrowView> {
    let step = |at: usize| chart.stacks.get(at);
    layout
        .routes
        .iter()
        .filter_map(|route| {
            let ((from_at, from), (to_at, to)) = (step(route.from)?, step(route.to)?);
            let needs = if Kind::of(to) == Kind::Delete { "needed" } else { "needs" };
            Some(ArrowView {
                path: path(&route.points),
                title: format!("{} {needs} {}", from.name, to.name),
                dim: !Kind::of(from).is_change() && !Kind::of(to).is_change(),
                from: from_at + 1,
                to: to_at + 1,
            })
        })
        .collect()
}

/// A line through points: bent between the two of a pair, level from pair to pair, and at the end room for the head.
fn path(points: &[(f64, f64)]) -> String {
    use std::fmt::Write as _;
    let mut path = String::new();
    let last = points.len().saturating_sub(1);
    let mut here = (0.0, 0.0);
    for (at, (x, y)) in points.iter().copied().enumerate() {
        // The head is as long as this, and must not be covered by the box.
        let x = if at == last { x + 5.0 } else { x };
        let (x, y) = (tenth(x), tenth(y));
        let _ = match at {
            0 => write!(path, "M{x} {y}"),
            _ if at % 2 == 0 => write!(path, "L{x} {y}"),
            _ => {
                let middle = tenth(f64::midpoint(here.0, x));
                write!(path, "C{middle} {} {middle} {y} {x} {y}", here.1)
            }
        };
        here = (x, y);
    }
    path
}

fn tenth(pixels: f64) -> f64 {
    (pixels * 10.0).round() / 10.0
}

/// Entries of the legend in lines, and the height of these.
fn legend(kinds: &BTreeSet<Kind>, has_arrows: bool, width: i64) -> (Vec<LegendView>, i64) {
    let mut entries: Vec<(&'static str, char, String)> =
        kinds.iter().map(|kind| (kind.class(), kind.sign(), kind.verb().to_owned())).collect();
    if has_arrows {
        entries.push(("pointer", ' ', "points to what a stack needs".to_owned()));
    }
    let (mut x, mut y) = (0, 0);
    let mut views = Vec::new();
    for (class, sign, text) in entries {
        let wide = whole(columns(&text) as f64 * LEGEND_LETTER + BESIDE_LEGEND);
        if x > 0 && x + wide > width - 2 * MARGIN {
            (x, y) = (0, y + 26);
        }
        views.push(LegendView { x, y, class, sign, text });
        x += wide;
    }
    let height = if views.is_empty() { 0 } else { y + 22 };
    (views, height)
}

/// What a reader hears who does not see the picture.
fn description(chart: &Chart<'_>, title: &str) -> String {
    let stacks = chart.stacks.len();
    let arrows = chart.arrows.len();
    format!(
        "{title}. {stacks} {} and {arrows} {}, drawn as boxes and arrows from a stack to what it needs.",
        if stacks == 1 { "stack" } else { "stacks" },
        if arrows == 1 { "dependency" } else { "dependencies" },
    )
}
