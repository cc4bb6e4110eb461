//! How far down vertices stand in their columns.

use super::columns::Layered;
use super::{BEND_HEIGHT, BOX_GAP, BOX_HEIGHT, SWEEPS};

/// The middle of each vertex, and the height of it all.
pub(super) fn places(layered: &Layered, work: &mut u64) -> (Vec<f64>, f64) {
    let mut middles = vec![0.0; layered.column.len()];
    for column in &layered.columns {
        let mut previous = None;
        for vertex in column {
            let above =
                previous.map_or(0.0, |previous| middles[previous] + distance(layered, previous, *vertex));
            middles[*vertex] = above;
            previous = Some(*vertex);
        }
    }
    let count = layered.columns.len();
    for sweep in 0..SWEEPS {
        // The last rounds look at both sides, which balances what the others have pulled to one.
        let both = sweep + 2 >= SWEEPS;
        let columns: Vec<usize> =
            if sweep % 2 == 0 { (0..count).collect() } else { (0..count).rev().collect() };
        for column in columns {
            settle(layered, column, (both || sweep % 2 == 0, both || sweep % 2 == 1), &mut middles, work);
        }
    }
    let height = |vertex: usize| if layered.is_box(vertex) { BOX_HEIGHT } else { BEND_HEIGHT };
    let tops = middles.iter().enumerate().map(|(vertex, middle)| middle - height(vertex) / 2.0);
    let top = tops.fold(f64::INFINITY, f64::min);
    let bottoms = middles.iter().enumerate().map(|(vertex, middle)| middle + height(vertex) / 2.0);
    let bottom = bottoms.fold(f64::NEG_INFINITY, f64::max);
    // Whole pixels: short texts, and nothing that rounding could change.
    let middles = middles.into_iter().map(|middle| (middle - top).round()).collect();
    (middles, (bottom - top).max(0.0).ceil())
}

/// The least distance between the middles of two vertices that follow each other in a column.
fn distance(layered: &Layered, above: usize, below: usize) -> f64 {
    match (layered.is_box(above), layered.is_box(below)) {
        (true, true) => BOX_HEIGHT + BOX_GAP,
        (false, false) => BEND_HEIGHT,
        _ => BOX_HEIGHT.midpoint(BEND_HEIGHT) + BOX_GAP / 3.0,
    }
}

/// Moves the vertices of a column as near to their neighbours as their order and distances allow: the least sum of
/// squares, by pooling those that would overlap.
fn settle(
    layered: &Layered,
    column: usize,
    (left, right): (bool, bool),
    middles: &mut [f64],
    work: &mut u64,
) {
    struct Pool {
        weight: f64,
        sum: f64,
        vertices: usize,
    }
    let vertices = &layered.columns[column];
    let mut pools: Vec<Pool> = Vec::with_capacity(vertices.len());
    let mut offsets = Vec::with_capacity(vertices.len());
    let mut offset = 0.0;
    for (at, vertex) in vertices.iter().enumerate() {
        if let Some(above) = at.checked_sub(1).map(|above| vertices[above]) {
            offset += distance(layered, above, *vertex);
        }
        offsets.push(offset);
        let needs = left.then_some(&layered.needs[*vertex]);
        let needed_by = right.then_some(&layered.needed_by[*vertex]);
        let (mut weight, mut sum) = (0.0, 0.0);
        for neighbour in needs.into_iter().chain(needed_by).flatten() {
            // Long arrows should be straight rather than short.
            let pull = match (layered.is_box(*vertex), layered.is_box(*neighbour)) {
                (true, true) => 1.0,
                (false, false) => 8.0,
                _ => 2.0,
            };
            weight += pull;
            sum += pull * middles[*neighbour];
            *work += 1;
        }
        if weight == 0.0 {
            (weight, sum) = (0.01, 0.01 * middles[*vertex]);
        }
        let mut pool = Pool { weight, sum: sum - weight * offset, vertices: 1 };
        while let Some(above) = pools.pop_if(|above| above.sum / above.weight >= pool.sum / pool.weight) {
            pool.weight += above.weight;
            pool.sum += above.sum;
            pool.vertices += above.vertices;
            *work += 1;
        }
        pools.push(pool);
        *work += 1;
    }
    let mut next = 0;
    for pool in pools {
        for _ in 0..pool.vertices {
            middles[vertices[next]] = pool.sum / pool.weight + offsets[next];
            next += 1;
        }
    }
}
