//! A bucket and the sessions that use it, as a value: one request is one step.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use runway_store::{ContentDigest, ETag, ObjectKey};

use super::rules::Defects;
use crate::format::{Build, FileFacts, Manifest, ManifestFormat};
use crate::names::{AssetPath, Layout, ManifestId, Nonce};
use crate::protocol::*;

/// The store's time, in seconds.
pub(super) const NOW: u64 = 1000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) body: Bytes,
    pub(super) etag: ETag,
    pub(super) stamp: Option<Nonce>,
    /// Of all of it.
    digest: (u64, u64),
}

impl Hash for Object {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

/// Two halves of a digest: enough to know something again.
fn digest(value: &impl Hash) -> (u64, u64) {
    let half = |salt: u64| {
        let mut hasher = DefaultHasher::new();
        (salt, value).hash(&mut hasher);
        hasher.finish()
    };
    (half(1), half(2))
}

impl Object {
    pub(super) fn new(body: Bytes, stamp: Option<Nonce>) -> Self {
        let digest = digest(&(&body, &stamp));
        Self { etag: etag(&body), body, stamp, digest }
    }
}

pub(super) fn etag(body: &[u8]) -> ETag {
    ETag::new(&ContentDigest::of(body).to_string()[..12])
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum AnyMachine {
    Push(Push),
    Prune(Prune),
    Resume(Resume),
    Pin(Pin),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum AnyEnd {
    Push(PushEnd, Box<PushReport>),
    Prune(PruneEnd, Box<PruneReport>),
    Resume(Option<(ManifestId, FlipEnd)>),
    Pin(PinEnd),
    Error(ProtocolError),
    /// Stopped by a signal, or by an error that is none of the protocol.
    GaveUp,
}

/// A request that is under way, though its sender does not wait for it any more.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Ghost {
    pub(super) session: usize,
    pub(super) ask: Ask<()>,
    pub(super) done: usize,
}

/// What never changes, and so does not tell states apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fixed<T>(pub(super) Arc<T>);

impl<T> Clone for Fixed<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Hash for Fixed<T> {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// One session.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Session {
    pub(super) nonce: Nonce,
    pub(super) machine: AnyMachine,
    pub(super) ask: Option<Ask<()>>,
    /// How much of a request that consists of several is done, and its answers.
    pub(super) done: usize,
    pub(super) sent: Vec<(usize, ETag)>,
    pub(super) end: Option<AnyEnd>,
    pub(super) crashed: bool,
    /// An attempt of its deletion may be carried out later.
    pub(super) lingers: bool,
    /// The build whose copies it needs.
    pub(super) copies_of: Option<ManifestId>,
    /// Its own time.
    pub(super) now: Duration,
    /// Bytes of the files that it pushes.
    pub(super) files: Fixed<BTreeMap<AssetPath, Bytes>>,
    pub(super) paths: Fixed<Vec<AssetPath>>,
    /// With a defect: what is written later, or was read before.
    pub(super) held_back: Vec<(ObjectKey, Object)>,
    pub(super) read_before: Option<Vec<Listed>>,
}

/// Everything.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) objects: Arc<BTreeMap<ObjectKey, Object>>,
    pub(super) sessions: Vec<Arc<Session>>,
    digests: Vec<(u64, u64)>,
    pub(super) ghosts: Vec<Ghost>,
    pub(super) crashes: usize,
    pub(super) lost: usize,
    pub(super) give_ups: usize,
    pub(super) echoes: usize,
    pub(super) sleeps: usize,
}

impl State {
    pub(super) fn new(objects: BTreeMap<ObjectKey, Object>, sessions: Vec<Session>) -> Self {
        let mut state = Self {
            objects: Arc::new(objects),
            sessions: Vec::new(),
            digests: Vec::new(),
            ghosts: Vec::new(),
            crashes: 0,
            lost: 0,
            give_ups: 0,
            echoes: 0,
            sleeps: 0,
        };
        sessions.into_iter().for_each(|session| state.add(session));
        state
    }

    pub(super) fn add(&mut self, session: Session) {
        self.digests.push(digest(&session));
        self.sessions.push(Arc::new(session));
    }

    pub(super) fn change(&mut self, at: usize, change: impl FnOnce(&mut Session)) {
        let session = Arc::make_mut(&mut self.sessions[at]);
        change(session);
        self.digests[at] = digest(session);
    }

    pub(super) fn crash(&mut self, at: usize) {
        self.crashes += 1;
        self.change(at, |session| session.crashed = true);
        self.forget_ghosts(at);
    }

    /// So much time passed that whatever a session sent before is carried out, or never will be.
    pub(super) fn forget_ghosts(&mut self, of: usize) {
        self.ghosts.retain(|ghost| ghost.session != of);
    }

    pub(super) fn digest(&self) -> (u64, u64) {
        let counts = [self.crashes, self.lost, self.give_ups, self.echoes, self.sleeps];
        digest(&(&self.objects, &self.digests, &self.ghosts, counts))
    }

    /// The same for what is in the bucket alone.
    pub(super) fn digest_of_objects(&self) -> (u64, u64) {
        digest(&self.objects)
    }

