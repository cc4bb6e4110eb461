//! Which files have to be sent: pure.

use std::collections::BTreeMap;

use runway_store::ETag;

use super::order::{Class, Item, PushOrder, Source};
use crate::format::{FileFacts, Manifest};
use crate::names::{AssetPath, Layout};
use crate::protocol::Listed;

/// Files as a listing has them: entity tag and size by path.
#[derive(Debug, Clone, Default)]
pub struct Data(BTreeMap<AssetPath, (ETag, u64)>);

impl Data {
    /// What a listing of an app's files found.
    pub fn of(layout: &Layout, listed: &[Listed]) -> Self {
        let found = listed
            .iter()
            .filter_map(|listed| Some((layout.path_of(&listed.key)?, (listed.etag.clone(), listed.size))));
        Self(found.collect())
    }

    /// A file.
    pub fn get(&self, path: &AssetPath) -> Option<&(ETag, u64)> {
        self.0.get(path)
    }

    /// All files with their sizes.
    pub fn iter(&self) -> impl Iterator<Item = (&AssetPath, u64)> {
        self.0.iter().map(|(path, (_, size))| (path, *size))
    }
}

/// A file whose bytes change under its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct InPlace {
    /// Which.
    pub item: usize,
}

/// What has to be sent, entry points aside.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Choice {
    /// These, in this order.
    pub send: Vec<usize>,
    /// These are proven to be there.
    pub skip: BTreeMap<usize, ETag>,
    /// These look as if they were there, but their digests have to be read.
    pub prove: Vec<usize>,
    /// Of those that are sent, these change under their names.
    pub in_place: Vec<InPlace>,
}

/// Decides by the newest manifest and a listing. A file is proven to be there if the manifest recorded the same bytes and
/// headers, and the bucket has an object of the recorded entity tag and size.
pub fn choose(items: &[Item], newest: Option<&Manifest>, data: &Data, may_skip: bool) -> Choice {
    let mut choice = Choice::default();
    for (number, item) in items.iter().enumerate().filter(|(_, item)| item.class != Class::Entry) {
        let Some((etag, size)) = data.get(&item.path) else {
            choice.send.push(number);
            continue;
        };
        let recorded = newest.and_then(|newest| newest.objects.get(&item.path));
        // What is recorded tells of the object only while it is that object.
        let recorded = recorded.filter(|facts| facts.etag.as_ref() == Some(etag) && facts.size == *size);
        let is_same = |facts: &FileFacts| {
            facts.sha256 == item.facts.sha256
                && facts.content_type == item.facts.content_type
                && facts.cache_control == item.facts.cache_control
        };
        let looks_same = *size == item.facts.size && *etag == item.likely;
        let has_same_bytes = recorded.map_or(looks_same, |facts| facts.sha256 == item.facts.sha256);
        if !has_same_bytes {
            choice.in_place.push(InPlace { item: number });
        }
        match recorded {
            Some(facts) if may_skip && is_same(facts) => {
                choice.skip.insert(number, etag.clone());
            }
            None if may_skip && looks_same => choice.prove.push(number),
            _ => choice.send.push(number),
        }
    }
    choice
}

/// Whether a manifest is of the very build that is to be pushed.
pub(super) fn is_live(order: &PushOrder, live: &Manifest) -> bool {
    let same = |item: &Item| {
        live.objects.get(&item.path).is_some_and(|facts| {
            FileFacts { etag: None, ..facts.clone() } == FileFacts { etag: None, ..item.facts.clone() }
        })
    };
    order.source == Source::Files
        && !order.mode.force
        && live.build == order.build
        && live.image == order.image
        && live.files.len() == order.items.len()
        && live.entry.iter().eq(order
            .items
            .iter()
            .filter(|item| item.class == Class::Entry)
            .map(|item| &item.path))
        && order.items.iter().all(same)
}

/// Whether the bucket has all files of a build that is live: `None` if it has not, or else those of which only a look at
/// their digests tells. Entity tags of entry points are not recorded, but most stores make them of the bytes.
pub(super) fn unproven(items: &[Item], live: &Manifest, data: &Data) -> Option<Vec<usize>> {
    let mut asked = Vec::new();
    for (number, item) in items.iter().enumerate() {
        let (found, size) = data.get(&item.path)?;
        let recorded = live.objects.get(&item.path).and_then(|facts| facts.etag.as_ref());
        if *size != item.facts.size || recorded.is_some_and(|recorded| recorded != found) {
            return None;
        }
        if recorded.is_none() && *found != item.likely {
            asked.push(number);
        }
    }
    Some(asked)
}

/// Files of a build that the bucket does not have any more as they were.
pub(super) fn missing(order: &PushOrder, data: &Data) -> Vec<AssetPath> {
    let is_there = |item: &Item| {
        data.get(&item.path).is_some_and(|(etag, size)| {
            *size == item.facts.size && item.facts.etag.as_ref().is_none_or(|known| known == etag)
        })
    };
    let files = order.items.iter().filter(|item| item.class != Class::Entry);
    files.filter(|item| !is_there(item)).map(|item| item.path.clone()).collect()
}

/// Entity tags of the files of a build that are there.
pub(super) fn present(order: &PushOrder, data: &Data) -> BTreeMap<usize, ETag> {
    let files = order.items.iter().enumerate().filter(|(_, item)| item.class != Class::Entry);
    files.filter_map(|(number, item)| Some((number, data.get(&item.path)?.0.clone()))).collect()
}
