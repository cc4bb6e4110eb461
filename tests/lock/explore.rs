//! Breadth-first through every reachable world.

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::fmt::Write as _;
use std::hash::{Hash, Hasher};

use runway_core::lock::terms::LockTag;

use crate::invariants::{Violation, check_late, check_world};
use crate::others::{Cfngin, Operator};
use crate::session::{Session, Steps};
use crate::variant::Variant;
use crate::world::{ALL, BY_CFNGIN, Budget, FIRST, GraphObject, Stacks, World, has};

/// Where an exploration begins.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    /// What each session's config wants.
    pub(crate) configs: Vec<Stacks>,
    /// Whether nothing exists and nothing is recorded; otherwise D exists and is recorded.
    pub(crate) first_ever: bool,
    pub(crate) budget: Budget,
    pub(crate) cfngin: Option<Stacks>,
    pub(crate) operator: Operator,
}

/// How far an exploration came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Explored {
    pub(crate) states: usize,
    pub(crate) transitions: usize,
}

/// A violation and the steps that lead to it.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) violation: Violation,
    pub(crate) trace: Vec<String>,
}

/// A fresh run may take this many steps; a sound one takes about twenty.
const STEPS_OF_A_RUN: usize = 80;

impl Scenario {
    fn first(&self, variant: Variant) -> World {
        let session = |slot: usize| match self.configs.get(slot) {
            Some(config) => Session::new(slot as u8, *config, variant),
            None => Session::gone(slot as u8, variant),
        };
        let graph = GraphObject { nodes: 2, nonce: None, lock: LockTag::None, user_tag: true };
        World {
            graph: (!self.first_ever).then_some(graph),
            lease: None,
            state: None,
            stacks: [None, (!self.first_ever).then_some(FIRST)],
            sessions: [session(0), session(1), session(2)],
            cfngin: Cfngin::new(self.cfngin),
            operator: self.operator.clone(),
            late: None,
            budget: self.budget,
            disturbed: false,
            user_tag_expected: !self.first_ever,
        }
    }
}

struct Exploration<'a> {
    scenario: &'a Scenario,
    variant: Variant,
    seen: HashSet<u64>,
    /// Durable parts of worlds from which fresh runs are known to converge.
    converging: HashSet<u64>,
    /// For each state: the one it came from, and how.
    origins: Vec<(u32, &'static str, u8)>,
}

/// Explores all that can happen; stops at the first violation.
pub(crate) fn explore(scenario: &Scenario, variant: Variant) -> Result<Explored, Found> {
    let mut exploration = Exploration {
        scenario,
        variant,
        seen: HashSet::new(),
        converging: HashSet::new(),
        origins: Vec::new(),
    };
    let mut frontier = vec![(0, scenario.first(variant))];
    exploration.origins.push((0, "begins", 0));
    let mut transitions = 0;
    while !frontier.is_empty() {
        let mut next = Vec::new();
        for (index, world) in frontier {
            let steps =
                exploration.steps(&world).map_err(|violation| exploration.found(violation, index, None))?;
            for (actor, what, after) in steps {
                transitions += 1;
                if !exploration.seen.insert(fingerprint(&after)) {
                    continue;
                }
                let last = Some((actor, what));
                let fine = exploration.check(&after);
                fine.map_err(|violation| exploration.found(violation, index, last))?;
                exploration.origins.push((index, what, actor));
                next.push((exploration.origins.len() as u32 - 1, after));
            }
        }
        frontier = next;
    }
    Ok(Explored { states: exploration.origins.len(), transitions })
}

