//! What a prune finds, and what it decides.

use std::collections::BTreeSet;
use std::time::Duration;

use runway_store::ObjectKey;

use super::{End, Next, Prune, PruneEnd, RESTARTS, Stage};
use crate::format::{Change, Head, Intent};
use crate::gc::{self, GcRefusal, IntentView, ManifestView, Policy, Roots};
use crate::names::{AssetPath, ManifestId};
use crate::protocol::pages::{AllPages, Pages};
use crate::protocol::push::Data;
use crate::protocol::{Ask, Found, Listed, ProtocolError};

/// How long an intent counts that cannot be read: whoever wrote it may believe in it for that long.
const UNREADABLE: Duration = Duration::from_secs(7 * 24 * 3600);

impl Prune {
    pub(super) fn list_intents(&mut self) -> Ask<End> {
        let pages = Pages::new(self.order.layout.intents());
        let ask = pages.ask();
        self.stage = Stage::Intents(pages);
        ask
    }

    pub(super) fn take_intent(&mut self, listed: Listed, found: &Found) -> Result<(), ProtocolError> {
        let longest = self.order.terms.intent_ttl.max(UNREADABLE);
        let is_dead = listed.age.is_some_and(|age| age > longest);
        let (refs, ttl) = match Intent::decode(&found.body) {
            // Nobody is believed for longer than that.
            Ok(intent) => (intent.files.into_iter().collect(), intent.ttl_s.min(UNREADABLE.as_secs())),
            // Nobody will ever know what it was about.
            Err(_) if is_dead => {
                self.report.unreadable.push(listed.key.clone());
                (BTreeSet::new(), 0)
            }
            Err(error) => return Err(ProtocolError::unreadable(&listed.key, &error)),
        };
        self.intents.push(IntentView {
            id: listed.key,
            age: listed.age,
            ttl: Duration::from_secs(ttl),
            refs,
        });
        Ok(())
    }

    pub(super) fn list_manifests(&mut self) -> Ask<End> {
        let pages = Pages::new(self.order.layout.manifests());
        let ask = pages.ask();
        self.stage = Stage::Manifests(pages);
        ask
    }

    pub(super) fn read_manifests(&mut self, all: &AllPages) -> Ask<End> {
        self.dated(all.date);
        let mut ids = Vec::new();
        self.report.foreign.clear();
        for listed in &all.found {
            match self.order.layout.manifest_of(&listed.key) {
                Some(id) => ids.push(id),
                None => self.report.foreign.push(listed.key.clone()),
            }
        }
        if ids.is_empty() {
            self.stage = Stage::Head;
            return Ask::Get(self.order.layout.head());
        }
        let keys = ids.iter().map(|id| self.order.layout.manifest(*id)).collect();
        self.stage = Stage::EachManifest(ids);
        Ask::GetMany(keys)
    }

    pub(super) fn begin_again(&mut self) -> Next {
        self.restarts += 1;
        if self.restarts > RESTARTS {
            return Err(ProtocolError::Restless);
        }
        self.intents.clear();
        self.manifests.clear();
        self.headed.clear();
        self.report.unreadable.clear();
        Ok(self.list_intents())
    }

    pub(super) fn list_pins(&mut self) -> Ask<End> {
        let pages = Pages::new(self.order.layout.pins());
        let ask = pages.ask();
        self.stage = Stage::Pins(pages);
        ask
    }

    /// Without a head it matters whether there ever was one.
    pub(super) fn list_copies(&mut self) -> Ask<End> {
        let pages = Pages::new(self.order.layout.all_copies());
        let ask = pages.ask();
        self.stage = Stage::Copies(pages);
        ask
    }

    pub(super) fn take_copies(&mut self, all: &AllPages) -> Ask<End> {
        let copied = all.found.iter().filter_map(|listed| self.order.layout.copied_build(&listed.key));
        self.roots.copied = copied.collect();
        self.list_pins()
    }

    pub(super) fn take_roots(&mut self, pins: &AllPages, now: Duration) -> Next {
        self.roots = Roots {
            pins: pins.found.iter().filter_map(|listed| self.order.layout.pin_of(&listed.key)).collect(),
            copied: std::mem::take(&mut self.roots.copied),
            ..self.head.as_ref().map(Roots::of).unwrap_or_default()
        };
        if self.order.orphans.is_some() {
            let pages = Pages::new(self.order.layout.data());
            let ask = pages.ask();
            self.stage = Stage::Orphans(pages);
            return Ok(ask);
        }
        self.decide_plan(&BTreeSet::new(), now)
    }

    /// Next come the copies of builds whose manifests somebody else removed. Without a head they are a sign that there was one.
    pub(super) fn list_all_copies(&mut self, files: BTreeSet<AssetPath>, now: Duration) -> Next {
        if self.head.is_none() {
            return self.decide_plan(&files, now);
        }
        let pages = Pages::new(self.order.layout.all_copies());
        let ask = pages.ask();
        self.stage = Stage::StrayCopies(pages, files);
        Ok(ask)
    }

