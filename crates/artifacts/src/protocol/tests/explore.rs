//! The search, and what must hold in every state.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use super::rules::*;
use super::step::{Words, successors};
use super::world::*;
use crate::format::{Head, HeadState, Manifest};
use crate::names::{AssetPath, ManifestId};
use crate::protocol::Ask;

/// What a search found.
pub(super) struct Search {
    pub(super) states: usize,
    /// Everything that the bucket may hold when all sessions end or crash: whatever it holds at any time.
    pub(super) ends: Vec<State>,
    /// The shortest way to a state in which something is wrong, and what.
    pub(super) violation: Option<String>,
}

impl Search {
    /// Fails unless nothing is wrong; tells how many states there were.
    #[track_caller]
    pub(super) fn is_sound(&self, name: &str) -> &Self {
        println!("{name}: {} states, {} buckets", self.states, self.ends.len());
        if let Some(violation) = &self.violation {
            panic!("{name}: {violation}");
        }
        self
    }

    /// Fails unless something is wrong.
    #[track_caller]
    pub(super) fn is_faulty(&self, name: &str) {
        assert!(self.violation.is_some(), "{name}: nothing found in {} states", self.states);
    }
}

/// What a session pushes.
pub(super) type Contents = Arc<BTreeMap<AssetPath, Bytes>>;

/// What must hold, given what every build consists of.
pub(super) struct Invariant {
    /// Builds by the names of the sessions that push them.
    pub(super) builds: Vec<(String, Contents)>,
    pub(super) entries: Vec<AssetPath>,
    /// Live builds only become newer.
    pub(super) monotonic: bool,
    /// If this build is held, it has these files.
    pub(super) held: Option<(ManifestId, Vec<AssetPath>)>,
}

impl Invariant {
    pub(super) fn of(sessions: &[Session], entries: &[&str]) -> Self {
        let pushes = sessions.iter().filter(|session| !session.files.0.is_empty());
        Self {
            builds: pushes.map(|session| (session.nonce.to_string(), Arc::clone(&session.files.0))).collect(),
            entries: entries.iter().map(|name| path(name)).collect(),
            monotonic: true,
            held: None,
        }
    }

    fn is_served(state: &State, path: &AssetPath, body: &Bytes) -> bool {
        state.objects.get(&layout().file(path)).is_some_and(|object| object.body == *body)
    }

    pub(super) fn head(state: &State) -> Option<Head> {
        Some(Self::head_of(&state.objects.get(&layout().head())?.body))
    }

    pub(super) fn head_of(body: &[u8]) -> Head {
        Head::decode(body).unwrap()
    }

    /// What is wrong with a state.
    pub(super) fn violated(&self, state: &State) -> Option<String> {
        let bulk = |files: &Contents| -> Option<AssetPath> {
            let missing = files
                .iter()
                .find(|(path, body)| !self.entries.contains(path) && !Self::is_served(state, path, body));
            missing.map(|(path, _)| path.clone())
        };
        // A reader of an entry point must find all that it may refer to: the files of some build it is part of.
        for entry in &self.entries {
            let Some(served) = state.objects.get(&layout().file(entry)) else { continue };
            let mut missing = Vec::new();
            let of_builds = self.builds.iter().filter(|(_, files)| files.get(entry) == Some(&served.body));
            for (name, files) in of_builds {
                missing.push(bulk(files).map(|path| format!("{path} of {name}")));
            }
            if !missing.is_empty() && missing.iter().all(Option::is_some) {
                return Some(format!("{entry} is served, but {missing:?} is missing"));
            }
        }
        if let Some((id, files)) =
            self.held.as_ref().filter(|(id, _)| state.objects.contains_key(&layout().pin(*id)))
        {
            let keys = files.iter().map(|path| layout().file(path)).chain([layout().manifest(*id)]);
            if let Some(missing) = keys.into_iter().find(|key| !state.objects.contains_key(key)) {
                return Some(format!("{id} is held, but {missing} is missing"));
            }
        }
        let head = Self::head(state)?;
        if head.state != HeadState::Published {
            return None;
        }
        let Some(manifest) = state.objects.get(&layout().manifest(head.manifest)) else {
            return Some(format!("the live manifest {} is missing", head.manifest));
        };
        let manifest = Manifest::decode(&manifest.body).unwrap();
        let pushed_by = manifest.nonce.map(|nonce| nonce.to_string());
        let (name, files) = self.builds.iter().find(|(name, _)| Some(name) == pushed_by.as_ref())?;
        let mixed = (self.entries.iter())
            .find(|entry| files.get(*entry).is_some_and(|body| !Self::is_served(state, entry, body)));
        if let Some(entry) = mixed {
            return Some(format!("{name} is live, but {entry} is another build's"));
        }
        bulk(files).map(|path| format!("{name} is live, but {path} is missing"))
    }

