use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use super::super::chart::tests::plan as plan_of;
use super::super::picture;
use super::*;
use crate::lookup::file::base64;

fn one(plan: &PlanDocument) -> [Target<'_>; 1] {
    [Target { label: None, plan }]
}

/// The text between two marks; there is one of each.
fn between<'t>(text: &'t str, start: &str, end: &str) -> &'t str {
    assert_eq!(text.matches(start).count(), 1, "{start}");
    assert_eq!(text.matches(end).count(), 1, "{end}");
    text.split_once(start).and_then(|(_, rest)| rest.split_once(end)).unwrap().0
}

/// A plan of everything that there is, with this text wherever a text can be.
fn hostile(text: &str) -> PlanDocument {
    let value = serde_json::json!({"value": text});
    let document = serde_json::json!({
        "version": 1, "purpose": "deploy", "namespace": text, "account": text, "region": text,
        "summary": {"create": 1, "update": 1, "delete": 0, "recreate": 0, "none": 1, "skip": 0},
        "steps": [
            {
                "name": text, "fqn": format!("{text}2"), "action": "update", "reason": text, "reasons": [text],
                "needs": [format!("{text}base"), "nobody"], "kind": "stack", "certainty": "may", "chain": [text],
                "adopted": false, "stack_id": text,
                "changes": {
                    "template": {"added": {text: text}, "removed": {}, "modified": {}, "sections": [text]},
                    "resources": {format!("{text}x"): {
                        "type": text, "action": "modify", "certainty": "will", "replacement": "will",
                        "properties": [{
                            "path": text, "before": value, "after": value, "replacement": "may", "because": text
                        }],
                        "data": {"holds": text, "fate": "lost"}, "known_after": [text]
                    }},
                    "outputs": {text: {
                        "before": value, "after": {"known_after": [text]}, "export": text, "consumers": [text],
                        "because": [text]
                    }},
                    "parameters": {text: {"before": value, "after": {"secret": true}}},
                    "tags": {text: {"before": text, "after": text}},
                    "termination_protection": [false, true], "stack_policy": true
                },
                "notes": [{"code": text, "warning": true, "text": text}]
            },
            {
                "name": format!("{text}base"), "fqn": text, "action": "none", "reason": text, "reasons": [text],
                "needs": [], "kind": "stack", "certainty": "proved", "adopted": false,
                "changes": {
                    "template": null, "parameters": {}, "tags": {}, "termination_protection": null,
                    "stack_policy": false
                },
                "notes": [{"code": text, "warning": false, "text": text}]
            }
        ],
        "losses": [{
            "stack": text, "resource": text, "type": text, "holds": text, "how": "replaced", "certainty": "will",
            "allow": text, "allowed": false
        }],
        "hooks": [{"stage": text, "path": text, "required": false}],
        "notes": [{"code": text, "warning": true, "text": text}]
    });
    serde_json::from_value(document).unwrap()
}

/// Tags, attributes and texts of a page, as far as markup can be told from texts without a browser.
fn markup(page: &str) -> Vec<String> {
    let mut tags = Vec::new();
    let mut rest = page;
    while let Some((_, from)) = rest.split_once('<') {
        let (tag, behind) = from.split_once('>').unwrap();
        // Without what attributes say.
        let parts = tag.split('"').step_by(2).collect::<Vec<_>>().join("\"\"");
        tags.push(parts);
        rest = behind;
    }
    tags
}

fn without_script_and_style(page: &str) -> String {
    let script = between(page, "<script>", "</script>");
    let style = between(page, "<style>", "</style>");
    page.replace(script, "").replace(style, "")
}

#[test]
fn a_page_allows_itself_its_own_style_and_script_only() {
    let page = documents(&one(&hostile("x")));
    let digest = |text: &str| format!("sha256-{}", base64(&Sha256::digest(text)).replace('/', "&#x2f;"));
    let policy =
        between(&page, "http-equiv=\"Content-Security-Policy\" content=\"", "\">\n<meta name=\"viewport\"");
    let style = digest(between(&page, "<style>", "</style>"));
    let script = digest(between(&page, "<script>", "</script>"));
    assert_eq!(
        policy,
        format!(
            "default-src 'none'; style-src '{style}'; script-src '{script}'; base-uri 'none'; form-action 'none'"
        )
    );
}

