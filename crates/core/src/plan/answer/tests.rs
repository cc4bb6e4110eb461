use super::*;
use crate::config::DataLoss;
use crate::ident::StackFqn;
use crate::plan::{Action, Changes, Loss, LossKind, Purpose, Reason};
use crate::provider::AnnouncedDetail;

fn predicted(action: ResourceAction, certainty: Certainty, replacement: Replacement) -> ResourceChange {
    ResourceChange {
        kind: "AWS::RDS::DBInstance".to_owned(),
        action,
        certainty,
        replacement,
        properties: Vec::new(),
        data: None,
        known_after: BTreeSet::new(),
    }
}

fn announced(action: AnnouncedAction, replacement: Option<AnnouncedReplacement>) -> AnnouncedChange {
    AnnouncedChange {
        logical_id: "Database".to_owned(),
        physical_id: None,
        resource_type: "AWS::RDS::DBInstance".to_owned(),
        action,
        replacement,
        policy_action: None,
        scope: vec!["Properties".to_owned()],
        details: Vec::new(),
    }
}

fn step(predicted: Option<ResourceChange>, announced: Option<AnnouncedChange>) -> Step {
    let id = || "Database".to_owned();
    Step {
        name: "db".into(),
        fqn: StackFqn::new("ns-db"),
        task: None,
        stack_id: None,
        action: Action::Update,
        reasons: vec![Reason::TemplateChanged],
        needs: BTreeSet::new(),
        certainty: Certainty::Will,
        adopted: false,
        changes: Changes {
            resources: predicted.into_iter().map(|change| (id(), change)).collect(),
            ..Changes::default()
        },
        notes: Vec::new(),
        change_set: Some(ChangeSetAnswer::Changes(
            announced.into_iter().map(|change| (id(), change)).collect(),
        )),
    }
}

fn told(predicted: Option<ResourceChange>, announced: Option<AnnouncedChange>) -> Option<(bool, String)> {
    let mut found = differences(&step(predicted, announced));
    assert!(found.len() < 2, "{found:?}");
    found.pop().map(|difference| (difference.worse, difference.text))
}

#[test]
fn every_pair_of_verdicts_is_told_once_and_only_where_they_differ() {
    use AnnouncedAction as A;
    use ResourceAction as R;
    let levels = [
        (Replacement::Never, AnnouncedReplacement::Never),
        (Replacement::May, AnnouncedReplacement::Conditional),
        (Replacement::Will, AnnouncedReplacement::Always),
    ];
    for (mine, (own, _)) in levels.iter().enumerate() {
        for (theirs, (_, other)) in levels.iter().enumerate() {
            let found = told(
                Some(predicted(R::Modify, Certainty::Will, *own)),
                Some(announced(A::Modify, Some(*other))),
            );
            let follows = (own, other) == (&Replacement::Will, &AnnouncedReplacement::Conditional);
            assert_eq!(found.is_none(), mine == theirs || follows, "{own:?} {other:?}: {found:?}");
            assert_eq!(found.is_some_and(|(worse, _)| worse), theirs > mine, "{own:?} {other:?}");
        }
    }
    for (mine, own) in [R::Add, R::Remove, R::Modify].into_iter().enumerate() {
        for (theirs, other) in [A::Add, A::Remove, A::Modify].into_iter().enumerate() {
            let found =
                told(Some(predicted(own, Certainty::Will, Replacement::Never)), Some(announced(other, None)));
            assert_eq!(found.is_none(), mine == theirs, "{own:?} {other:?}: {found:?}");
        }
        let unheard = told(Some(predicted(own, Certainty::Will, Replacement::Never)), None);
        assert!(unheard.is_some_and(|(worse, _)| !worse), "{own:?}");
    }
    let replaces = Some(announced(A::Modify, Some(AnnouncedReplacement::Always)));
    assert_eq!(
        told(Some(predicted(R::Modify, Certainty::Will, Replacement::Never)), replaces.clone()),
        Some((true, "predicted in place, CloudFormation replaces Database".to_owned()))
    );
    assert_eq!(
        told(None, replaces),
        Some((true, "CloudFormation replaces Database, of which no change was predicted".to_owned()))
    );
    assert_eq!(
        told(Some(predicted(R::Modify, Certainty::May, Replacement::Never)), None),
        Some((false, "CloudFormation does not change Database".to_owned()))
    );
}