    pub(super) fn is_over(&self) -> bool {
        self.sessions.iter().all(|session| session.end.is_some() || session.crashed)
    }
}

pub(super) fn layout() -> Layout {
    Layout::new("", "app".parse().unwrap()).unwrap()
}

pub(super) fn path(text: &str) -> AssetPath {
    text.parse().unwrap()
}

pub(super) fn facts(body: &[u8], etag: Option<ETag>) -> FileFacts {
    FileFacts {
        sha256: ContentDigest::of(body),
        size: body.len() as u64,
        etag,
        content_type: String::new(),
        cache_control: String::new(),
    }
}

/// Files of a build: path, bytes, class.
pub(super) type Files<'a> = &'a [(&'a str, &'a str, Class)];

pub(super) fn push(name: &str, build: u64, files: Files<'_>, mode: PushMode) -> Session {
    push_of(name, build, files, mode, Source::Files)
}

/// Goes back to an aged build.
pub(super) fn rollback(name: &str, to: u64, files: Files<'_>) -> Session {
    let id = ManifestId(to);
    Session { copies_of: Some(id), ..push_of(name, to, files, PushMode::default(), Source::Manifest(id)) }
}

fn push_of(name: &str, build: u64, files: Files<'_>, mode: PushMode, source: Source) -> Session {
    let items = files.iter().map(|(name, body, class)| {
        let known = (source != Source::Files && *class != Class::Entry).then(|| etag(body.as_bytes()));
        Item {
            path: path(name),
            class: *class,
            facts: facts(body.as_bytes(), known),
            likely: etag(body.as_bytes()),
        }
    });
    let order = PushOrder {
        layout: layout(),
        nonce: Nonce::new(name),
        writer: name.into(),
        created: 7,
        items: Arc::new(items.collect()),
        source,
        build: Build { commit: None, timestamp: Some(build) },
        image: None,
        format: ManifestFormat::V2,
        mode,
        probed: false,
        terms: Terms::default(),
    };
    let files = files.iter().map(|(name, body, _)| (path(name), Bytes::from((*body).to_owned()))).collect();
    session(name, AnyMachine::Push(Push::new(Arc::new(order))), files)
}

pub(super) fn prune_order(name: &str, threshold: u64, min_keep: usize) -> PruneOrder {
    PruneOrder {
        layout: layout(),
        nonce: Nonce::new(name),
        writer: name.into(),
        threshold: Duration::from_secs(threshold),
        min_keep,
        protected: Default::default(),
        max_share: None,
        orphans: None,
        dry_run: false,
        upcoming: None,
        may_wait: true,
        terms: Terms::default(),
        now: NOW,
    }
}

pub(super) fn prune(order: PruneOrder) -> Session {
    let name = order.nonce.clone();
    session(name.as_str(), AnyMachine::Prune(Prune::new(Arc::new(order))), BTreeMap::new())
}

pub(super) fn resume(name: &str) -> Session {
    let machine = Resume::new(layout(), Nonce::new(name), Terms::default());
    session(name, AnyMachine::Resume(machine), BTreeMap::new())
}

pub(super) fn pin(name: &str, id: u64, files: Files<'_>) -> Session {
    let files = files.iter().map(|(name, _, _)| path(name)).collect();
    let pin = Pin::new(
        layout(),
        Nonce::new(name),
        name,
        7,
        (ManifestId(id), Manifest { files, ..Manifest::default() }),
        Terms::default(),
    );
    session(name, AnyMachine::Pin(pin), BTreeMap::new())
}

fn session(name: &str, machine: AnyMachine, files: BTreeMap<AssetPath, Bytes>) -> Session {
    let paths = match &machine {
        AnyMachine::Push(push) => push.paths(),
        _ => Vec::new(),
    };
    let mut session = Session {
        nonce: Nonce::new(name),
        machine,
        ask: None,
        done: 0,
        sent: Vec::new(),
        end: None,
        crashed: false,
        lingers: false,
        copies_of: None,
        now: Duration::ZERO,
        files: Fixed(Arc::new(files)),
        paths: Fixed(Arc::new(paths)),
        held_back: Vec::new(),
        read_before: None,
    };
    session.step(Reply::Begin);
    session
}

/// An aged manifest with its files.
pub(super) fn aged(objects: &mut BTreeMap<ObjectKey, Object>, id: u64, files: &[(&str, &str)]) {
    aged_in(objects, id, files, ManifestFormat::V2);
}

/// The same in any form.
pub(super) fn aged_in(
    objects: &mut BTreeMap<ObjectKey, Object>,
    id: u64,
    files: &[(&str, &str)],
    format: ManifestFormat,
) {
    let mut manifest = Manifest { timestamp: Some(id), ..Manifest::default() };
    for (name, body) in files {
        let object = Object::new(Bytes::from((*body).to_owned()), None);
        manifest.files.push(path(name));
        manifest.objects.insert(path(name), facts(body.as_bytes(), Some(object.etag.clone())));
        objects.insert(layout().file(&path(name)), object);
    }
    let body = manifest.encode(layout().app(), format);
    objects.insert(layout().manifest(ManifestId(id)), Object::new(body, None));
}

/// A build that is live: nothing but entry points, each of which has this body.
pub(super) fn live(objects: &mut BTreeMap<ObjectKey, Object>, id: u64, entries: &[(&str, &str)]) {
    aged(objects, id, entries);
    let change = crate::format::Change {
        manifest: ManifestId(id),
        build_ts: id,
        nonce: &Nonce::new("live"),
        deadline: Duration::from_secs(120),
        probed: None,
        others: &[],
        unheaded: &[],
    };
    let head = crate::format::Head::flipping(None, &change).published();
    objects.insert(layout().head(), Object::new(head.encode(), None));
}

fn unended<End>(ask: Ask<End>) -> Result<Ask<()>, End> {
    Ok(match ask {
        Ask::Get(key) => Ask::Get(key),
        Ask::GetMany(keys) => Ask::GetMany(keys),
        Ask::Put { key, body, stamp, condition } => Ask::Put { key, body, stamp, condition },
        Ask::Delete(key) => Ask::Delete(key),
        Ask::DeleteMany { keys, until } => Ask::DeleteMany { keys, until },
        Ask::List { prefix, after } => Ask::List { prefix, after },
        Ask::Watch { key, etag, patience } => Ask::Watch { key, etag, patience },
        Ask::Head(key) => Ask::Head(key),
        Ask::Prove(items) => Ask::Prove(items),
        Ask::Send(items) => Ask::Send(items),
        Ask::SendCopies { manifest, items } => Ask::SendCopies { manifest, items },
        Ask::PutEntry { manifest, path, condition } => Ask::PutEntry { manifest, path, condition },
        Ask::End(end) => return Err(end),
    })
}

impl Session {
    pub(super) fn step(&mut self, reply: Reply) {
        let now = self.now;
        let asked = match &mut self.machine {
            AnyMachine::Push(machine) => machine
                .step(reply, now)
                .map(|ask| unended(ask).map_err(|(end, report)| AnyEnd::Push(end, Box::new(report)))),
            AnyMachine::Prune(machine) => machine
                .step(reply, now)
                .map(|ask| unended(ask).map_err(|(end, report)| AnyEnd::Prune(end, Box::new(report)))),
            AnyMachine::Resume(machine) => {
                machine.step(reply, now).map(|ask| unended(ask).map_err(AnyEnd::Resume))
            }
            AnyMachine::Pin(machine) => machine.step(reply, now).map(|ask| unended(ask).map_err(AnyEnd::Pin)),
        };
        (self.done, self.ask) = (0, None);
        match asked {
            Ok(Ok(ask)) => self.ask = Some(ask),
            Ok(Err(end)) => self.end = Some(end),
            Err(error) => self.end = Some(AnyEnd::Error(error)),
        }
    }

