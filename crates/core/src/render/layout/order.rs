//! The order in which vertices stand in their columns, with few arrows that cross.

use super::SWEEPS;
use super::columns::Layered;

/// Orders the columns: each by the mean place of its neighbours in the column before, then in the column behind, again
/// and again; the order with the fewest crossings stays.
pub(super) fn arrange(layered: &mut Layered, work: &mut u64) {
    let mut place = vec![0; layered.column.len()];
    number(&layered.columns, &mut place);
    let mut best = layered.columns.clone();
    let mut fewest = crossings(layered, &place, work);
    for sweep in 0..SWEEPS {
        if fewest == 0 {
            break;
        }
        let count = layered.columns.len();
        if sweep % 2 == 0 {
            for column in 1..count {
                sort(&mut layered.columns[column], &layered.needs, &mut place, work);
            }
        } else {
            for column in (0..count.saturating_sub(1)).rev() {
                sort(&mut layered.columns[column], &layered.needed_by, &mut place, work);
            }
        }
        let crossings = crossings(layered, &place, work);
        if crossings < fewest {
            fewest = crossings;
            best.clone_from(&layered.columns);
        }
    }
    layered.columns = best;
}

fn number(columns: &[Vec<usize>], place: &mut [usize]) {
    for column in columns {
        for (at, vertex) in column.iter().enumerate() {
            place[*vertex] = at;
        }
    }
}

fn sort(column: &mut [usize], neighbours: &[Vec<usize>], place: &mut [usize], work: &mut u64) {
    let mut keyed: Vec<(f64, usize)> = column
        .iter()
        .map(|vertex| {
            let beside = &neighbours[*vertex];
            *work += beside.len() as u64 + 1;
            let sum: usize = beside.iter().map(|neighbour| place[*neighbour]).sum();
            let mean =
                if beside.is_empty() { place[*vertex] as f64 } else { sum as f64 / beside.len() as f64 };
            (mean, *vertex)
        })
        .collect();
    // Stable: equal vertices keep the order they have.
    keyed.sort_by(|one, other| one.0.total_cmp(&other.0));
    for (at, (_, vertex)) in keyed.into_iter().enumerate() {
        column[at] = vertex;
        place[vertex] = at;
    }
}

/// How often arrows cross: pairs of edges between two columns whose ends are in opposite orders, counted with a tree of
/// partial sums.
fn crossings(layered: &Layered, place: &[usize], work: &mut u64) -> u64 {
    let mut crossings = 0;
    for pair in layered.columns.windows(2) {
        let [left, right] = pair else { continue };
        let mut sums = vec![0_u64; left.len() + 1];
        let mut seen = 0;
        for vertex in right {
            let mut ends: Vec<usize> = layered.needs[*vertex].iter().map(|end| place[*end]).collect();
            ends.sort_unstable();
            for end in &ends {
                // Edges before this one that end at `end` or above do not cross it.
                let (mut at, mut above) = (end + 1, 0);
                while at > 0 {
                    above += sums[at];
                    at &= at - 1;
                    *work += 1;
                }
                crossings += seen - above;
            }
            for end in ends {
                let mut at = end + 1;
                while at < sums.len() {
                    sums[at] += 1;
                    at += at & at.wrapping_neg();
                    *work += 1;
                }
                seen += 1;
            }
        }
    }
    crossings
}
