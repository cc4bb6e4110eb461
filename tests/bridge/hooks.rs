//! Hooks and lookups in Python.

use runway_core::registry::{BlueprintRenderer as _, HookHandler as _, HookStage, LookupRequest};
use serde_json::{Value, json};

use crate::support::{Output, Project, call, request};

fn lookup(query: &str) -> LookupRequest {
    LookupRequest { name: "echo".to_owned(), query: query.to_owned(), arguments: [].into(), place: None }
}

#[tokio::test]
async fn a_hook_gets_runways_context_and_the_environment_of_the_run() {
    let project = Project::new();
    let bridge = project.bridge();
    let args = json!({"list": [1, 2.5, "${output not.a-lookup}"], "nothing": null});
    for _ in 0..2 {
        let result = bridge.run(&call("hooks.plain.data", args.clone()), &Output::default()).await.unwrap();
        assert_eq!(
            result,
            json!({
                "kwargs": args,
                "runs": 1,
                "namespace": "Test.Ns",
                "fqn": "test-ns-vpc",
                "environment": "dev",
                "region": "eu-west-1",
                "context": "runway.context._cfngin",
                "parameters": ["environment", "region", "team"],
                "directory": project.settings.directory,
                "variables": {"ONLY_HERE": "yes", "AWS_REGION": "eu-west-1", "DEPLOY_ENVIRONMENT": "dev", "HOME": null},
            })
        );
    }
}

#[tokio::test]
async fn a_hook_class_has_a_method_for_each_stage() {
    let project = Project::new();
    let bridge = project.bridge();
    let mut hook = call("hooks.plain.Stages", json!({"tags": {"a": "b"}}));
    let output = Output::default();
    assert_eq!(bridge.run(&hook, &output).await.unwrap()["stage"], "pre_deploy");
    hook.stage = HookStage::PostDestroy;
    assert_eq!(bridge.run(&hook, &output).await.unwrap(), Value::Null);

    let mut half = call("hooks.plain.Half", json!({"x": 1}));
    assert_eq!(bridge.run(&half, &output).await.unwrap(), json!({"x": 1}));
    half.stage = HookStage::PreDestroy;
    let failure = bridge.run(&half, &output).await.unwrap_err();
    assert_eq!(failure.message, "the hook class `hooks.plain.Half` has no method `pre_destroy`");
}

#[tokio::test]
async fn results_keep_pythons_truth() {
    let project = Project::new();
    let bridge = project.bridge();
    let expected = [
        ("nothing", Value::Null),
        ("false", json!(false)),
        ("true", json!(true)),
        ("zero", json!(0)),
        ("empty", json!({})),
        ("text", json!("done")),
        ("object", json!(true)),
        ("list", json!([1])),
    ];
    for (what, wanted) in expected {
        let mut hook = call("hooks.plain.returns", json!({"what": what}));
        hook.data_key = Some("kept".to_owned());
        assert_eq!(bridge.run(&hook, &Output::default()).await.unwrap(), wanted, "{what}");
    }
    let odd = bridge.run(&call("hooks.plain.odd", json!({})), &Output::default()).await.unwrap();
    assert_eq!(odd["surrogate"], "?");
    assert_eq!(odd["float"].to_string(), "1.0");
    assert_eq!(odd["nested"], json!({"t": [1, 2]}));
    assert_eq!(odd["5"], "number");
    assert!(odd["big"]["$python"].is_string() && odd["nan"]["$python"].is_string(), "{odd}");
}

