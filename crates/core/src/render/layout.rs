//! Where the stacks of a picture stand, and how the arrows between them run.
//!
//! A layered drawing after Sugiyama: what needs nothing is in the column at the left, everything else to the right of
//! what it needs. Columns are ordered by the mean place of neighbours, places within them are the nearest to the
//! neighbours' that keep their distance. No step of it is random, and what it may cost is bounded by [`MOST_BENDS`] and
//! [`SWEEPS`], so equal graphs give equal pictures and large ones do not take long.

use std::collections::BTreeSet;

mod columns;
mod order;
mod places;

use columns::Layered;

/// Height of a box, in pixels.
pub(super) const BOX_HEIGHT: f64 = 46.0;
/// Between two boxes of a column.
const BOX_GAP: f64 = 18.0;
/// What an arrow that only passes through a column takes of its height.
const BEND_HEIGHT: f64 = 12.0;
/// Between two columns, at least.
const COLUMN_GAP: f64 = 64.0;
/// How much wider the gap between two columns may be for the many arrows in it.
const MOST_EXTRA_GAP: f64 = 96.0;
/// Between two parts that no arrow connects.
const PART_GAP: f64 = 34.0;
/// Parts stand side by side up to this width, or the width of the widest of them.
const SHELF: f64 = 1120.0;
/// Between two arrows at the side of one box, at most.
const PORT_GAP: f64 = 8.0;
/// Places where arrows pass columns: arrows beyond these, the longest ones, run straight through.
const MOST_BENDS: usize = 20_000;
/// Rounds of ordering, and of placing.
const SWEEPS: usize = 12;

/// A box: its upper left corner and its width.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Place {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
}

/// An arrow, from what needs to what is needed: points, two by two. Between the points of a pair it is bent, between
/// pairs it is level.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Route {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) points: Vec<(f64, f64)>,
}

/// A drawing of boxes and arrows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Layout {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) boxes: Vec<Place>,
    pub(super) routes: Vec<Route>,
    /// Elementary steps that it took, so that a test can bound them without a clock.
    pub(super) work: u64,
}

/// Places boxes of these widths. An edge goes from what needs to what is needed, both as indices; edges of a box with
/// itself and edges that lead nowhere are left out, and of those that go round in a circle some point backwards.
pub(super) fn lay_out(widths: &[f64], edges: &[(usize, usize)]) -> Layout {
    let edges: BTreeSet<(usize, usize)> = edges
        .iter()
        .copied()
        .filter(|(from, to)| from != to && *from < widths.len() && *to < widths.len())
        .collect();
    let mut layout = Layout {
        width: 0.0,
        height: 0.0,
        boxes: vec![Place { x: 0.0, y: 0.0, width: 0.0 }; widths.len()],
        routes: Vec::with_capacity(edges.len()),
        work: (widths.len() + edges.len()) as u64,
    };
    let parts: Vec<Part> = parts(widths.len(), &edges)
        .into_iter()
        .map(|members| part(&members, widths, &edges, &mut layout.work))
        .collect();
    let widest = parts.iter().map(|part| part.width).fold(SHELF, f64::max);
    let (mut x, mut y, mut shelf) = (0.0, 0.0, 0.0_f64);
    for part in parts {
        if x > 0.0 && x + part.width > widest {
            (x, y, shelf) = (0.0, y + shelf + PART_GAP, 0.0);
        }
        for (member, place) in part.boxes {
            if let Some(all) = layout.boxes.get_mut(member) {
                *all = Place { x: place.x + x, y: place.y + y, width: place.width };
            }
        }
        for mut route in part.routes {
            route.points.iter_mut().for_each(|point| *point = (point.0 + x, point.1 + y));
            layout.routes.push(route);
        }
        layout.width = layout.width.max(x + part.width);
        shelf = shelf.max(part.height);
        layout.height = layout.height.max(y + shelf);
        x += part.width + PART_GAP;
    }
    layout
}

/// A connected part of a drawing, with its own origin.
struct Part {
    width: f64,
    height: f64,
    boxes: Vec<(usize, Place)>,
    routes: Vec<Route>,
}