    /// Waits for no answer any more. A prune gives its marker back if it may.
    pub(super) fn give_up(&mut self, defects: Defects) {
        let ask = match &mut self.machine {
            AnyMachine::Prune(machine) if defects.early_release => machine.release_anyway(),
            AnyMachine::Prune(machine) => machine.give_up(),
            _ => None,
        };
        (self.done, self.sent) = (0, Vec::new());
        self.ask = ask.and_then(|ask| unended(ask).ok());
        if self.ask.is_none() {
            self.end = Some(AnyEnd::GaveUp);
        }
    }

    /// Whether nobody else could tell when its next request is carried out: it is of use to this session alone.
    pub(super) fn is_private(&self, coarse: u8) -> bool {
        let layout = layout();
        let is_prune = matches!(self.machine, AnyMachine::Prune(_));
        let is_intent = |key: &ObjectKey| key.as_str().starts_with(&layout.intents());
        match &self.ask {
            Some(Ask::SendCopies { .. }) => true,
            Some(Ask::List { prefix, .. }) => {
                *prefix == layout.pins()
                    || (coarse > 0 && *prefix == layout.data())
                    || (coarse > 1 && is_prune && *prefix == layout.manifests())
            }
            // The own intent; a manifest, which never changes.
            Some(Ask::Get(key)) => {
                (coarse > 0 && (layout.manifest_of(key).is_some() || is_intent(key)))
                    || (coarse > 1 && is_prune && *key == layout.head())
            }
            Some(Ask::GetMany(keys)) => {
                let is_manifest = keys.first().is_some_and(|key| layout.manifest_of(key).is_some());
                coarse > 1 || (coarse > 0 && is_manifest)
            }
            Some(Ask::Put { key, body, .. }) if coarse > 1 => {
                let text = String::from_utf8_lossy(body);
                let is_held = text.contains("held");
                is_intent(key) || layout.manifest_of(key).is_some() || (*key == layout.marker() && is_held)
                    // There are no entry points in between.
                    || (*key == layout.head() && text.contains("published"))
            }
            // What named deleted files.
            Some(Ask::DeleteMany { keys, .. }) => {
                coarse > 0 && keys.first().is_some_and(|key| layout.path_of(key).is_none())
            }
            _ => false,
        }
    }
}