#[tokio::test]
async fn later_hooks_and_blueprints_see_the_real_objects() {
    let project = Project::new();
    let bridge = project.bridge();
    let mut hook = call("hooks.plain.objects", json!({}));
    hook.data_key = Some("lambda".to_owned());
    let left = bridge.run(&hook, &Output::default()).await.unwrap();
    assert_eq!(left["text"], "plain");
    assert!(left["code"]["$python"].is_string(), "{left}");

    // A hook outside Python has left something too.
    let mut look = call("hooks.plain.look", json!({"code": left["code"], "deep": [left["ref"]]}));
    look.hook_data.insert("lambda".to_owned(), left.clone());
    look.hook_data.insert("command".to_owned(), json!({"returncode": 0, "again": left["ref"]}));
    let seen = bridge.run(&look, &Output::default()).await.unwrap();
    assert_eq!(seen["given"], json!({"code": "Code", "deep": "list"}));
    assert_eq!(seen["left"]["lambda"], json!({"code": "Code", "ref": "Ref", "text": "str", "when": "set"}));
    assert_eq!(seen["left"]["command"], json!({"returncode": "int", "again": "Ref"}));

    let mut blueprint = request("blueprints.network.WithHookData", json!({"Value": left["ref"]}));
    blueprint.hook_data.insert("late".to_owned(), json!({"x": 1}));
    let body = bridge.render(&blueprint).await.unwrap().body;
    let template: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(template["Outputs"]["Value"]["Value"], json!({"Ref": "Thing"}));
    assert_eq!(template["Outputs"]["Late"]["Value"], "dict {'x': 1}");
    assert!(template["Outputs"]["Lambda"]["Value"].as_str().unwrap().contains("troposphere.awslambda.Code"));

    let failure = bridge.run(&hook, &Output::default()).await.unwrap_err();
    assert_eq!(failure.message, "hook data for the key `lambda` exists already");
}

#[tokio::test]
async fn what_a_hook_puts_into_the_hook_data_itself_is_kept() {
    let project = Project::new();
    let output = Output::default();
    let result = project.bridge().run(&call("hooks.plain.keeps", json!({})), &output).await.unwrap();
    assert_eq!(result, json!(true));
    assert_eq!(Value::Object(output.kept()), json!({"by_hand": {"a": 1}}));
}

#[tokio::test]
async fn an_error_names_the_place_in_the_users_file_and_no_secret() {
    let project = Project::new();
    let bridge = project.bridge();
    let output = Output::default();
    let mut hook = call("hooks.plain.raises", json!({"password": "s3cret!"}));
    hook.secrets = vec!["s3cret!".to_owned()];
    let failure = bridge.run(&hook, &output).await.unwrap_err();
    let line = 1 + fs_err::read_to_string(project.path().join("hooks/plain.py"))
        .unwrap()
        .lines()
        .position(|line| line.contains("raise RuntimeError"))
        .unwrap();
    assert_eq!(
        failure.message,
        format!("RuntimeError: it went wrong with **** (hooks/plain.py, line {line})")
    );
    let detail = failure.detail.unwrap();
    assert!(detail.starts_with("Traceback (most recent call last):\n  File \""), "{detail}");
    assert!(detail.contains("hooks/plain.py\", line") && !detail.contains("bridge"), "{detail}");
    assert!(!detail.contains("s3cret!"), "{detail}");
    assert_eq!(output.lines(), ["about to fail with ****"]);

    let failure = bridge.run(&call("hooks.plain.interprets", json!({})), &output).await.unwrap_err();
    assert!(
        failure
            .message
            .starts_with("it imports the Python module `there_is_no_such_module`, which is missing")
    );
    assert!(failure.help.unwrap().contains("RUNWAY_RS_PYTHON"));
    let failure = bridge.run(&call("nowhere.hook", json!({})), &output).await.unwrap_err();
    assert_eq!(failure.message, "there is no Python module `nowhere`");
    assert!(failure.help.unwrap().contains("sys_path"));
    let failure = bridge.run(&call("hooks.plain.nothing", json!({})), &output).await.unwrap_err();
    assert_eq!(failure.message, "the Python module `hooks.plain` has no `nothing`");
    let failure = bridge.run(&call("hooks.plain.returns", json!({"whatt": 1})), &output).await.unwrap_err();
    assert!(
        failure.message.contains("returns() missing 1 required positional argument: 'what'"),
        "{failure:?}"
    );

    // The process is well after all of them.
    assert_eq!(
        bridge.run(&call("hooks.plain.returns", json!({"what": "true"})), &output).await,
        Ok(json!(true))
    );
}

