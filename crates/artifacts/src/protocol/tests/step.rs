//! What may happen next: one request of one session, or a part of one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use runway_store::{Condition, ETag, ObjectKey};

use super::rules::*;
use super::world::*;
use crate::protocol::*;

/// So much that a marker has to be written again.
const SLOW: Duration = Duration::from_secs(61);

/// One step of one session at work.
struct Step<'a> {
    state: &'a State,
    at: usize,
    rules: &'a Rules,
    objects: BTreeMap<ObjectKey, Object>,
    session: Session,
}

/// What a session did.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words {
    pub(super) session: usize,
    pub(super) what: &'static str,
}

fn name(ask: &Ask<()>) -> &'static str {
    match ask {
        Ask::Get(_) => "get",
        Ask::GetMany(_) => "get many",
        Ask::Put { .. } => "put",
        Ask::Delete(_) => "delete",
        Ask::DeleteMany { .. } => "delete one of many",
        Ask::List { .. } => "list",
        Ask::Watch { .. } => "watch",
        Ask::Head(_) => "head",
        Ask::Prove(_) => "prove",
        Ask::Send(_) => "send a file",
        Ask::SendCopies { .. } => "send copies",
        Ask::PutEntry { .. } => "put an entry point",
        Ask::End(()) => "end",
    }
}

/// Everything that may happen next, with words for it.
///
/// When a session crashes does not matter before somebody else can tell: when its marker or head stays as it is for too
/// long, or when its intent is too old. Until then a crashed session is one that does nothing.
pub(super) fn successors(state: &State, rules: &Rules) -> Vec<(Words, State)> {
    let mut next = Vec::new();
    for at in 0..state.ghosts.len() {
        ghost(state, at, rules, &mut next);
    }
    for at in 0..state.sessions.len() {
        let session = &state.sessions[at];
        let Some(ask) = session.ask.as_ref().filter(|_| !session.crashed) else { continue };
        if state.give_ups < rules.give_ups {
            next.push(give_up(state, at, rules, ask));
        }
        match ask {
            Ask::Watch { key, etag, .. } => watch(state, at, rules, (key, etag), &mut next),
            Ask::List { prefix, .. } if rules.expiry && *prefix == layout().intents() => {
                for state in with_crashes(state, at, rules) {
                    request(&state, at, rules, ask, &mut next);
                }
            }
            ask => request(state, at, rules, ask, &mut next),
        }
    }
    next
}

/// A request whose sender does not wait for it is carried out, or a part of it.
fn ghost(state: &State, number: usize, rules: &Rules, next: &mut Vec<(Words, State)>) {
    let Ghost { session: at, ask, done } = state.ghosts[number].clone();
    let words = Words { session: at, what: "what was under way happens" };
    let mut step = Step::new(state, at, rules);
    step.session.done = done;
    let is_over = step.perform(ask).is_some();
    let done = step.session.done;
    step.session = state.sessions[at].as_ref().clone();
    let mut after = step.over(false);
    if is_over {
        after.ghosts.remove(number);
    } else {
        after.ghosts[number].done = done;
    }
    next.push((words, after));
}

/// A session ends before its time, and nobody knows what becomes of its request.
fn give_up(state: &State, at: usize, rules: &Rules, ask: &Ask<()>) -> (Words, State) {
    let mut state = state.clone();
    state.give_ups += 1;
    let is_read = matches!(ask, Ask::Get(_) | Ask::GetMany(_) | Ask::Head(_) | Ask::List { .. });
    if !is_read && !matches!(ask, Ask::Prove(_) | Ask::Watch { .. }) {
        let done = state.sessions[at].done;
        state.ghosts.push(Ghost { session: at, ask: ask.clone(), done });
    }
    state.change(at, |session| session.give_up(rules.defects));
    (Words { session: at, what: "give up" }, state)
}

