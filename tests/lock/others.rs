//! Who else acts on the objects: a CFNgin run, and an operator with a hand on the store.

use runway_core::lock::protocol::Unlock;
use runway_core::lock::terms::{LockTag, Request};

use crate::world::{ALL, Author, BY_CFNGIN, ETag, GraphObject, Small, Stacks, World, bit, has};

/// What a CFNgin run does next. It checks, then tags; it writes from memory and without conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum CfnginAt {
    Gone,
    Load,
    WriteEmpty,
    ReadTags,
    Tag,
    Create,
    LookAgain,
    Put,
    Delete,
    PutLast,
    Untag,
}

/// A CFNgin run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Cfngin {
    pub(crate) at: CfnginAt,
    config: Stacks,
    memory: Stacks,
}

impl Cfngin {
    pub(crate) fn new(config: Option<Stacks>) -> Self {
        let at = if config.is_some() { CfnginAt::Load } else { CfnginAt::Gone };
        Self { at, config: config.unwrap_or_default(), memory: 0 }
    }
}

/// What an operator is up to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Operator {
    Gone,
    RemoveTag,
    DeleteLease,
    DeleteGraph,
    /// `graph unlock --force`, before it has looked.
    Force,
    /// The same, at work.
    Unlocking(Unlock<Small>),
}

impl World {
    /// Successors by a step of the CFNgin run.
    pub(crate) fn cfngin_steps(&self) -> Vec<(&'static str, Self)> {
        if self.cfngin.at == CfnginAt::Gone {
            return Vec::new();
        }
        let mut next = Vec::new();
        if self.budget.kills > 0 {
            let mut world = self.clone();
            world.budget.kills -= 1;
            world.cfngin = Cfngin::new(None);
            next.push(("CFNgin is killed", world));
        }
        let mut world = self.clone();
        let what = world.cfngin_step();
        next.push((what, world));
        next
    }