#[tokio::test]
async fn ten_megabytes_of_prints_arrive_as_lines_and_stay_out_of_the_protocol() {
    let project = Project::new();
    let output = Output::default();
    let result = project.bridge().run(&call("hooks.plain.shouts", json!({})), &output).await.unwrap();
    assert_eq!(result, json!(true));
    let lines = output.lines();
    assert_eq!(lines.len(), 100_002);
    assert!(lines[..100_000].iter().all(|line| line.len() == 99));
    assert_eq!(lines[100_000..], ["from a subprocess", "without an end"]);
}

#[tokio::test]
async fn hooks_that_misuse_the_process_do_not_break_it() {
    let project = Project::new();
    let bridge = project.bridge();
    let output = Output::default();
    let failure = bridge.run(&call("hooks.plain.leaves", json!({"code": 3})), &output).await.unwrap_err();
    assert!(
        failure.message.starts_with("it called sys.exit(3) (hooks/plain.py, line "),
        "{}",
        failure.message
    );
    let forked = bridge.run(&call("hooks.plain.forks", json!({})), &output).await.unwrap();
    assert_eq!(forked, json!({"from": "the original"}));
    let failure = bridge.run(&call("hooks.plain.asks", json!({})), &output).await.unwrap_err();
    assert!(failure.message.starts_with("EOFError: "), "{}", failure.message);
    assert_eq!(bridge.run(&call("hooks.plain.nosy", json!({})), &output).await, Ok(json!(true)));
    assert_eq!(
        bridge.run(&call("hooks.plain.returns", json!({"what": "list"})), &output).await,
        Ok(json!([1]))
    );
}

#[tokio::test]
async fn a_custom_lookup_takes_its_query_apart_itself() {
    let project = Project::new();
    let bridge = project.bridge();
    let echo = bridge.lookup("echo", "lookups.custom.Echo");
    let fetched = echo.fetch(&lookup("some.thing::region=us-west-2,load=json")).await.unwrap();
    assert_eq!(
        fetched.value,
        json!({
            "query": "some.thing", "args": {"region": "us-west-2", "load": "json"},
            "namespace": "Test.Ns", "region": "eu-west-1",
        })
    );
    let failure = echo.fetch(&lookup("bad")).await.unwrap_err();
    assert!(failure.message.starts_with("ValueError: there is nothing called bad (lookups/custom.py, line "));
    assert!(!failure.missing);
    let failure = bridge.lookup("old", "lookups.custom.old_style").fetch(&lookup("x")).await.unwrap_err();
    assert!(failure.message.contains("is no subclass of runway.lookups.handlers.base.LookupHandler"));
    let own = bridge.runway_lookup("default");
    assert_eq!(own.fetch(&lookup("team::nobody")).await.unwrap().value, "blue");
}

#[tokio::test]
async fn runways_own_lookups_see_what_its_hooks_have_left() {
    let project = Project::new();
    let bridge = project.bridge();
    let mut hook = call("hooks.plain.packages", json!({}));
    hook.data_key = Some("function".to_owned());
    let left = bridge.run(&hook, &Output::default()).await.unwrap();
    assert_eq!(left["bucket_name"], "packages");
    let key = bridge.runway_lookup("awslambda.S3Key").fetch(&lookup("function")).await.unwrap();
    assert_eq!(key.value, "functions/f.zip");
    let code = bridge.runway_lookup("awslambda.Code").fetch(&lookup("function")).await.unwrap();
    let blueprint = request("blueprints.network.WithCode", json!({"Code": code.value}));
    let template: Value = serde_json::from_str(&bridge.render(&blueprint).await.unwrap().body).unwrap();
    assert_eq!(
        template["Resources"]["Function"]["Properties"]["Code"],
        json!({"S3Bucket": "packages", "S3Key": "functions/f.zip"})
    );
}
