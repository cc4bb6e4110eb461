//! Which column each box is in, and where arrows pass the columns in between.

use super::MOST_BENDS;

/// A graph in columns. The first vertices are the boxes, those behind them the bends of long arrows. Every edge between
/// vertices joins neighbouring columns.
pub(super) struct Layered {
    boxes: usize,
    /// Vertices by column, from top to bottom.
    pub(super) columns: Vec<Vec<usize>>,
    /// The column of each vertex.
    pub(super) column: Vec<usize>,
    /// Neighbours in the column at the left, of each vertex.
    pub(super) needs: Vec<Vec<usize>>,
    /// Neighbours in the column at the right, of each vertex.
    pub(super) needed_by: Vec<Vec<usize>>,
    /// Bends of each edge that was given, from its beginning.
    pub(super) bends: Vec<Vec<usize>>,
}

impl Layered {
    /// Puts boxes into columns: each to the right of all that it needs.
    pub(super) fn of(boxes: usize, edges: &[(usize, usize)], work: &mut u64) -> Self {
        let forward = without_circles(boxes, edges);
        *work += (boxes + edges.len()) as u64 * 4;
        let column = columns(boxes, &forward);
        let mut layered = Self {
            boxes,
            columns: Vec::new(),
            needs: vec![Vec::new(); boxes],
            needed_by: vec![Vec::new(); boxes],
            bends: vec![Vec::new(); edges.len()],
            column,
        };
        let mut by_length: Vec<usize> = (0..forward.len()).collect();
        let length = |index: &usize| {
            let (from, to) = forward[*index];
            layered.column[from].saturating_sub(layered.column[to])
        };
        by_length.sort_by_key(|index| (length(index), *index));
        let mut left = MOST_BENDS;
        for index in by_length {
            let (from, to) = forward[index];
            let passed = layered.column[to] + 1..layered.column[from];
            if passed.len() > left {
                continue;
            }
            left -= passed.len();
            let mut bends = Vec::with_capacity(passed.len());
            let mut previous = from;
            for column in passed.rev() {
                let bend = layered.bend(column);
                layered.join(previous, bend);
                bends.push(bend);
                previous = bend;
            }
            layered.join(previous, to);
            if forward[index] != edges[index] {
                bends.reverse();
            }
            layered.bends[index] = bends;
        }
        let count = layered.column.iter().max().map_or(0, |last| last + 1);
        layered.columns = vec![Vec::new(); count];
        for (vertex, column) in layered.column.iter().enumerate() {
            layered.columns[*column].push(vertex);
        }
        *work += layered.column.len() as u64;
        layered
    }

    /// Whether a vertex is a box, not a bend.
    pub(super) fn is_box(&self, vertex: usize) -> bool {
        vertex < self.boxes
    }

    fn bend(&mut self, column: usize) -> usize {
        self.column.push(column);
        self.needs.push(Vec::new());
        self.needed_by.push(Vec::new());
        self.column.len() - 1
    }

    fn join(&mut self, from: usize, to: usize) {
        self.needs[from].push(to);
        self.needed_by[to].push(from);
    }
}

/// The edges, those turned round that would close a circle.
fn without_circles(count: usize, edges: &[(usize, usize)]) -> Vec<(usize, usize)> {
    #[derive(Clone, Copy, PartialEq)]
    enum Visit {
        Not,
        UnderWay,
        Done,
    }
    let mut outgoing = vec![Vec::new(); count];
    for (index, (from, _)) in edges.iter().enumerate() {
        outgoing[*from].push(index);
    }
    let mut visits = vec![Visit::Not; count];
    let mut forward = edges.to_vec();
    for start in 0..count {
        if visits[start] != Visit::Not {
            continue;
        }
        visits[start] = Visit::UnderWay;
        let mut path = vec![(start, 0)];
        while let Some((vertex, next)) = path.last_mut() {
            let Some(index) = outgoing[*vertex].get(*next).copied() else {
                visits[*vertex] = Visit::Done;
                path.pop();
                continue;
            };
            *next += 1;
            let (from, to) = edges[index];
            match visits[to] {
                Visit::Not => {
                    visits[to] = Visit::UnderWay;
                    path.push((to, 0));
                }
                Visit::UnderWay => forward[index] = (to, from),
                Visit::Done => {}
            }
        }
    }
    forward
}

/// The column of each box: the longest way to a box that needs nothing. A box that more boxes need than it needs
/// itself moves as near to them as it can, which makes arrows shorter.
fn columns(count: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let (mut needs, mut needed_by) = (vec![Vec::new(); count], vec![Vec::new(); count]);
    for (from, to) in edges {
        needs[*from].push(*to);
        needed_by[*to].push(*from);
    }
    let mut waits: Vec<usize> = needs.iter().map(Vec::len).collect();
    let mut order: Vec<usize> = (0..count).filter(|vertex| waits[*vertex] == 0).collect();
    let mut column = vec![0; count];
    let mut next = 0;
    while let Some(vertex) = order.get(next).copied() {
        next += 1;
        for other in &needed_by[vertex] {
            column[*other] = column[*other].max(column[vertex] + 1);
            waits[*other] -= 1;
            if waits[*other] == 0 {
                order.push(*other);
            }
        }
    }
    for vertex in order.into_iter().rev() {
        let nearest = needed_by[vertex].iter().map(|other| column[*other]).min();
        if let Some(nearest) = nearest.filter(|_| needed_by[vertex].len() > needs[vertex].len()) {
            column[vertex] = nearest - 1;
        }
    }
    column
}
