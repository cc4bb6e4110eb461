//! Who imports the exports that a plan changes or removes: asked only if there are such, once a run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use futures_util::stream::{StreamExt, iter};

use crate::engine::Engine;
use crate::ident::StackFqn;
use crate::plan::{Note, World};
use crate::provider::{CloudFormation, ErrorKind, ProviderError};

/// What is known of the importers of an export, or why it is not.
type Known = Result<BTreeSet<StackFqn>, String>;

/// What was asked in this run.
#[derive(Debug, Default)]
pub(crate) struct Importers(Mutex<BTreeMap<String, Known>>);

impl Importers {
    fn known(&self) -> BTreeMap<String, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stacks have changed: who imports what is another question now.
    pub(crate) fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Engine {
    /// Asks who imports these exports, as far as that was not asked, and puts all answers into the world. Returns whether
    /// the world knows more now.
    pub(crate) async fn ask_importers(&self, exports: Vec<String>, world: &mut World) -> bool {
        let known = self.asked.importers.known();
        let wanted: BTreeSet<String> =
            exports.into_iter().filter(|export| !known.contains_key(export)).collect();
        let cloudformation = self.provider.cloudformation();
        let cloudformation = cloudformation.as_ref();
        let answers: Vec<(String, Known)> = iter(wanted)
            .map(|export| async move {
                let answer = all_pages(cloudformation, &export).await;
                let answer = answer.map_err(|error| error.message);
                (export, answer)
            })
            .buffer_unordered(self.options.requests_at_once())
            .collect()
            .await;
        let mut known = self.asked.importers.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(answers);
        let before = world.answers.importers.len();
        let answered =
            known.iter().filter_map(|(export, answer)| Some((export.clone(), answer.clone().ok()?)));
        world.answers.importers.extend(answered);
        world.answers.importers.len() > before
    }

    /// A remark if it could not be asked who imports some of these exports.
    pub(crate) fn unknown_importers(&self, exports: &[String]) -> Option<Note> {
        let known = self.asked.importers.known();
        let failed = |export: &String| Some((export.clone(), known.get(export)?.as_ref().err()?.clone()));
        let failed: BTreeMap<String, String> = exports.iter().filter_map(failed).collect();
        let (_, why) = failed.first_key_value()?;
        let names: Vec<&str> = failed.keys().map(String::as_str).collect();
        let text = format!(
            "it could not be asked which stacks import {} ({why}): if one does, CloudFormation refuses the change",
            names.join(", ")
        );
        Some(Note { warning: true, code: "plan::importers_unknown", text })
    }
}

/// Everybody who imports an export; nobody if there is no such export.
async fn all_pages(
    cloudformation: &dyn CloudFormation,
    export: &str,
) -> Result<BTreeSet<StackFqn>, ProviderError> {
    let mut stacks = BTreeSet::new();
    let mut page: Option<String> = None;
    loop {
        let answer = match cloudformation.list_imports(export, page.as_deref()).await {
            Ok(answer) => answer,
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(stacks),
            Err(error) => return Err(error),
        };
        stacks.extend(answer.stacks.into_iter().map(StackFqn::new));
        page = answer.next;
        if page.is_none() {
            return Ok(stacks);
        }
    }
}