    /// Copies that no manifest is there for, and that have been there for long: a push makes them when its manifest is there.
    pub(super) fn take_stray_copies(&mut self, all: &AllPages) {
        let oldest = self.order.orphans.unwrap_or(Duration::MAX);
        let is_known = |id: ManifestId| {
            let is_said = self.head.as_ref().is_some_and(|head| {
                head.manifest == id || head.prev == Some(id) || head.interrupted.contains(&id)
            });
            is_said || self.manifests.contains_key(&id) || self.roots.pins.contains(&id)
        };
        let strays = all.found.iter().filter(|listed| {
            let build = self.order.layout.copied_build(&listed.key);
            listed.age.is_some_and(|age| age > oldest) && build.is_some_and(|id| !is_known(id))
        });
        self.report.stray_copies = strays.map(|listed| listed.key.clone()).collect();
    }

    /// Files that nobody names, and that have been there for long.
    pub(super) fn orphans(&self, all: &AllPages) -> BTreeSet<AssetPath> {
        let oldest = self.order.orphans.unwrap_or(Duration::MAX);
        let old: Vec<Listed> =
            (all.found.iter()).filter(|listed| listed.age.is_some_and(|age| age > oldest)).cloned().collect();
        let named: BTreeSet<&AssetPath> = (self.manifests.values().flat_map(|manifest| &manifest.files))
            .chain(self.intents.iter().flat_map(|intent| &intent.refs))
            .collect();
        // What is below the manifests of this app and no manifest may be those of an app `<app>/<other>`.
        let manifests = self.order.layout.manifests();
        let below = |key: &ObjectKey| {
            let (other, _) = key.as_str().strip_prefix(&manifests)?.split_once('/')?;
            Some(format!("{other}/"))
        };
        let others: BTreeSet<String> = self.report.foreign.iter().filter_map(below).collect();
        let is_of_another = |path: &AssetPath| others.iter().any(|other| path.as_str().starts_with(other));
        let data = Data::of(&self.order.layout, &old);
        let nobodys = data.iter().filter(|(path, _)| !named.contains(path) && !is_of_another(path));
        nobodys.map(|(path, _)| path.clone()).collect()
    }

    /// Adds a build as if it had been pushed a moment ago, and gives its manifest.
    fn after_push(
        &mut self,
        files: &BTreeSet<AssetPath>,
        manifests: &mut Vec<ManifestView<AssetPath>>,
    ) -> ManifestId {
        let mut manifest = ManifestId(self.report.now);
        while self.manifests.contains_key(&manifest) {
            manifest = ManifestId(manifest.0 + 1);
        }
        let ids = |keeps: &dyn Fn(&ManifestView<AssetPath>) -> bool| {
            let found = manifests.iter().filter(|manifest| keeps(manifest));
            found.map(|manifest| manifest.id).collect::<Vec<_>>()
        };
        let (others, unheaded) = (ids(&|_| true), ids(&|manifest| !manifest.keeps_a_head));
        let change = Change {
            manifest,
            build_ts: manifest.0,
            nonce: &self.order.nonce,
            deadline: Duration::ZERO,
            probed: None,
            others: &others,
            unheaded: &unheaded,
        };
        let head = Head::flipping(self.head.as_ref(), &change).published();
        self.roots = Roots { pins: std::mem::take(&mut self.roots.pins), ..Roots::of(&head) };
        manifests.push(ManifestView { id: manifest, refs: files.clone(), keeps_a_head: true });
        manifest
    }

    pub(super) fn decide_plan(&mut self, orphans: &BTreeSet<AssetPath>, now: Duration) -> Next {
        let mut manifests: Vec<ManifestView<AssetPath>> = (self.manifests.iter())
            .map(|(id, manifest)| ManifestView {
                id: *id,
                refs: manifest.files.iter().cloned().collect(),
                keeps_a_head: self.headed.contains(id),
            })
            .collect();
        let policy = Policy {
            now: self.report.now,
            threshold: self.order.threshold,
            min_keep: self.order.min_keep,
            intent_ttl: self.order.terms.intent_ttl,
            protected: self.order.protected.clone(),
        };
        let upcoming = self.order.upcoming.clone().map(|files| self.after_push(&files, &mut manifests));
        let plan = match gc::plan(&manifests, &self.intents, &self.roots, orphans, &policy) {
            Ok(mut plan) => {
                // It is not there yet.
                upcoming.map(|id| plan.keep.remove(&id));
                plan
            }
            // Copies and head were read after the manifests: those of a push under way may have come in between. Now all of
            // their manifests are there, or the head is.
            Err(GcRefusal::HeadLost(_) | GcRefusal::HeadMissing(_)) if !self.looked_twice => {
                self.looked_twice = true;
                return self.begin_again();
            }
            Err(refusal) => return Ok(self.finish(PruneEnd::Refused(refusal), now)),
        };
        self.report.future =
            plan.keep.iter().filter(|(id, _)| id.0 > self.report.now).map(|(id, _)| *id).collect();
        let facts = self.manifests.values().flat_map(|manifest| &manifest.objects);
        self.report.sizes = facts.map(|(path, facts)| (path.clone(), facts.size)).collect();
        self.report.too_much = self.order.max_share.is_some_and(|most| plan.share() > most);
        self.batches = self.batches(&plan);
        self.report.plan = Some(plan);
        if self.order.dry_run {
            return Ok(self.finish(PruneEnd::Planned, now));
        }
        if self.report.too_much {
            return Ok(self.finish(PruneEnd::TooMuch, now));
        }
        self.next_batch(now)
    }
}
