use super::*;
use crate::config::load::load;
use crate::text::Document;

const TEMPLATE: &str = "Parameters:\n  Must: {Type: String}\n  Num: {Type: Number, Default: 1}\nResources: {A: {Type: T}}\nOutputs: {Id: {Value: x}}\n";

fn config(text: &str) -> Arc<Config> {
    let (config, findings) = load(&Document::new("c.yml", format!("namespace: n\n{text}")), &BTreeMap::new());
    assert!(!findings.has_errors(), "{findings:?}");
    Arc::new(config.unwrap())
}

fn files(files: &[(&str, &str)]) -> BTreeMap<Utf8PathBuf, String> {
    let mut all: BTreeMap<Utf8PathBuf, String> =
        files.iter().map(|(path, text)| ((*path).into(), (*text).to_owned())).collect();
    all.insert("t.yml".into(), TEMPLATE.to_owned());
    all
}

/// What validate says, in the order of the file.
fn said(text: &str, more: &[(&str, &str)]) -> Vec<String> {
    let (mut errors, warnings) = validate(&config(text), &files(more), &TaskKinds::default()).split();
    errors.extend(warnings);
    errors.iter().map(|finding| format!("{}: {finding}", finding.code())).collect()
}

fn stack(name: &str, variables: &str) -> String {
    format!("  - {{name: {name}, template_path: t.yml, variables: {{{variables}}}}}\n")
}

#[test]
fn values_that_cannot_be_are_found_before_anything_is_looked_at() {
    let text = [
        "stacks:\n".to_owned(),
        stack("a", "Must: {a: b}, Num: abc"),
        stack("b", "Must: '${output a}', Num: '${split x}'"),
        stack("c", "Must: '${env }', Num: '${output a.Nope}'"),
        stack("d", "Must: '${output a.Id::oops}'"),
        stack("e", "Must: [a, null]"),
        stack("f", "Must: '${output a.Nope::default=x}', Num: '${output a.Id}'"),
        stack("g", "Must: '${env NOT_KNOWN_YET} ${cfn x.Y} ${default size::a}', Num: '${default size::a}'"),
    ]
    .concat();
    assert_eq!(
        said(&text, &[]),
        [
            "parameters::shape: stack `a`: the variable `Must` cannot be a parameter: it is a map",
            "parameters::not_allowed: stack `a`: the template does not allow this value of parameter `Num`: `abc` is not a number",
            "lookup::failed: stack `b`, variable `Must`: `a` is not of the form `stack.Output`",
            "lookup::failed: stack `b`, variable `Num`: `x` is not of the form `delimiter::text`",
            "lookup::failed: stack `c`, variable `Must`: `` is not of the form `VARIABLE`",
            "lookup::failed: stack `c`, variable `Num`: output `a.Nope` is not available: the template of `a` declares no such output",
            "lookup::failed: stack `d`, variable `Must`: the argument `oops` is not of the form `name=value`",
            "parameters::shape: stack `e`: the variable `Must` cannot be a parameter: it is a list with an empty item",
        ]
    );
}

#[test]
fn known_surroundings_are_checked_too() {
    let config = config(&["stacks:\n".to_owned(), stack("a", "Must: '${env NOPE}'")].concat());
    let check = |known| desired(&config, &files(&[]), Purpose::Deploy, known).1.has_errors();
    let (kinds, settings) = (TaskKinds::default(), Settings::default());
    assert!(!check(Known::Kinds(&kinds)));
    assert!(check(Known::Settings(&settings)));
}

#[test]
fn names_that_the_template_lacks_are_warned_of_where_they_were_written() {
    let text = "shared: &shared {Must: x, Vpc: y}\nstacks:\n  - {name: a, template_path: t.yml, variables: {<<: *shared, Nmu: 1}}\n  - {name: b, template_path: t.yml}\n";
    assert_eq!(
        said(text, &[]),
        [
            "parameters::unknown_variable: stack `a`: its template has no parameter `Nmu`, so this variable is not used",
            "parameters::missing: stack `b` cannot be created: these parameters of its template have no value: Must",
        ]
    );
}