#[test]
fn a_page_names_nothing_outside_of_itself() {
    let page = documents(&one(&hostile("x")));
    for outside in
        ["http:", "https:", "src=", "url(http", "@import", "<link", "<img", "<iframe", " style=", " on"]
    {
        let markup = markup(&without_script_and_style(&page)).join("\n");
        let all = if outside.starts_with(' ') { &markup } else { &page };
        // The one address is the name of SVG, which no page needs.
        assert!(!all.contains(outside), "{outside}");
    }
    let links = page.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap_or_default());
    assert!(links.clone().all(|link| link.starts_with('#')), "{:?}", links.collect::<Vec<_>>());
    let ids: BTreeSet<&str> =
        page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    for link in links {
        assert!(ids.contains(&link[1..]), "{link}");
    }
}

#[test]
fn several_plans_share_one_page_and_one_picture() {
    let (first, second) =
        (plan_of(&[("a", "create", "will", &[])]), plan_of(&[("b", "none", "proved", &[])]));
    let targets =
        [Target { label: Some("app eu"), plan: &first }, Target { label: Some("app us"), plan: &second }];
    let page = documents(&targets);
    assert_eq!(page.matches("<section class=\"plan\"").count(), 2);
    assert!(
        page.contains("id=\"p1-s1\"") && page.contains("id=\"p2-s1\"") && page.contains("app us: Plan to")
    );
    let svg = picture::documents(&targets);
    assert_eq!(svg.matches("<svg").count(), 1);
    assert!(svg.contains("app eu \u{2013} Plan to deploy ns: 1 to create") && svg.contains("no changes"));
}

#[test]
fn texts_can_be_hidden_everywhere_and_words_of_the_program_stay() {
    let plan = hostile("a secret");
    let hidden = picture::with_texts(&plan, &|_| "****".to_owned());
    assert_eq!(hidden.steps.len(), 2);
    assert_eq!(hidden.steps[0].action, Action::Update);
    assert_eq!(hidden.steps[0].reason, "****");
    let unchanged = picture::with_texts(&plan, &str::to_owned);
    assert_eq!(unchanged, plan);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_text_becomes_markup(
        pieces in proptest::collection::vec(
            proptest::sample::select(vec![
                "</script>", "</style>", "<script>alert(1)</script>", "\"", "'", "`", "<!--", "-->", "]]>", "<![CDATA[",
                "javascript:alert(1)", "&lt;", "&#x3c;", "{{ 7 * 7 }}", "{% if %}", "\n", "\r", "\t", "\0", "\u{1b}[2J",
                "\u{202e}", "\u{2066}", "\u{fffe}", "\u{ffff}", "\u{85}", "onload=x", "x", " ", "é", "日本", "\\", "</svg>",
                "</title>", "<image href=http://x/>", "%", "#", ";", "@import url(http://x)",
            ]),
            1..12,
        )
    ) {
        let text = pieces.concat();
        let plan = hostile(&text);
        let plain = hostile("x");
        let page = documents(&one(&plan));
        prop_assert_eq!(
            markup(&without_script_and_style(&page)), markup(&without_script_and_style(&documents(&one(&plain))))
        );
        let bad = |c: char| c.is_control() && c != '\n' || matches!(c, '\u{202e}' | '\u{2066}' | '\u{fffe}' | '\u{ffff}');
        prop_assert!(!page.contains(bad));
        let svg = picture::documents(&one(&plan));
        prop_assert!(!svg.contains(bad));
        let mut reader = quick_xml::Reader::from_str(&svg);
        let mut elements = 0;
        loop {
            match reader.read_event() {
                Ok(quick_xml::events::Event::Eof) => break,
                Ok(quick_xml::events::Event::Start(_) | quick_xml::events::Event::Empty(_)) => elements += 1,
                Ok(_) => {}
                Err(error) => prop_assert!(false, "{error}: {svg}"),
            }
        }
        prop_assert_eq!(elements, picture::documents(&one(&plain)).matches('<').count()
            - picture::documents(&one(&plain)).matches("</").count());
        prop_assert!(!page.contains("49</"));
    }
}