    fn cfngin_step(&mut self) -> &'static str {
        let tagged = self.graph.as_ref().map(|graph| graph.lock.clone());
        let own = Some(LockTag::Cfngin(Author::Cfngin));
        let Cfngin { at, config, memory } = self.cfngin;
        let (next, what) = match at {
            CfnginAt::Gone => (CfnginAt::Gone, "is gone"),
            CfnginAt::Load => {
                self.cfngin.memory = self.graph.as_ref().map_or(0, |graph| graph.nodes);
                let found = self.graph.is_some();
                (if found { CfnginAt::ReadTags } else { CfnginAt::WriteEmpty }, "CFNgin reads the graph")
            }
            CfnginAt::WriteEmpty => {
                self.cfngin_put(0, LockTag::None);
                (CfnginAt::ReadTags, "CFNgin writes an empty graph")
            }
            CfnginAt::ReadTags => {
                let free = tagged == Some(LockTag::None);
                (if free { CfnginAt::Tag } else { CfnginAt::Gone }, "CFNgin reads the tags")
            }
            CfnginAt::Tag => match &mut self.graph {
                Some(graph) => {
                    graph.lock = LockTag::Cfngin(Author::Cfngin);
                    graph.user_tag = false;
                    self.disturbed = true;
                    (CfnginAt::Create, "CFNgin tags the graph")
                }
                None => (CfnginAt::Gone, "CFNgin cannot tag an absent graph"),
            },
            CfnginAt::Create => {
                for stack in ALL.into_iter().filter(|stack| has(config, *stack)) {
                    self.stacks[stack].get_or_insert(BY_CFNGIN);
                }
                (CfnginAt::LookAgain, "CFNgin creates its stacks")
            }
            CfnginAt::LookAgain => {
                let held = tagged == own;
                (if held { CfnginAt::Put } else { CfnginAt::Gone }, "CFNgin compares the tag")
            }
            CfnginAt::Put => {
                self.cfngin.memory |= config;
                self.cfngin_put(memory | config, LockTag::Cfngin(Author::Cfngin));
                (CfnginAt::Delete, "CFNgin writes the graph from memory")
            }
            CfnginAt::Delete => {
                for stack in ALL.into_iter().filter(|stack| has(memory & !config, *stack)) {
                    self.stacks[stack] = None;
                }
                self.cfngin.memory &= config;
                (CfnginAt::PutLast, "CFNgin deletes removed stacks")
            }
            CfnginAt::PutLast if memory == 0 => {
                self.graph = None;
                self.disturbed = true;
                (CfnginAt::Gone, "CFNgin deletes the empty graph")
            }
            CfnginAt::PutLast => {
                self.cfngin_put(memory, LockTag::Cfngin(Author::Cfngin));
                (CfnginAt::Untag, "CFNgin writes the graph from memory")
            }
            CfnginAt::Untag => {
                if let Some(graph) = &mut self.graph {
                    graph.lock = LockTag::None;
                    graph.user_tag = false;
                }
                (CfnginAt::Gone, "CFNgin removes all tags")
            }
        };
        if next == CfnginAt::Gone {
            self.cfngin = Cfngin::new(None);
        } else {
            self.cfngin.at = next;
        }
        what
    }

    fn cfngin_put(&mut self, nodes: Stacks, lock: LockTag<Author>) {
        self.graph = Some(GraphObject { nodes, nonce: None, lock, user_tag: false });
        self.disturbed = true;
    }

    /// Successors by a step of the operator.
    pub(crate) fn operator_steps(&self) -> Vec<(&'static str, Self)> {
        let mut world = self.clone();
        let done = match &self.operator {
            Operator::Gone => None,
            Operator::RemoveTag => world.remove_tag().then_some("an operator removes the tag"),
            Operator::DeleteLease => world.lease.take().map(|_| "an operator deletes the lease"),
            Operator::DeleteGraph => {
                world.tag_vanishes();
                world.graph.take().map(|_| "an operator deletes the graph")
            }
            Operator::Force => return self.look_at_lock().into_iter().collect(),
            Operator::Unlocking(unlock) => return vec![self.unlock_step(unlock.clone())],
        };
        let Some(what) = done else { return Vec::new() };
        world.operator = Operator::Gone;
        world.disturbed = true;
        world.user_tag_expected = false;
        vec![(what, world)]
    }

    fn remove_tag(&mut self) -> bool {
        self.tag_vanishes();
        match &mut self.graph {
            Some(graph) if graph.lock != LockTag::None => {
                graph.lock = LockTag::None;
                true
            }
            _ => false,
        }
    }

    /// From here on its owner must not act without a look.
    fn tag_vanishes(&mut self) {
        let lock = self.graph.as_ref().map(|graph| graph.lock.clone());
        for session in self.sessions.iter_mut().filter(|session| !session.is_gone()) {
            if lock == Some(LockTag::Marked(Author::Session(session.id))) {
                session.looks.tag_removed();
            }
        }
    }

    fn look_at_lock(&self) -> Option<(&'static str, Self)> {
        let locked = |graph: &&GraphObject| graph.nonce.is_some() || graph.lock != LockTag::None;
        let graph =
            self.graph.as_ref().filter(locked).map(|graph| (graph.nodes, graph.user_tag, graph.etag()));
        let lease = self.lease.as_ref().map(|lease| lease.etag());
        if graph.is_none() && lease.is_none() {
            return None;
        }
        let mut world = self.clone();
        world.operator = Operator::Unlocking(Unlock::new(graph, lease));
        Some(("an operator looks at the lock", world))
    }

    fn unlock_step(&self, mut unlock: Unlock<Small>) -> (&'static str, Self) {
        let mut world = self.clone();
        world.operator = Operator::Gone;
        let Some(request) = unlock.request() else { return ("an operator has unlocked", world) };
        if self.accepts(&request) {
            world.disturbed = true;
            world.user_tag_expected = false;
            if matches!(request, Request::PutGraph { .. }) {
                world.tag_vanishes();
            }
        }
        // Nobody's code: an unlocking writes neither lease nor state.
        let reply = world.serve(u8::MAX, &request);
        if unlock.answer(reply).is_ok() {
            world.operator = Operator::Unlocking(unlock);
        }
        ("an operator unlocks", world)
    }

    /// Whether a stack is recorded anywhere.
    pub(crate) fn is_known(&self, stack: usize) -> bool {
        let graph = self.graph.as_ref().map_or(0, |graph| graph.nodes);
        let state = self.state();
        (graph | state.facts | state.intended()) & bit(stack) != 0
    }

    /// Entity tag of the lease.
    pub(crate) fn lease_etag(&self) -> Option<ETag> {
        self.lease.as_ref().map(|lease| lease.etag())
    }
}