/// The state, and those in which some of the sessions with an intent have crashed, as a session that looks is about to
/// see.
fn with_crashes(state: &State, looking: usize, rules: &Rules) -> Vec<State> {
    let mut states = vec![state.clone()];
    for (at, session) in state.sessions.iter().enumerate() {
        let has_intent = state.objects.iter().any(|(key, object)| {
            key.as_str().starts_with(&layout().intents()) && object.stamp.as_ref() == Some(&session.nonce)
        });
        let is_over = session.end.as_ref().is_some_and(|end| *end != AnyEnd::GaveUp);
        if at == looking || session.crashed || is_over || !has_intent {
            continue;
        }
        let crashed = states.iter().filter(|state| state.crashes < rules.crashes).map(|state| {
            let mut state = state.clone();
            state.crash(at);
            state
        });
        let crashed: Vec<State> = crashed.collect();
        states.extend(crashed);
    }
    states
}

fn watch(
    state: &State,
    at: usize,
    rules: &Rules,
    (key, etag): (&ObjectKey, &ETag),
    next: &mut Vec<(Words, State)>,
) {
    let found = state.objects.get(key);
    if found.is_none_or(|found| found.etag != *etag) {
        let mut step = Step::new(state, at, rules);
        step.session.step(Reply::Changed);
        next.push((Words { session: at, what: "see a change" }, step.over(false)));
        return;
    }
    let writer = found.and_then(|found| found.stamp.as_ref());
    let writer = state.sessions.iter().position(|session| Some(&session.nonce) == writer);
    let Some(writer) = writer else { return };
    let mut state = state.clone();
    state.forget_ghosts(writer);
    let is_dead = state.sessions[writer].crashed || state.sessions[writer].end.is_some();
    let is_deleting = matches!(state.sessions[writer].ask, Some(Ask::DeleteMany { .. }));
    if !is_dead && *key == layout().marker() && !is_deleting && state.sleeps < rules.sleeps && writer != at {
        let mut state = state.clone();
        state.sleeps += 1;
        state.change(writer, |session| session.now += Duration::from_secs(180));
        let mut step = Step::new(&state, at, rules);
        step.session.step(Reply::Unchanged);
        next.push((Words { session: at, what: "take one that sleeps for dead" }, step.over(false)));
    }
    if !is_dead && !rules.defects.impatient && writer != at {
        if state.crashes >= rules.crashes {
            return;
        }
        state.crash(writer);
    }
    let mut step = Step::new(&state, at, rules);
    step.session.step(Reply::Unchanged);
    next.push((Words { session: at, what: "take a writer for dead" }, step.over(false)));
}

fn request(state: &State, at: usize, rules: &Rules, ask: &Ask<()>, next: &mut Vec<(Words, State)>) {
    let words = Words { session: at, what: name(ask) };
    let is_write = matches!(ask, Ask::Put { .. } | Ask::PutEntry { .. });
    if is_write && state.lost < rules.lost {
        let mut step = Step::new(state, at, rules);
        let reply = step.perform(ask.clone());
        if matches!(reply, Some(Reply::Written { .. })) {
            step.session.step(Reply::Unknown);
            next.push((Words { what: "write, and the answer is lost", ..words }, step.over(true)));
        }
    }
    if matches!(ask, Ask::DeleteMany { .. }) && state.sessions[at].done == 0 && state.echoes < rules.echoes {
        let mut state = state.clone();
        state.echoes += 1;
        state.ghosts.push(Ghost { session: at, ask: ask.clone(), done: 0 });
        let mut again = state.clone();
        again.change(at, |session| session.lingers = true);
        next.push((Words { what: "delete again, as the answer is lost", ..words }, again));
        if !rules.defects.no_settling {
            state.change(at, |session| session.step(Reply::Unknown));
            next.push((Words { what: "delete, and get no answer", ..words }, state));
        }
    }
    let mut step = Step::new(state, at, rules);
    step.run(ask.clone());
    while step.session.is_private(rules.coarse) {
        if let Some(ask) = step.session.ask.clone() {
            step.run(ask);
        }
    }
    next.push((words, step.over(false)));
}

