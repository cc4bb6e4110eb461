//! A project to begin with.

use camino::{Utf8Path, Utf8PathBuf};

use crate::settings::{SettingsProblem, shown};

/// The files: path and text. They deploy on the embedded provider as they are.
const FILES: [(&str, &str); 6] = [
    ("runway.yml", include_str!("starter/runway.yml")),
    // What editors check the other files with; so it needs no network, and fits this version.
    (".runway/schema/runway.schema.json", include_str!("../../../../config-schema/runway.schema.json")),
    (".runway/schema/cfngin.schema.json", include_str!("../../../../config-schema/cfngin.schema.json")),
    ("sampleapp.cfn/cfngin.yml", include_str!("starter/cfngin.yml")),
    ("sampleapp.cfn/dev.env", include_str!("starter/dev.env")),
    ("sampleapp.cfn/templates/parameter.yml", include_str!("starter/parameter.yml")),
];

/// Writes the files into a directory and returns their paths. Nothing is written if one of them exists.
pub(crate) fn write(root: &Utf8Path, current: &Utf8Path) -> Result<Vec<Utf8PathBuf>, SettingsProblem> {
    for name in FILES.map(|(name, _)| name).into_iter().chain(["runway.yaml"]) {
        let path = root.join(name);
        if path.exists() {
            return Err(SettingsProblem::Exists { path: shown(&path, current) });
        }
    }
    let mut written = Vec::new();
    for (name, text) in FILES {
        let path = root.join(name);
        let made = path.parent().map_or(Ok(()), fs_err::create_dir_all);
        made.and_then(|()| fs_err::write(&path, text)).map_err(|error| SettingsProblem::Unwritable {
            path: shown(&path, current),
            message: error.kind().to_string(),
        })?;
        written.push(shown(&path, current));
    }
    Ok(written)
}
