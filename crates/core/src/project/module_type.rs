//! What kind of module a directory is.

use std::collections::BTreeSet;

/// The kinds of modules that Runway knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names say it")]
pub enum ModuleType {
    Cdk,
    CloudFormation,
    Kubernetes,
    Serverless,
    Static,
    Terraform,
}

impl ModuleType {
    /// Every type.
    pub const ALL: [Self; 6] =
        [Self::Cdk, Self::CloudFormation, Self::Kubernetes, Self::Serverless, Self::Static, Self::Terraform];

    /// Its name in `type`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cdk => "cdk",
            Self::CloudFormation => "cloudformation",
            Self::Kubernetes => "kubernetes",
            Self::Serverless => "serverless",
            Self::Static => "static",
            Self::Terraform => "terraform",
        }
    }

    /// The type of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The suffix of directories of this type.
    fn suffix(self) -> &'static str {
        match self {
            Self::Cdk => "cdk",
            Self::CloudFormation => "cfn",
            Self::Kubernetes => "k8s",
            Self::Serverless => "sls",
            Self::Static => "web",
            Self::Terraform => "tf",
        }
    }

    /// Runway's class for it.
    fn class_path(self) -> &'static str {
        match self {
            Self::Cdk => "runway.module.cdk.CloudDevelopmentKit",
            Self::CloudFormation => "runway.module.cloudformation.CloudFormation",
            Self::Kubernetes => "runway.module.k8s.K8s",
            Self::Serverless => "runway.module.serverless.Serverless",
            Self::Static => "runway.module.staticsite.handler.StaticSite",
            Self::Terraform => "runway.module.terraform.Terraform",
        }
    }

    /// The program to use for a module that is not CloudFormation.
    pub fn instead(self) -> &'static str {
        match self {
            Self::Cdk => "`cdk deploy`, or `cdk synth` and its templates in a CFNgin config",
            Self::CloudFormation => "runway-rs",
            Self::Kubernetes => "`kubectl apply -k overlays/<environment>`",
            Self::Serverless => "`serverless deploy --stage <environment>`",
            Self::Static => "`aws s3 sync` for the files, and a CFNgin config for bucket and distribution",
            Self::Terraform => "`terraform apply`",
        }
    }
}

/// What is in the directory of a module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Names of the files.
    pub files: BTreeSet<String>,
    /// There is a directory `overlays`, and a `kustomization.yaml` at any depth.
    pub is_kustomized: bool,
}

/// How a module is carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handler {
    /// By one of Runway's own classes.
    Type(ModuleType),
    /// By a class of the user's own.
    Class(String),
    /// Nothing says.
    Unknown,
}

/// Runway's order: `class_path`, `type`, the suffix of the directory's name, and then what is in it.
pub fn handler(
    class_path: Option<&str>,
    given: Option<ModuleType>,
    directory_name: &str,
    listing: &Listing,
) -> Handler {
    if let Some(class_path) = class_path {
        let known = ModuleType::ALL.into_iter().find(|kind| kind.class_path() == class_path);
        return known.map_or_else(|| Handler::Class(class_path.to_owned()), Handler::Type);
    }
    let suffix = directory_name.rsplit('.').next().unwrap_or_default();
    let by_suffix = || ModuleType::ALL.into_iter().find(|kind| kind.suffix() == suffix);
    match given.or_else(by_suffix).or_else(|| by_content(listing)) {
        Some(kind) => Handler::Type(kind),
        None => Handler::Unknown,
    }
}

fn by_content(listing: &Listing) -> Option<ModuleType> {
    let has = |name: &str| listing.files.contains(name);
    let any = |ends: &[&str]| listing.files.iter().any(|name| ends.iter().any(|end| name.ends_with(end)));
    if ["serverless.js", "serverless.ts", "serverless.yml"].into_iter().any(has) && has("package.json") {
        Some(ModuleType::Serverless)
    } else if any(&[".tf"]) {
        Some(ModuleType::Terraform)
    } else if has("cdk.json") && has("package.json") {
        Some(ModuleType::Cdk)
    } else if listing.is_kustomized {
        Some(ModuleType::Kubernetes)
    } else if any(&[".env", ".yaml", ".yml"]) {
        Some(ModuleType::CloudFormation)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(files: &[&str]) -> Listing {
        Listing { files: files.iter().map(|name| (*name).to_owned()).collect(), is_kustomized: false }
    }

    #[test]
    fn the_order_is_class_type_suffix_content() {
        let yaml = listing(&["a.yml"]);
        let class = "runway.module.terraform.Terraform";
        let look = |class, given, name, files: &Listing| handler(class, given, name, files);
        assert_eq!(look(Some(class), None, "a.cfn", &yaml), Handler::Type(ModuleType::Terraform));
        assert_eq!(look(Some("my.Class"), None, "a.cfn", &yaml), Handler::Class("my.Class".into()));
        assert_eq!(look(None, Some(ModuleType::Cdk), "a.cfn", &yaml), Handler::Type(ModuleType::Cdk));
        assert_eq!(look(None, None, "a.web", &yaml), Handler::Type(ModuleType::Static));
        assert_eq!(look(None, None, "infra", &yaml), Handler::Type(ModuleType::CloudFormation));
        assert_eq!(look(None, None, "infra", &listing(&["x.json"])), Handler::Unknown);
    }

    #[test]
    fn content_is_looked_at_in_runways_order() {
        for (files, kind) in [
            (&["serverless.yml", "package.json", "main.tf"][..], ModuleType::Serverless),
            (&["serverless.yml", "main.tf"], ModuleType::Terraform),
            (&["cdk.json", "package.json", "a.yml"], ModuleType::Cdk),
            (&["dev.env"], ModuleType::CloudFormation),
        ] {
            assert_eq!(by_content(&listing(files)), Some(kind), "{files:?}");
        }
        let kustomized = Listing { is_kustomized: true, ..listing(&["a.yml"]) };
        assert_eq!(by_content(&kustomized), Some(ModuleType::Kubernetes));
    }
}