impl<'a> Step<'a> {
    fn new(state: &'a State, at: usize, rules: &'a Rules) -> Self {
        let (objects, session) = (state.objects.as_ref().clone(), state.sessions[at].as_ref().clone());
        Self { state, at, rules, objects, session }
    }

    fn over(self, lost: bool) -> State {
        let mut state = self.state.clone();
        state.objects = Arc::new(self.objects);
        let session = self.session;
        state.change(self.at, |changed| *changed = session);
        state.lost += usize::from(lost);
        state
    }

    fn run(&mut self, ask: Ask<()>) {
        if let Some(reply) = self.perform(ask) {
            self.session.step(reply);
        }
    }

    /// Carries out one request, or one part of one; the answer when all of it is done.
    fn perform(&mut self, ask: Ask<()>) -> Option<Reply> {
        let defects = self.rules.defects;
        let layout = layout();
        Some(match ask {
            Ask::Get(key) => Reply::Got(self.get(&key)),
            Ask::GetMany(keys) => Reply::GotMany(keys.iter().map(|key| self.get(key)).collect()),
            Ask::Head(key) => Reply::Seen(self.objects.get(&key).map(|object| object.etag.clone())),
            Ask::Put { key, body, stamp, condition } => {
                let object = Object::new(body, Some(stamp));
                let is_intent = key.as_str().starts_with(&layout.intents());
                let is_manifest = layout.manifest_of(&key).is_some();
                let etag = object.etag.clone();
                if (defects.no_intent && is_intent) || (defects.manifest_last && is_manifest) {
                    self.session.held_back.push((key, object));
                    return Some(written(etag));
                }
                let is_plain = (defects.plain_head && key == layout.head())
                    || (defects.plain_marker && key == layout.marker());
                let condition = if is_plain { Condition::None } else { condition };
                self.put(key, object, &condition)
            }
            Ask::PutEntry { manifest, path, condition } => {
                let own = self.session.files.0.get(&path).cloned();
                let copy = || self.objects.get(&layout.copy(manifest, &path)).map(|copy| copy.body.clone());
                let body = own.or_else(copy).expect("a copy of every entry point");
                let condition = if defects.plain_entries { Condition::None } else { condition };
                self.put(layout.file(&path), Object::new(body, None), &condition)
            }
            Ask::Delete(key) => {
                self.objects.remove(&key);
                for (key, object) in std::mem::take(&mut self.session.held_back) {
                    if layout.manifest_of(&key).is_some() {
                        self.objects.insert(key, object);
                    }
                }
                Reply::Done
            }
            Ask::DeleteMany { keys, .. } => {
                self.objects.remove(keys.get(self.session.done)?);
                self.session.done += 1;
                if self.session.done < keys.len() {
                    return None;
                }
                if self.rules.slow {
                    self.session.now += SLOW;
                }
                let lingers = std::mem::take(&mut self.session.lingers) && !defects.no_settling;
                Reply::DeletedMany { failed: Vec::new(), lingers }
            }
            Ask::List { prefix, after } => return self.list(&prefix, after.as_ref()),
            Ask::Prove(items) => {
                let proven = items.into_iter().filter_map(|item| {
                    let path = &self.session.paths.0[item];
                    let object = self.objects.get(&layout.file(path))?;
                    (object.body == self.session.files.0[path]).then(|| (item, object.etag.clone()))
                });
                Reply::Proven(proven.collect())
            }
            Ask::Send(items) => {
                let item = *items.get(self.session.done)?;
                let path = self.session.paths.0[item].clone();
                let object = Object::new(self.session.files.0[&path].clone(), None);
                self.session.sent.push((item, object.etag.clone()));
                self.objects.insert(layout.file(&path), object);
                self.session.done += 1;
                if self.session.done < items.len() {
                    return None;
                }
                Reply::Sent(std::mem::take(&mut self.session.sent))
            }
            Ask::SendCopies { manifest, items } => {
                for item in items {
                    let path = self.session.paths.0[item].clone();
                    // Who goes back to a build has nothing but its copies.
                    if let Some(copied) = self.session.copies_of
                        && !self.objects.contains_key(&layout.copy(copied, &path))
                    {
                        (self.session.ask, self.session.end) = (None, Some(AnyEnd::GaveUp));
                        return None;
                    }
                    let object = Object::new(self.session.files.0[&path].clone(), None);
                    self.objects.insert(layout.copy(manifest, &path), object);
                }
                Reply::Sent(Vec::new())
            }
            Ask::Watch { .. } | Ask::End(()) => return None,
        })
    }

