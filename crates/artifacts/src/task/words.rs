//! What went wrong with a push of a config, with the remedies that a config has.

use runway_core::provider::ErrorKind;
use runway_core::task::TaskFailure;
use runway_store::StoreErrorKind;

use crate::assets::{AssetsError, ErrorClass};

/// An error as the failure of a task.
pub(super) fn failed(error: AssetsError) -> TaskFailure {
    let kind = match error.class() {
        ErrorClass::Denied => Some(ErrorKind::Denied),
        ErrorClass::Unavailable => Some(ErrorKind::Unavailable),
        _ => None,
    };
    let usual = || miette::Diagnostic::help(&error).map(|help| help.to_string());
    let help = of_config(&error).map(str::to_owned).or_else(usual);
    TaskFailure { message: error.to_string(), help, kind }
}

/// What helps in a config, where it is something else than on the command line.
fn of_config(error: &AssetsError) -> Option<&'static str> {
    Some(match error {
        AssetsError::SourceMissing { .. } => {
            "`source` names the directory with the built files, relative to the config"
        }
        AssetsError::SourceEmpty { .. } => {
            "a push of nothing would let everything age out; build first, and look at `exclude`"
        }
        AssetsError::InvalidPath { .. } | AssetsError::NotText { .. } => {
            "rename it, or leave it out with `exclude`"
        }
        AssetsError::SymlinkEscape { .. } => {
            "copy what it points to into the source, or leave it out with `exclude`"
        }
        AssetsError::SpecialFile { .. } => "leave it out with `exclude`",
        AssetsError::TooManyLinks { .. } => {
            "directories multiply if links lead from one to the next: leave the links out with `exclude`"
        }
        AssetsError::EntryMissing { .. } => "build it, or take it out of `entry`",
        AssetsError::NoEntry => {
            "without one nobody would see the build; `entry` names the files that are to be replaced last"
        }
        AssetsError::InPlace { .. } => {
            "the build that is live would load new bytes of them before it is replaced: give them names with hashes, or leave out `deny_in_place`"
        }
        AssetsError::TooMuch { .. } => {
            "look at it with `assets prune --dry-run`; a larger `prune.max_delete_ratio` allows it, or `assets prune --yes` once"
        }
        AssetsError::CapsMissing { .. } => {
            "without it pushes and prunes are not safe beside each other: push with `assets push --unsafe-exclusive` instead"
        }
        AssetsError::BuildTime { .. } => {
            "`build.timestamp` is in seconds since 1970, not milliseconds: a build of a time to come would supersede all others"
        }
        AssetsError::Store(error) => match error.kind {
            StoreErrorKind::NoBucket => "create the bucket, or name another one as `bucket`",
            StoreErrorKind::WrongRegion => "name the bucket's region: `bucket: {name: ..., region: ...}`",
            StoreErrorKind::Denied => {
                "`assets doctor --iam-policy` prints the permissions that are needed; without s3:ListBucket an object that is missing is forbidden, too"
            }
            _ => return None,
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_is_not_told_of_options() {
        let path = || "dist".to_owned();
        let store = |kind| {
            let key = runway_store::ObjectKey::new("data/a/x");
            let error =
                runway_store::StoreError::new(kind, "list", &runway_store::BucketName::new("b"), &key, "no");
            AssetsError::Store(Box::new(error))
        };
        for error in [
            AssetsError::SourceMissing { path: path() },
            AssetsError::SourceEmpty { path: path() },
            AssetsError::EntryMissing { path: path() },
            AssetsError::NoEntry,
            AssetsError::InPlace { count: 1, first: path() },
            store(StoreErrorKind::NoBucket),
            store(StoreErrorKind::WrongRegion),
            store(StoreErrorKind::Denied),
        ] {
            let help = failed(error).help.unwrap();
            for option in
                ["--source", "--entry", "--deny", "--bucket", "--region", "--check", "--exclude", "--yes"]
            {
                assert!(!help.contains(option), "{help}");
            }
        }
        let ratio = failed(AssetsError::TooMuch { delete: 3, known: 4 }).help.unwrap();
        assert!(ratio.contains("`prune.max_delete_ratio`"), "{ratio}");
    }
}
