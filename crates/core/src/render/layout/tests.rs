use proptest::prelude::*;

use super::*;

fn layout(count: usize, edges: &[(usize, usize)]) -> Layout {
    lay_out(&vec![140.0; count], edges)
}

/// A graph like those of large repositories, without chance: stack `i` needs a few that come before it.
fn large(count: usize, arrows: usize) -> Vec<(usize, usize)> {
    let mut state = 12_345_usize;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let edge = |_| {
        let from = 1 + next(count - 1);
        (from, next(from))
    };
    (0..arrows).map(edge).collect()
}

/// What must hold for every drawing.
fn check(layout: &Layout) {
    for (at, one) in layout.boxes.iter().enumerate() {
        assert!(one.x >= 0.0 && one.y >= 0.0, "{one:?}");
        assert!(one.x + one.width <= layout.width && one.y + BOX_HEIGHT <= layout.height, "{one:?}");
        for other in &layout.boxes[at + 1..] {
            let apart_x = one.x + one.width < other.x || other.x + other.width < one.x;
            let apart_y = one.y + BOX_HEIGHT < other.y || other.y + BOX_HEIGHT < one.y;
            assert!(apart_x || apart_y, "{one:?} and {other:?}");
        }
    }
    for route in &layout.routes {
        let (from, to) = (layout.boxes[route.from], layout.boxes[route.to]);
        let (first, last) = (route.points[0], route.points[route.points.len() - 1]);
        let beside = |y: f64, place: Place| y >= place.y && y <= place.y + BOX_HEIGHT;
        assert!(first.0 == from.x && beside(first.1, from), "{route:?}");
        assert!(last.0 == to.x + to.width && beside(last.1, to), "{route:?}");
        assert_eq!(route.points.len() % 2, 0);
    }
}

#[test]
fn a_chain_is_straight() {
    let layout = layout(4, &[(1, 0), (2, 1), (3, 2)]);
    check(&layout);
    assert!(layout.boxes.windows(2).all(|pair| pair[0].y == pair[1].y && pair[0].x < pair[1].x));
    assert!(layout.routes.iter().flat_map(|route| &route.points).all(|point| point.1 == BOX_HEIGHT / 2.0));
}

#[test]
fn a_diamond_is_symmetric() {
    let layout = layout(4, &[(1, 0), (2, 0), (3, 1), (3, 2)]);
    check(&layout);
    let [bottom, one, other, top] = layout.boxes[..] else { panic!() };
    assert_eq!((bottom.y, one.x), (top.y, other.x));
    assert_eq!(bottom.y - one.y, other.y - bottom.y);
}

#[test]
fn a_long_arrow_passes_boxes_by() {
    let layout = layout(3, &[(1, 0), (2, 1), (2, 0)]);
    check(&layout);
    let long = layout.routes.iter().find(|route| (route.from, route.to) == (2, 0)).unwrap();
    let passed = layout.boxes[1];
    assert_eq!(long.points.len(), 4);
    for (x, y) in &long.points[1..3] {
        assert!(*x >= passed.x && *x <= passed.x + passed.width);
        assert!(*y < passed.y || *y > passed.y + BOX_HEIGHT, "{long:?} {passed:?}");
    }
}

#[test]
fn orders_have_no_crossing_that_can_be_avoided() {
    // In the order that is given, every arrow crosses every other one.
    let layout = layout(8, &[(4, 3), (5, 2), (6, 1), (7, 0)]);
    check(&layout);
    let joined = lay_out(&[140.0; 9], &[(4, 3), (5, 2), (6, 1), (7, 0), (8, 4), (8, 5), (8, 6), (8, 7)]);
    check(&joined);
    let mut pairs: Vec<(f64, f64)> = joined
        .routes
        .iter()
        .filter(|route| route.from < 8)
        .map(|route| (joined.boxes[route.from].y, joined.boxes[route.to].y))
        .collect();
    pairs.sort_by(|one, other| one.0.total_cmp(&other.0));
    assert!(pairs.windows(2).all(|pair| pair[0].1 < pair[1].1), "{pairs:?}");
}

#[test]
fn what_nothing_connects_stands_side_by_side() {
    let layout = layout(40, &[]);
    check(&layout);
    assert!(layout.width <= SHELF && layout.height < 12.0 * (BOX_HEIGHT + PART_GAP), "{}", layout.height);
}

#[test]
fn circles_and_edges_that_lead_nowhere_are_borne() {
    let layout = layout(3, &[(0, 1), (1, 2), (2, 0), (1, 1), (0, 7), (0, 1)]);
    assert_eq!(layout.routes.len(), 3);
    assert!(layout.boxes.iter().all(|place| place.x + place.width <= layout.width));
    assert_eq!(lay_out(&[], &[]).routes, []);
}

#[test]
fn large_graphs_take_work_in_proportion() {
    let small = layout(200, &large(200, 500));
    let large = layout(2_000, &large(2_000, 5_000));
    check(&small);
    check(&large);
    // Some 20 million additions and comparisons are a tenth of a second.
    assert!(large.work < 20_000_000, "{}", large.work);
    let deep = layout(2_000, &(1..2_000).flat_map(|at| [(at, at - 1), (at, at / 2)]).collect::<Vec<_>>());
    assert!(deep.work < 20_000_000, "{}", deep.work);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn boxes_never_overlap_and_arrows_end_at_them(
        (count, edges) in (1_usize..40).prop_flat_map(|count| {
            (Just(count), proptest::collection::vec((0..count, 0..count), 0..80))
        })
    ) {
        let edges: Vec<(usize, usize)> =
            edges.into_iter().map(|(one, other)| (one.max(other), one.min(other))).collect();
        let drawn = layout(count, &edges);
        check(&drawn);
        prop_assert_eq!(&drawn, &layout(count, &edges));
        for (from, to) in edges.into_iter().filter(|(from, to)| from != to) {
            prop_assert!(drawn.boxes[from].x > drawn.boxes[to].x);
        }
    }
}
