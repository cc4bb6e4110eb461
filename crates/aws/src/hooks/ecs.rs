//! `ecs.create_clusters`.

use runway_core::registry::HandlerFailure;
use serde_json::{Map, Value, json};

use super::{Arguments, Run};
use crate::service::{Call, ECS};

/// Creates clusters; ECS answers with the one that is there if there is one. What it answers is the result, by name.
pub(super) async fn create_clusters(
    run: &Run<'_>,
    mut arguments: Arguments<'_>,
) -> Result<Value, HandlerFailure> {
    let names = arguments.texts("clusters")?.ok_or_else(|| arguments.missing("clusters"))?;
    arguments.finish()?;
    let client = run.connection().client(&ECS, None);
    let mut clusters = Map::new();
    for name in names {
        let call = Call::change("CreateCluster");
        let answer: Value = client.json(call, &name, &json!({"clusterName": name})).await?;
        run.say(format!("ECS cluster `{name}` exists"));
        let name = answer["cluster"]["clusterName"].as_str().unwrap_or_default().to_owned();
        clusters.insert(name, answer);
    }
    Ok(json!({"clusters": clusters}))
}