    /// What is wrong with a step.
    fn goes_back(&self, before: &State, after: &State) -> Option<String> {
        let (before, after) = (Self::head(before)?, Self::head(after));
        let Some(after) = after else { return Some("the head is gone".to_owned()) };
        let is_older = self.monotonic && after.order() < before.order();
        is_older.then(|| format!("{} replaces the newer {}", after.manifest, before.manifest))
    }
}

/// From which state each was reached, and how.
type CameFrom = HashMap<(u64, u64), Option<((u64, u64), Words)>>;

/// Tries everything from `state` on, until something is wrong.
pub(super) fn explore(state: State, rules: &Rules, invariant: &Invariant) -> Search {
    const MOST: usize = 600_000;
    let mut came_from = CameFrom::new();
    came_from.insert(state.digest(), None);
    let mut queue = VecDeque::from([(state.digest(), state)]);
    let mut search = Search { states: 0, ends: Vec::new(), violation: None };
    let mut seen = HashSet::new();
    let mut stuck = None;
    while let Some((digest, state)) = queue.pop_front() {
        search.states += 1;
        assert!(search.states < MOST, "too many states");
        let next = successors(&state, rules);
        if seen.insert(state.digest_of_objects()) {
            search.ends.push(state.clone());
        }
        if next.is_empty() && !state.is_over() && rules.crashes > state.crashes {
            let asks: Vec<_> = state.sessions.iter().map(|session| (&session.nonce, &session.ask)).collect();
            stuck = Some((digest, format!("nothing can happen any more: {asks:?}")));
        }
        let mut wrong = stuck.take();
        for (words, after) in next {
            let reached = after.digest();
            if came_from.contains_key(&reached) {
                continue;
            }
            came_from.insert(reached, Some((digest, words)));
            let what = invariant.violated(&after).or_else(|| invariant.goes_back(&state, &after));
            if let Some(what) = what {
                wrong = Some((reached, what));
                break;
            }
            queue.push_back((reached, after));
        }
        if let Some((at, what)) = wrong {
            search.violation = Some(format!("{what}\n{}", way(&came_from, at)));
            return search;
        }
    }
    search
}

/// The steps that led to a state.
fn way(came_from: &CameFrom, mut at: (u64, u64)) -> String {
    let mut steps = Vec::new();
    while let Some(Some((before, words))) = came_from.get(&at) {
        steps.push(format!("session {}: {}", words.session, words.what));
        at = *before;
    }
    steps.reverse();
    steps.join("\n")
}

pub(super) fn start(objects: BTreeMap<runway_store::ObjectKey, Object>, sessions: Vec<Session>) -> State {
    State::new(objects, sessions)
}

/// Runs one more session alone on what others left, all of whom are dead by now.
pub(super) fn alone(state: &State, session: Session) -> State {
    let mut state = state.clone();
    for at in 0..state.sessions.len() {
        state.change(at, |session| session.crashed = true);
        state.forget_ghosts(at);
    }
    state.add(session);
    let rules = Rules { expiry: true, ..Rules::default() };
    for _ in 0..1000 {
        let mut next = successors(&state, &rules);
        match next.pop() {
            Some((_, after)) => state = after,
            None => {
                let session = state.sessions.last().unwrap();
                assert!(session.end.is_some(), "{:?}", session.ask.as_ref().map(|ask: &Ask<()>| ask));
                return state;
            }
        }
    }
    panic!("it does not end");
}
