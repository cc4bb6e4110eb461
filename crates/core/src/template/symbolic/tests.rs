use super::*;
use crate::template::Template;

fn template(text: &str) -> Template {
    Template::parse("t.yml", text).unwrap_or_else(|_| panic!("not a template: {text}"))
}

const HERE: Surroundings<'static> =
    Surroundings { account: "111111111111", region: "eu-west-1", stack_name: "ns-app", stack_id: None };

/// The property `P` of the resource `R`.
fn property(text: &str, arguments: &BTreeMap<String, Argument>) -> Option<Term> {
    let template = template(text);
    let symbols = Symbols::new(&template, arguments, HERE);
    symbols.value(template.content.pointer("/Resources/R/Properties/P").unwrap())
}

fn with(value: &str) -> String {
    format!(
        "Parameters: {{Name: {{Type: String, Default: app}}, Zones: {{Type: CommaDelimitedList, Default: 'a, b'}}, Env: {{Type: String, Default: prod}}}}\n\
         Mappings: {{Sizes: {{prod: {{web: large}}}}}}\n\
         Conditions: {{IsProd: !Equals [!Ref Env, prod], Not: !Not [!Condition IsProd], Both: !And [!Condition IsProd, !Condition Not]}}\n\
         Resources: {{R: {{Type: 'AWS::SNS::Topic', Properties: {{P: {value}}}}}, Other: {{Type: 'AWS::SNS::Topic'}}}}\n"
    )
}

#[test]
fn functions_come_to_one_form() {
    let none = BTreeMap::new();
    let value = |text: &str| property(&with(text), &none).map(|term| term.written());
    for (text, expected) in [
        ("!Sub '${Name}-${AWS::Region}-${!x}'", "app-eu-west-1-${x}"),
        ("!Join ['-', [!Ref Name, !Ref 'AWS::Region', '${x}']]", "app-eu-west-1-${x}"),
        ("!Sub ['${A}-${Other.TopicName}', {A: !Ref Name}]", "app-${Other.TopicName}"),
        ("!Join ['', [!Ref Name, '-', !GetAtt Other.TopicName]]", "app-${Other.TopicName}"),
        ("!Select [1, !Ref Zones]", "b"),
        ("!Select [0, !Split ['-', 'x-y']]", "x"),
        ("!FindInMap [Sizes, !Ref Env, web]", "large"),
        ("!If [IsProd, large, small]", "large"),
        ("!If [Both, large, small]", "small"),
        ("!Sub '${Zones}'", "a,b"),
        ("1", "1"),
        ("'1'", "1"),
        ("!Ref Other", "!Ref Other"),
        ("!ImportValue vpc-id", "!ImportValue vpc-id"),
        ("!Sub 'arn:${AWS::Partition}:${AWS::AccountId}:${AWS::StackName}'", "arn:aws:111111111111:ns-app"),
    ] {
        assert_eq!(value(text).as_deref(), Some(expected), "{text}");
    }
    assert_eq!(value("!Ref AWS::NoValue"), None);
    assert_eq!(value("[a, !Ref AWS::NoValue]").as_deref(), Some("[a]"));
}

#[test]
fn what_is_not_known_stays_in_the_value_with_its_cause() {
    let cause = Doubt::After(Cause::Stack("vpc".into()));
    let unknown = Argument::Unknown { doubts: BTreeSet::from([cause.clone()]), secret: false };
    let arguments = BTreeMap::from([("Env".to_owned(), unknown)]);
    let value = |text: &str| property(&with(text), &arguments).unwrap();
    for text in [
        "!Ref Env",
        "!Sub 'x-${Env}'",
        "!If [IsProd, a, b]",
        "!FindInMap [Sizes, !Ref Env, web]",
        "[!Ref Env]",
    ] {
        assert_eq!(value(text).doubts(), BTreeSet::from([cause.clone()]), "{text}");
    }
    // Whichever way the condition goes, it is the same.
    assert!(!value("!If [IsProd, a, a]").is_doubtful());
    assert!(!value("!If [Both, a, b]").is_doubtful() || value("!If [Both, a, b]").doubts().contains(&cause));
}

#[test]
fn a_secret_stays_one_in_whatever_it_becomes_part_of() {
    let secret = Argument::Text { text: "hunter2".to_owned(), secret: true };
    let arguments = BTreeMap::from([("Name".to_owned(), secret.clone()), ("Zones".to_owned(), secret)]);
    for text in [
        "!Sub 'x-${Name}-y'",
        "!Join [',', [a, !Ref Name]]",
        "!Select [0, !Split ['-', !Ref Name]]",
        "!Ref Zones",
    ] {
        assert!(property(&with(text), &arguments).unwrap().is_secret(), "{text}");
    }
}

#[test]
fn what_cloudformation_reads_anew_is_not_known() {
    let none = BTreeMap::new();
    assert!(property(&with("'{{resolve:ssm:/image}}'"), &none).unwrap().is_doubtful());
    assert!(!property(&with("'{{resolve:ssm:/image:3}}'"), &none).unwrap().is_doubtful());
    assert!(
        !property(&with("'{{resolve:secretsmanager:db:SecretString:password}}'"), &none)
            .unwrap()
            .is_doubtful()
    );
    assert!(property(&with("!Sub '{{resolve:ssm:/${Name}}}'"), &none).unwrap().is_doubtful());
}