#[test]
fn outputs_of_locked_stacks_and_of_macros_are_not_known() {
    let text = [
        "stacks:\n  - {name: a, template_path: t.yml, locked: true, variables: {Num: abc}}\n  - {name: m, template_path: m.yml}\n".to_owned(),
        stack("b", "Must: '${output a.Old}-${output m.Made}'"),
    ]
    .concat();
    let with_macro = "Transform: X\nResources: {A: {Type: T}}\n";
    let found = said(&text, &[("m.yml", with_macro)]);
    assert_eq!(
        found,
        [
            "parameters::missing: stack `a` cannot be created: these parameters of its template have no value: Must"
        ]
    );
}

#[test]
fn a_template_is_looked_for_below_sys_path() {
    let text = "sys_path: lib\nstacks:\n  - {name: a, template_path: deep/a.yml}\n  - {name: b, template_path: deep/b.yml}\n";
    let plain = "Resources: {A: {Type: T}}\n";
    assert!(said(text, &[("lib/deep/a.yml", plain), ("lib/b.yml", plain)]).is_empty());
    assert_eq!(
        said(text, &[("lib/b.yml", plain)]),
        ["template::missing: stack `a`: its template deep/a.yml does not exist"]
    );
}

#[test]
fn a_broken_template_is_told_once_with_its_stacks() {
    let stacks: String = ["a", "b", "c", "d", "e"]
        .map(|name| format!("  - {{name: {name}, template_path: bad.yml}}\n"))
        .concat();
    let text = format!("stacks:\n{stacks}");
    assert_eq!(
        said(&text, &[("bad.yml", "")]),
        ["template::empty: the template is empty (the template of `a`, `b`, `c` and 2 more)"]
    );
    assert_eq!(
        said(&text, &[]),
        [
            "template::missing: stack `a`: its template bad.yml does not exist (also the template of `b`, `c`, `d` and 1 more)"
        ]
    );
}

#[test]
fn a_hook_may_make_a_template() {
    let text = "pre_deploy: [{path: build}]\nstacks:\n  - {name: a, template_path: a.yml}\n";
    let (config, _) = load(&Document::new("cfngin.yml", format!("namespace: x\n{text}")), &BTreeMap::new());
    let config = Arc::new(config.unwrap());
    let files: BTreeMap<Utf8PathBuf, String> = BTreeMap::new();
    let before = desired(&config, &files, Purpose::Deploy, Known::Kinds(&TaskKinds::default()));
    assert_eq!(before.0.unwrap().unmade, BTreeSet::from(["a".into()]));
    let settings = Settings { hooks_done: true, ..Settings::default() };
    let after = desired(&config, &files, Purpose::Deploy, Known::Settings(&settings));
    assert!(after.1.iter().any(|finding| finding.code() == "template::missing"));
}

/// A chain of layers: every stack reads three outputs of the layer before, and two parameters.
fn large(stacks: usize) -> String {
    use std::fmt::Write as _;
    const LAYER: usize = 50;
    let mut text = String::from(
        "namespace: large\nsizes: &sizes {Size: small, Env: \"${env HOME::default=x}\"}\nstacks:\n",
    );
    for index in 0..stacks {
        let _ = writeln!(
            text,
            "  - name: stack-{index}\n    template_path: templates/{}.yml\n    tags: {{owner: team-{}}}\n    variables:\n      <<: *sizes",
            index % 40,
            index % 7
        );
        for lookup in 0..3 {
            let _ = match index.checked_sub(LAYER) {
                Some(before) => writeln!(
                    text,
                    "      In{lookup}: ${{output stack-{}.Out}}",
                    before - before % LAYER + (index + lookup) % LAYER
                ),
                None => writeln!(text, "      In{lookup}: ${{default none::x{lookup}}}"),
            };
        }
    }
    text
}

/// What grows with the square of the number of stacks would take minutes here.
#[test]
fn ten_thousand_stacks_with_thirty_thousand_lookups_are_checked() {
    let text = large(10_000);
    let template = "Parameters: {Size: {Type: String}, Env: {Type: String}, In0: {Type: String}, In1: {Type: String}, In2: {Type: String}}\nResources: {R: {Type: 'AWS::SNS::Topic'}}\nOutputs: {Out: {Value: x}}\n";
    let files: BTreeMap<Utf8PathBuf, String> = (0..40)
        .map(|index| (Utf8PathBuf::from(format!("templates/{index}.yml")), template.to_owned()))
        .collect();
    let (config, findings) = load(&Document::new("c.yml", text), &BTreeMap::new());
    assert!(!findings.has_errors(), "{findings:?}");
    let config = Arc::new(config.unwrap());
    let findings = validate(&config, &files, &TaskKinds::default());
    assert!(!findings.has_errors(), "{:?}", findings.iter().next());
}