#[test]
fn what_only_may_change_is_no_surprise() {
    let dynamic = AnnouncedDetail {
        attribute: "Properties".to_owned(),
        name: Some("Dimensions".to_owned()),
        path: None,
        before: None,
        after: None,
        requires_recreation: Some("Never".to_owned()),
        dynamic: true,
        causing_entity: Some("Other.Arn".to_owned()),
    };
    let mut change = announced(AnnouncedAction::Modify, Some(AnnouncedReplacement::Never));
    change.details.push(dynamic.clone());
    assert_eq!(told(None, Some(change.clone())), None);
    change.details.push(AnnouncedDetail { dynamic: false, ..dynamic });
    assert!(told(None, Some(change)).is_some());

    let mut tagged = step(None, Some(announced(AnnouncedAction::Modify, Some(AnnouncedReplacement::Never))));
    if let Some(ChangeSetAnswer::Changes(changes)) = &mut tagged.change_set {
        changes.values_mut().for_each(|change| change.scope = vec!["Tags".to_owned()]);
    }
    assert_eq!(differences(&tagged).len(), 1);
    tagged.changes.tags.insert("team".to_owned(), (None, Some("a".to_owned())));
    assert_eq!(differences(&tagged), []);
}

fn losses(predicted: ResourceChange, announced: AnnouncedChange) -> Vec<Loss> {
    let mut step = step(Some(predicted), None);
    step.change_set = None;
    let mut plan = Plan {
        losses: Vec::new(),
        purpose: Purpose::Deploy,
        namespace: "ns".into(),
        account: "123456789012".into(),
        region: "us-east-1".into(),
        steps: vec![step],
        hooks: Vec::new(),
        notes: Vec::new(),
    };
    let answer = ChangeSetAnswer::Changes([("Database".to_owned(), announced)].into());
    plan.take_answers([("db".into(), answer)].into(), &DataLoss::default(), &Settings::default());
    plan.losses
}

#[test]
fn data_that_cloudformation_announces_to_lose_is_lost() {
    let in_place = || predicted(ResourceAction::Modify, Certainty::Will, Replacement::Never);
    let replaces = |policy: &str, how| AnnouncedChange {
        policy_action: Some(policy.to_owned()),
        ..announced(AnnouncedAction::Modify, Some(how))
    };
    let found = losses(in_place(), replaces("ReplaceAndDelete", AnnouncedReplacement::Always));
    let [loss] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((loss.allow().as_str(), loss.holds.as_str()), ("db/Database", "database"));
    assert_eq!((loss.how, loss.certainty, loss.allowed), (LossKind::Replaced, Certainty::Will, false));

    let found = losses(in_place(), replaces("ReplaceAndDelete", AnnouncedReplacement::Conditional));
    assert_eq!(found.first().map(|loss| loss.certainty), Some(Certainty::May));
    let removed = AnnouncedChange {
        policy_action: Some("Delete".to_owned()),
        ..announced(AnnouncedAction::Remove, None)
    };
    let found = losses(in_place(), removed.clone());
    assert_eq!(found.first().map(|loss| loss.how), Some(LossKind::Removed));

    for kept in ["ReplaceAndRetain", "ReplaceAndSnapshot"] {
        assert_eq!(losses(in_place(), replaces(kept, AnnouncedReplacement::Always)), [], "{kept}");
    }
    assert_eq!(losses(in_place(), replaces("ReplaceAndDelete", AnnouncedReplacement::Never)), []);
    let parameter = AnnouncedChange { resource_type: "AWS::SNS::Topic".to_owned(), ..removed };
    assert_eq!(losses(in_place(), parameter), [], "a topic holds no data");
}