fn fingerprint(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

impl Exploration<'_> {
    fn steps(&self, world: &World) -> Result<Vec<(u8, &'static str, World)>, Violation> {
        let mut all = Vec::new();
        for slot in 0..self.scenario.configs.len() {
            let steps = Steps { world, slot, variant: self.variant, next: Vec::new() }.all()?;
            all.extend(steps.into_iter().map(|(what, after)| (slot as u8, what, after)));
        }
        let others = world.cfngin_steps().into_iter().chain(world.operator_steps());
        all.extend(others.map(|(what, after)| (u8::MAX, what, after)));
        if let Some(late) = &world.late {
            check_late(world, late.author, &late.request)?;
            let mut after = world.clone();
            after.late = None;
            after.serve(late.author, &late.request);
            all.push((u8::MAX, "the delayed copy arrives", after));
        }
        Ok(all)
    }

    fn check(&mut self, world: &World) -> Result<(), Violation> {
        check_world(world, self.variant.rules())?;
        let durable = (&world.graph, &world.lease, &world.state, &world.stacks, world.disturbed);
        if self.converging.insert(fingerprint(&durable)) {
            for config in &self.scenario.configs {
                self.converges(world, *config)?;
            }
        }
        Ok(())
    }

    /// Kills everybody, removes a tag of CFNgin, which only a person may do, and lets a fresh session run to its end.
    fn converges(&self, world: &World, config: Stacks) -> Result<(), Violation> {
        let mut alone = world.clone();
        for session in &mut alone.sessions {
            *session = Session::gone(session.id, self.variant);
        }
        (alone.cfngin, alone.operator, alone.late) = (Cfngin::new(None), Operator::Gone, None);
        alone.budget = Budget { ttl: 9, ..Budget::default() };
        if let Some(graph) = &mut alone.graph
            && matches!(graph.lock, LockTag::Cfngin(_))
        {
            graph.lock = LockTag::None;
        }
        let orphan = |stack: usize| {
            !alone.is_known(stack)
                && matches!(alone.stacks[stack], Some(BY_CFNGIN | FIRST))
                && alone.disturbed
        };
        let orphans: Vec<bool> = ALL.into_iter().map(|stack| orphan(stack) && !has(config, stack)).collect();
        // A stack that only the state knew is recorded by one run and deleted by the next: the first has not shown it.
        let runs = if alone.disturbed { [3, 4].as_slice() } else { [3].as_slice() };
        for id in runs {
            alone = self.run(alone, *id, config)?;
            let right = |stack: usize| {
                let wanted = has(config, stack);
                let recorded = alone.graph.as_ref().is_some_and(|graph| has(graph.nodes, stack));
                recorded == wanted && (alone.stacks[stack].is_some() == wanted || orphans[stack])
            };
            let unlocked =
                alone.graph.as_ref().is_none_or(|graph| graph.lock == LockTag::None && graph.nonce.is_none());
            let settled = alone.state().intended() == 0 && alone.lease_etag().is_none();
            if ALL.into_iter().all(right) && unlocked && settled {
                return Ok(());
            }
        }
        Err(Violation::P5)
    }

    fn run(&self, mut world: World, id: u8, config: Stacks) -> Result<World, Violation> {
        world.sessions[0] = Session::new(id, config, self.variant);
        for _ in 0..STEPS_OF_A_RUN {
            let steps = Steps { world: &world, slot: 0, variant: self.variant, next: Vec::new() }.all()?;
            // The last one watches where others wait.
            let Some((_, after)) = steps.into_iter().next_back() else { break };
            world = after;
        }
        if world.sessions[0].is_gone() {
            world.sessions[0] = Session::gone(0, self.variant);
            Ok(world)
        } else {
            Err(Violation::P5)
        }
    }

    fn found(&self, violation: Violation, index: u32, last: Option<(u8, &'static str)>) -> Found {
        let words = |actor: u8, what: &str| match actor {
            u8::MAX => what.to_owned(),
            slot => format!("{} {what}", char::from(b'A' + slot)),
        };
        let mut trace: Vec<String> = last.into_iter().map(|(actor, what)| words(actor, what)).collect();
        let mut at = index;
        while at != 0 {
            let (before, what, actor) = self.origins[at as usize];
            trace.push(words(actor, what));
            at = before;
        }
        trace.reverse();
        Found { violation, trace }
    }
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = format!("{:?} after {} steps:", self.violation, self.trace.len());
        for (number, step) in self.trace.iter().enumerate() {
            let _ = write!(text, "\n{:3} {step}", number + 1);
        }
        f.write_str(&text)
    }
}