    fn get(&self, key: &ObjectKey) -> Option<Found> {
        if self.rules.defects.no_marker
            && matches!(self.session.machine, AnyMachine::Push(_) | AnyMachine::Pin(_))
            && *key == layout().marker()
        {
            return None;
        }
        if self.rules.defects.no_head
            && matches!(self.session.machine, AnyMachine::Prune(_))
            && *key == layout().head()
        {
            return None;
        }
        let held_back = self.session.held_back.iter().find(|(held, _)| held == key).map(|(_, object)| object);
        self.objects.get(key).or(held_back).map(|object| Found {
            body: object.body.clone(),
            etag: object.etag.clone(),
            stamp: object.stamp.as_ref().map(|stamp| stamp.as_str().to_owned()),
            age: None,
        })
    }

    fn put(&mut self, key: ObjectKey, object: Object, condition: &Condition) -> Reply {
        let current = self.objects.get(&key).map(|current| &current.etag);
        let holds = match condition {
            Condition::None => true,
            Condition::IfAbsent => current.is_none(),
            Condition::IfMatch(etag) => current == Some(etag),
        };
        if !holds {
            return Reply::Refused;
        }
        let etag = object.etag.clone();
        self.objects.insert(key, object);
        written(etag)
    }

    fn list(&mut self, prefix: &str, after: Option<&ObjectKey>) -> Option<Reply> {
        let layout = layout();
        let is_prune = matches!(self.session.machine, AnyMachine::Prune(_));
        if self.rules.defects.manifests_first && is_prune {
            if *prefix == layout.intents() && self.session.read_before.is_none() {
                self.session.read_before = Some(self.listed(&layout.manifests(), None));
                return None;
            }
            if *prefix == layout.manifests() && after.is_none() {
                let objects = self.session.read_before.clone()?;
                return Some(Reply::Listed { objects, more: false, date: date() });
            }
        }
        if self.rules.slow && is_prune {
            self.session.now += SLOW;
        }
        if self.rules.defects.no_head && is_prune && *prefix == layout.all_copies() {
            return Some(Reply::Listed { objects: Vec::new(), more: false, date: date() });
        }
        let objects = self.listed(prefix, after);
        Some(Reply::Listed { objects, more: false, date: date() })
    }

    fn listed(&self, prefix: &str, after: Option<&ObjectKey>) -> Vec<Listed> {
        let age = |object: &Object| {
            let is_dead =
                |session: &Arc<Session>| session.crashed && Some(&session.nonce) == object.stamp.as_ref();
            let expired = self.rules.expiry && self.state.sessions.iter().any(is_dead);
            Some(Duration::from_secs(if expired { 1 << 30 } else { 0 }))
        };
        (self.objects.iter())
            .filter(|(key, _)| key.as_str().starts_with(prefix) && after.is_none_or(|after| *key > after))
            .map(|(key, object)| Listed {
                key: key.clone(),
                etag: object.etag.clone(),
                size: object.body.len() as u64,
                age: age(object),
            })
            .collect()
    }
}

fn date() -> Option<Timestamp> {
    Timestamp::from_second(NOW as i64).ok()
}

fn written(etag: ETag) -> Reply {
    Reply::Written { etag, date: date() }
}
