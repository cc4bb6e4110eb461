//! What a prune finds, and what it decides.

use std::collections::BTreeSet;
use std::time::Duration;

use runway_store::ObjectKey;

use super::{End, Next, Prune, PruneEnd, RESTARTS, Stage};
use crate::format::Intent;
use crate::gc::{self, GcRefusal, IntentView, ManifestView, Policy, Roots};
use crate::names::AssetPath;
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
        let head = self.head.as_ref();
        self.roots = Roots {
            head: head.map(|head| head.manifest),
            previous: head.and_then(|head| head.prev),
            interrupted: head.iter().flat_map(|head| &head.interrupted).copied().collect(),
            history: head.iter().flat_map(|head| &head.history).copied().collect(),
            pins: pins.found.iter().filter_map(|listed| self.order.layout.pin_of(&listed.key)).collect(),
            copied: std::mem::take(&mut self.roots.copied),
        };
        if self.order.orphans.is_some() {
            let pages = Pages::new(self.order.layout.data());
            let ask = pages.ask();
            self.stage = Stage::Orphans(pages);
            return Ok(ask);
        }
        self.decide_plan(&BTreeSet::new(), now)
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

    pub(super) fn decide_plan(&mut self, orphans: &BTreeSet<AssetPath>, now: Duration) -> Next {
        let manifests: Vec<ManifestView<AssetPath>> = (self.manifests.iter())
            .map(|(id, manifest)| ManifestView {
                id: *id,
                refs: manifest.files.iter().cloned().collect(),
                tells_of_a_head: manifest.tells_of_a_head(),
            })
            .collect();
        let policy = Policy {
            now: self.report.now,
            threshold: self.order.threshold,
            min_keep: self.order.min_keep,
            intent_ttl: self.order.terms.intent_ttl,
            protected: self.order.protected.clone(),
        };
        let plan = match gc::plan(&manifests, &self.intents, &self.roots, orphans, &policy) {
            Ok(plan) => plan,
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