mod tasks {
    use std::collections::BTreeMap;

    use async_trait::async_trait;
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::task::{
        Given, Gives, ReadContext, TaskChange, TaskDone, TaskFailure, TaskKind, TaskKinds, WriteContext,
        erased,
    };

    struct Bus;

    #[derive(Clone, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Spec {
        name: String,
        #[serde(default)]
        size: u32,
    }

    #[async_trait]
    impl TaskKind for Bus {
        const KIND: &'static str = "bus";
        const REVISION: u32 = 1;
        const RETAINS: bool = true;
        const GIVES: Gives = Gives::only(&[Given::staying("arn", &[])]);
        type Spec = Spec;
        type State = ();

        fn subject(spec: &Spec) -> String {
            spec.name.clone()
        }

        fn check(spec: &Spec) -> Vec<String> {
            (spec.size > 9).then(|| "`size` is at most 9".to_owned()).into_iter().collect()
        }

        async fn read(&self, _: &ReadContext<'_>, _: &Spec) -> Result<(), TaskFailure> {
            Ok(())
        }

        fn diff(&self, _: &Spec, (): &()) -> TaskChange {
            TaskChange {
                action: crate::task::TaskAction::None,
                details: Vec::new(),
                outputs: BTreeMap::new(),
            }
        }

        fn diff_removed(&self, spec: &Spec, state: &()) -> TaskChange {
            self.diff(spec, state)
        }

        async fn apply(
            &self,
            _: &WriteContext<'_>,
            _: &Spec,
            _: &TaskChange,
        ) -> Result<TaskDone, TaskFailure> {
            Ok(TaskDone::default())
        }
    }

    #[test]
    fn kinds_and_arguments_are_checked_without_a_cloud() {
        let text = concat!(
            "namespace: ns\nstacks: []\ntasks:\n",
            "  - {name: a, kind: buss}\n",
            "  - {name: b, kind: bus, args: {name: x, sise: 1}}\n",
            "  - {name: c, kind: bus, args: {name: [x]}}\n",
            "  - {name: d, kind: bus, args: {}}\n",
            "  - {name: e, kind: bus, args: {name: x, size: 10}}\n",
            "  - {name: f, kind: bus, args: {name: \"${place region}\", size: 1}}\n",
            "  - {name: g, kind: bus, when: always, cache: {trust_for: 1h}, args: {name: x}}\n",
            "  - {name: h, kind: bus, args: {name: y}}\n",
            "  - {name: i, kind: bus, args: {name: y}}\n",
            "  - {name: j, kind: bus, args: {name: \"${place planet}\"}}\n",
            "  - {name: k, kind: bus, args: {name: \"${task f.arm}\"}}\n",
            "  - {name: l, kind: bus, args: {name: \"${task f.arn} ${task f.x::default=y}\"}}\n",
            "  - {name: m, kind: bus, args: {name: z, size: x}}\n",
        );
        let (config, findings) = load(&Document::new("c.yml", text), &BTreeMap::new());
        assert!(!findings.has_errors(), "{findings:?}");
        let kinds = TaskKinds::new([erased(Bus)]);
        let settings = Settings { kinds, ..Settings::default() };
        let files: BTreeMap<Utf8PathBuf, String> = BTreeMap::new();
        let (_, found) =
            desired(&Arc::new(config.unwrap()), &files, Purpose::Deploy, Known::Settings(&settings));
        let told: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "there is no kind of tasks `buss`",
                "task `bus/b`: `bus` has no argument `sise`",
                "task `bus/c`: `name`: invalid type: sequence, expected a string",
                "task `bus/d`: missing field `name`",
                "task `bus/e`: `size` is at most 9",
                "task `bus/g`: `when: always` and `trust_for` have no effect for the kind `bus`",
                "the tasks `bus/h` and `bus/i` keep the same: y",
                "task `bus/j`, argument `name`: `planet` is not of the form `account` or `region`",
                "task `bus/k`, argument `name`: output `arm` of task `f` is not available: `bus` has `arn`; did you mean `arn`?",
                "task `bus/m`: `size`: invalid type: string \"x\", expected u32",
            ]
        );
    }
}