/// The connected parts of a graph: the largest one first, the members of each in ascending order.
fn parts(count: usize, edges: &BTreeSet<(usize, usize)>) -> Vec<Vec<usize>> {
    let mut neighbours = vec![Vec::new(); count];
    for (from, to) in edges {
        neighbours[*from].push(*to);
        neighbours[*to].push(*from);
    }
    let mut seen = vec![false; count];
    let mut parts = Vec::new();
    for start in 0..count {
        if seen[start] {
            continue;
        }
        seen[start] = true;
        let mut members = vec![start];
        let mut next = 0;
        while let Some(member) = members.get(next).copied() {
            next += 1;
            for neighbour in &neighbours[member] {
                if !seen[*neighbour] {
                    seen[*neighbour] = true;
                    members.push(*neighbour);
                }
            }
        }
        members.sort_unstable();
        parts.push(members);
    }
    parts.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
    parts
}

fn part(members: &[usize], widths: &[f64], edges: &BTreeSet<(usize, usize)>, work: &mut u64) -> Part {
    let local = |member: &usize| members.binary_search(member).ok();
    let edges: Vec<(usize, usize)> = members
        .iter()
        .flat_map(|from| edges.range((*from, 0)..(*from + 1, 0)))
        .filter_map(|(from, to)| Some((local(from)?, local(to)?)))
        .collect();
    let mut layered = Layered::of(members.len(), &edges, work);
    order::arrange(&mut layered, work);
    let (middles, height) = places::places(&layered, work);
    let (lefts, column_widths) = horizontal(&layered, |vertex| widths[members[vertex]]);
    let place = |vertex: usize| Place {
        x: lefts[layered.column[vertex]],
        y: middles[vertex] - BOX_HEIGHT / 2.0,
        width: column_widths[layered.column[vertex]],
    };
    let width = lefts.last().zip(column_widths.last()).map_or(0.0, |(left, width)| left + width);
    let mut routes: Vec<Route> = edges
        .iter()
        .zip(&layered.bends)
        .map(|((from, to), bends)| {
            let (start, end) = (place(*from), place(*to));
            // Backwards in a circle: from the left side of a box to the right side all the same.
            let mut points = vec![(start.x, middles[*from])];
            for bend in bends {
                let left = lefts[layered.column[*bend]];
                let right = left + column_widths[layered.column[*bend]];
                let (first, last) = if start.x > end.x { (right, left) } else { (left, right) };
                points.extend([(first, middles[*bend]), (last, middles[*bend])]);
            }
            points.push((end.x + end.width, middles[*to]));
            Route { from: members[*from], to: members[*to], points }
        })
        .collect();
    spread(&mut routes);
    *work += routes.iter().map(|route| route.points.len() as u64).sum::<u64>();
    Part {
        width,
        height,
        boxes: members.iter().enumerate().map(|(vertex, member)| (*member, place(vertex))).collect(),
        routes,
    }
}

/// Where the columns begin, and how wide they are.
fn horizontal(layered: &Layered, width: impl Fn(usize) -> f64) -> (Vec<f64>, Vec<f64>) {
    let widths: Vec<f64> = layered
        .columns
        .iter()
        .map(|column| {
            let boxes = column.iter().filter(|vertex| layered.is_box(**vertex));
            boxes.map(|vertex| width(*vertex)).fold(0.0, f64::max)
        })
        .collect();
    let mut lefts = Vec::with_capacity(widths.len());
    let mut left = 0.0;
    for (column, width) in widths.iter().enumerate() {
        lefts.push(left);
        let arrows = layered.columns.get(column + 1).into_iter().flatten();
        let arrows: usize = arrows.map(|vertex| layered.needs[*vertex].len()).sum();
        left += width + COLUMN_GAP + (arrows as f64 * 1.5).min(MOST_EXTRA_GAP).round();
    }
    (lefts, widths)
}

/// Moves the ends of arrows apart that share the side of a box, in the order of where they come from.
fn spread(routes: &mut [Route]) {
    for at_end in [false, true] {
        let mut sides: std::collections::BTreeMap<usize, Vec<(f64, usize)>> =
            std::collections::BTreeMap::new();
        for (index, route) in routes.iter().enumerate() {
            let count = route.points.len();
            let (member, beside) =
                if at_end { (route.to, route.points[count - 2].1) } else { (route.from, route.points[1].1) };
            sides.entry(member).or_default().push((beside, index));
        }
        for mut side in sides.into_values() {
            side.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
            let count = side.len();
            let gap = PORT_GAP.min((BOX_HEIGHT - 14.0) / count as f64);
            for (at, (_, index)) in side.into_iter().enumerate() {
                let shift = (at as f64 - (count - 1) as f64 / 2.0) * gap;
                let points = &mut routes[index].points;
                let end = if at_end { points.len() - 1 } else { 0 };
                points[end].1 += shift;
            }
        }
    }
}

#[cfg(test)]
mod tests;
