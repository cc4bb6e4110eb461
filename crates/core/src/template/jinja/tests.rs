use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use camino::Utf8PathBuf;
use miette::Diagnostic as _;
use serde_json::json;

use super::*;

fn rendered(files: &[(&str, &str)], context: &JinjaContext) -> Result<String, String> {
    let directory: BTreeMap<Utf8PathBuf, String> =
        files.iter().map(|(path, text)| (Utf8PathBuf::from(*path), (*text).to_owned())).collect();
    render(Utf8Path::new(files[0].0), &directory, context).map_err(|findings| {
        let described = findings.iter().map(|finding| {
            let place = finding.document.as_ref().map_or("-".to_owned(), |document| {
                let (line, column) = document.line_and_column(finding.offset());
                format!("{}:{line}:{column}", document.name)
            });
            let help = finding.help().map(|help| help.to_string()).unwrap_or_default();
            format!("{} {place} {finding} | {help}", finding.code())
        });
        described.collect::<Vec<_>>().join("\n")
    })
}

fn of(text: &str) -> Result<String, String> {
    rendered(&[("t/a.j2", text)], &JinjaContext::default())
}

#[test]
fn mistakes_have_a_place_and_a_remedy() {
    let tell = |text: &str| of(text).unwrap_err();
    insta::assert_snapshot!(tell("a\n{% if true %}\nno end"), @"jinja::syntax t/a.j2:2:14 unexpected end of input, expected end of block | correct the template; text that only looks like Jinja2 goes between `{% raw %}` and `{% endraw %}`");
    insta::assert_snapshot!(tell("a\n  {{ 'x' | no_such }}"), @"jinja::render t/a.j2:2:12 filter no_such is unknown | docs/templates.md lists the filters");
    insta::assert_snapshot!(tell("{{ 'x' is no_such }}"), @"jinja::render t/a.j2:1:11 test no_such is unknown | docs/templates.md lists the tests");
    insta::assert_snapshot!(tell("{{ variables.missing.deeper }}"), @r###"jinja::render t/a.j2:1:13 an undefined value is used: `variables.missing` is undefined | give the variable a value in the config, or use `|default("value")` or `is defined`"###);
    insta::assert_snapshot!(tell("{{ missing + 1 }}"), @r###"jinja::render t/a.j2:1:4 tried to use + operator on unsupported types undefined and number (`missing` is undefined) | give the variable a value in the config, or use `|default("value")` or `is defined`"###);
    insta::assert_snapshot!(tell("{{ missing() }}"), @"jinja::render t/a.j2:1:4 missing is unknown | functions are range, dict, namespace, cycler, joiner and the template's macros");
    insta::assert_snapshot!(tell("{{ '%s and %s' % ('a', 'b') }}"), @r###"jinja::render t/a.j2:1:4 tried to use % operator on unsupported types string and sequence | Python's `"%s" % value` is not supported: write `"%s"|format(value)`"###);
    insta::assert_snapshot!(tell("{{ '%s' % 'b' }}"), @r###"jinja::render t/a.j2:1:4 tried to use % operator on unsupported types string and string | Python's `"%s" % value` is not supported: write `"%s"|format(value)`"###);
    insta::assert_snapshot!(tell("{% set l = [1] %}{% set _ = l.append(2) %}"), @"jinja::render t/a.j2:1:30 a sequence has no method `append` | values cannot be changed here: write for example `{% set items = items + [item] %}`, inside a loop with a `namespace`");
    insta::assert_snapshot!(tell("{{ 'x'.no_such() }}"), @"jinja::render t/a.j2:1:7 a string has no method `no_such` | docs/templates.md lists the methods of texts, lists and maps");
    insta::assert_snapshot!(tell("{{ 1 / 0 }}"), @"jinja::render t/a.j2:1:4 unable to calculate 1 / 0 | correct the expression, or the value where it comes from");
    insta::assert_snapshot!(tell("{{ 1 + 'a' }}"), @"jinja::render t/a.j2:1:4 tried to use + operator on unsupported types number and string | correct the expression, or the value where it comes from");
    insta::assert_snapshot!(tell("{% include '../b.j2' %}"), @"jinja::render t/a.j2:1:4 tried to include non-existing template '../b.j2' | other templates are looked for in the directory of the stack's template and below it, `..` is not allowed (Jinja2)");
    insta::assert_snapshot!(tell("{% include 'b.j2' %}"), @"jinja::render t/a.j2:1:4 tried to include non-existing template 'b.j2' | other templates are looked for in the directory of the stack's template and below it, `..` is not allowed (Jinja2)");
    insta::assert_snapshot!(tell("{{ context.stacks }}"), @"jinja::render t/a.j2:1:4 `context.stacks` exists in Python only | pass the value to the stack as a variable");
    insta::assert_snapshot!(tell("{{ context.get_session() }}"), @"jinja::render t/a.j2:1:11 `context.get_session` exists in Python only | pass the value to the stack as a variable");
    insta::assert_snapshot!(tell("{{ [1] | random }}"), @"jinja::render t/a.j2:1:10 a template must render to the same text every time, so `random` is not supported | choose in the config, for example with the lookup `random.string`");
    insta::assert_snapshot!(tell("{% for x in 5 %}{% endfor %}"), @"jinja::render t/a.j2:1:13 number is not iterable | correct the expression, or the value where it comes from");
}

#[test]
fn mistakes_in_other_templates_are_shown_there() {
    let files = [
        ("t/a.j2", "one\n{% include 'sub/b.j2' %}"),
        ("t/sub/b.j2", "two\n{% include 'sub/c.j2' %}"),
        ("t/sub/c.j2", "three\nfour {{ missing.x }}"),
    ];
    insta::assert_snapshot!(rendered(&files, &JinjaContext::default()).unwrap_err(), @r###"jinja::render t/sub/c.j2:2:9 an undefined value is used: `missing` is undefined | give the variable a value in the config, or use `|default("value")` or `is defined`"###);
    let files = [
        ("t/a.j2", "{% extends 'b.j2' %}{% block x %}\n{{ super() }}{% endblock %}"),
        ("t/b.j2", "{% block x %}\n{{ 1 + {} }}{% endblock %}"),
    ];
    insta::assert_snapshot!(rendered(&files, &JinjaContext::default()).unwrap_err(), @"jinja::render t/b.j2:2:4 tried to use + operator on unsupported types number and map | correct the expression, or the value where it comes from");
    insta::assert_snapshot!(rendered(&[("t/a.j2", "{% import 'b.j2' as b %}"), ("t/b.j2", "\n{% oops %}")], &JinjaContext::default()).unwrap_err(), @"jinja::syntax t/b.j2:2:4 unknown statement oops | correct the template; text that only looks like Jinja2 goes between `{% raw %}` and `{% endraw %}`");
}

#[test]
fn values_that_only_python_has_cannot_be_printed() {
    let hook_data = json!({"ami": {"id": {"$python": 7}, "name": "x"}}).as_object().unwrap().clone();
    let context = JinjaContext { hook_data, ..JinjaContext::default() };
    assert_eq!(rendered(&[("a.j2", "{{ context.hook_data.ami.name }}")], &context).unwrap(), "x");
    let told = rendered(&[("a.j2", "{{ context.hook_data.ami.id }}")], &context).unwrap_err();
    assert!(told.contains("an object of Python"), "{told}");
}

#[test]
fn what_does_not_end_is_stopped() {
    let before = Instant::now();
    for text in [
        "{% include 'a.j2' %}",
        "{% extends 'a.j2' %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}",
        "{{ 'x' * 100000000000 }}",
        "{{ ('x' * 1000000) | replace('x', 'y' * 1000000) }}",
        "{{ 'a' | center(100000000000) }}",
        "{{ 'a'.ljust(100000000000) }}",
        "{{ 'a' | indent(100000000000, true) }}",
        "{{ '%100000000000d' | format(1) }}",
        "{{ '{:100000000000}'.format(1) }}",
        "{{ '{0:.100000000000f}'.format(1) }}",
        "{{ range(100000) | join('x' * 100000) }}",
        "{{ ('x' * 100000).join(range(100000)) }}",
        "{% set ns = namespace(x='xxxxxxxxxxxxxxxx') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
        "{% for i in range(1000) %}{% include 'x' ~ i ~ '.j2' ignore missing %}{% endfor %}{{ 'x' * 100000000000 }}",
    ] {
        let told = of(text).unwrap_err();
        assert!(told.starts_with("jinja::endless") || told.contains("cycle"), "{text}: {told}");
    }
    assert!(before.elapsed() < Duration::from_secs(120), "{:?}", before.elapsed());
}

#[test]
fn what_is_nested_deeply_is_refused_or_rendered() {
    for depth in [100, 200, 2_000, 20_000] {
        for (open, close) in
            [("(", ")"), ("[", "]"), ("f(", ")"), ("{'a': ", "}"), ("not ", ""), ("-", ""), ("x[", "]")]
        {
            let _ = of(&format!("{{{{ {}1{} }}}}", open.repeat(depth), close.repeat(depth)));
        }
        for (open, close) in [
            ("{% if 1 %}", "{% endif %}"),
            ("{% for x in [1] %}", "{% endfor %}"),
            ("{% filter upper %}", "{% endfilter %}"),
        ] {
            let _ = of(&format!("{}x{}", open.repeat(depth), close.repeat(depth)));
        }
        let _ = of(&format!("{{{{ 'x'{} }}}}", " | upper".repeat(depth)));
        let _ = of(&format!("{{{{ x{} }}}}", ".a".repeat(depth)));
        let _ = of(&format!("{{{{ 1{} }}}}", " + 1".repeat(depth)));
        let _ = of(&format!("{{{{ 1{} }}}}", " if 1 else 1".repeat(depth)));
    }
}

#[test]
fn a_missing_template_is_told() {
    let told = render(Utf8Path::new("t/a.j2"), &BTreeMap::new(), &JinjaContext::default()).unwrap_err();
    insta::assert_snapshot!(told.iter().next().unwrap(), @"there is no template t/a.j2");
}
