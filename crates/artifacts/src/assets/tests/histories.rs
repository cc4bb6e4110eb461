//! Random histories of sessions, some of which die: what is live is always whole, and in the end nothing is left over.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use runway_store::{Condition, Fault, Faulty, Memory, ObjectStore, ReadOnly};

use super::scene::*;
use crate::assets::*;

const HOUR: Duration = Duration::from_secs(3600);

/// What happens next.
#[derive(Debug, Clone)]
enum Act {
    Push(u64),
    Prune { hours: u64, min_keep: usize },
    Rollback(usize),
    Resume,
    LoseHead,
    Pass { hours: u64 },
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (1_u64..9).prop_map(Act::Push),
        3 => (0_u64..60, 0_usize..4).prop_map(|(hours, min_keep)| Act::Prune { hours, min_keep }),
        1 => (0_usize..4).prop_map(Act::Rollback),
        1 => Just(Act::Resume),
        1 => Just(Act::LoseHead),
        2 => (1_u64..40).prop_map(|hours| Act::Pass { hours }),
    ]
}

/// An act, and the request at which its session dies, if it does.
fn acts() -> impl Strategy<Value = Vec<(Act, Option<usize>)>> {
    proptest::collection::vec((act(), proptest::option::weighted(0.4, 0_usize..30)), 1..10)
}

async fn carry_out(act: &Act, session: &Session, time: &Time) -> Result<(), AssetsError> {
    match act {
        Act::Push(number) => push_build(session, *number).await.map(drop),
        Act::Prune { hours, min_keep } => {
            prune(session, &rules(HOUR * u32::try_from(*hours).unwrap(), *min_keep)).await.map(drop)
        }
        Act::Rollback(nth) => match manifest_ids(session).await?.get(*nth) {
            Some(id) => rollback(session, *id, StoreConditions::Kept).await.map(drop),
            None => Ok(()),
        },
        Act::Resume => resume(session).await.map(drop),
        Act::LoseHead => {
            let deleted = session.store.delete(&layout().head(), &Condition::None).await;
            deleted.map_err(AssetsError::from)
        }
        Act::Pass { hours } => {
            time.pass(HOUR * u32::try_from(*hours).unwrap());
            Ok(())
        }
    }
}

/// A dry run says what a prune then does, if nobody else is at work.
async fn told_the_truth(store: &Arc<Memory>, time: &Arc<Time>, rules: &PruneRequest) {
    let dry = PruneRequest { dry_run: true, ..rules.clone() };
    let reader = session(Arc::new(ReadOnly::new(store.clone())), time);
    let planned = prune(&reader, &dry).await.unwrap();
    let done = prune(&session(store.clone(), time), rules).await.unwrap();
    assert_eq!(planned.report.plan, done.report.plan);
    let plan = done.report.plan.unwrap();
    assert!(plan.delete.keys().eq(done.report.deleted.iter()));
    // Once is enough.
    let again = prune(&session(store.clone(), time), rules).await.unwrap();
    assert!(again.report.plan.unwrap().is_empty());
}

async fn history(acts: &[(Act, Option<usize>)]) {
    let time = Time::new();
    let store = memory(&time);
    for (act, dies_at) in acts {
        let faulty = Arc::new(Faulty::new(store.clone()).hook({
            let dies_at = *dies_at;
            move |_, index| match dies_at {
                Some(at) if index == at / 2 && at % 2 == 0 => Fault::CrashBefore,
                Some(at) if index == at / 2 => Fault::CrashAfter,
                _ => Fault::None,
            }
        }));
        let acting = session(faulty.clone(), &time);
        tokio::select! {
            ended = carry_out(act, &acting, &time) => match ended {
                // Its files may have been pruned. What is live may not be known.
                Ok(()) | Err(AssetsError::Incomplete { .. } | AssetsError::HeadLost { .. }) => {}
                Err(error) => panic!("{act:?}: {error}"),
            },
            () = faulty.crashed() => {}
        }
        check(&objects(store.as_ref()).await);
        time.pass(Duration::from_secs(1));
    }
    resume(&session(store.clone(), &time)).await.unwrap();
    time.pass(HOUR * 200);
    let now = objects(store.as_ref()).await;
    if live(&now).is_none() && now.keys().any(|key| key.starts_with("manifests/")) {
        let error = prune(&session(store.clone(), &time), &rules(HOUR * 48, 0)).await.unwrap_err();
        assert!(matches!(error, AssetsError::HeadLost { .. }), "{error}");
        push_build(&session(store.clone(), &time), 9).await.unwrap();
    }
    told_the_truth(&store, &time, &rules(HOUR * 48, 0)).await;
    let now = objects(store.as_ref()).await;
    check(&now);
    let count = |prefix: &str| now.keys().filter(|key| key.starts_with(prefix)).count();
    assert_eq!(count("intents/"), 0);
    let kept = usize::from(live(&now).is_some()) * 2;
    assert!(count("manifests/") <= kept, "{:?}", now.keys());
    let protected = usize::from(now.contains_key("data/myapp/fed-mods.json"));
    assert!(count("data/") <= protected + if kept > 0 { 5 } else { 0 }, "{:?}", now.keys());
    assert_eq!(store.uploads("").await.unwrap(), []);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_live_is_whole_and_nothing_is_left_over(acts in acts()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(history(&acts));
    }
}
