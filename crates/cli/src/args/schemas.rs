//! Documents that `schema` describes.

use clap::ValueEnum;

/// Documents with a schema.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum SchemaDocument {
    /// The config file
    Cfngin,
    /// The project file
    Runway,
    /// `plan --format json`
    Plan,
    /// The file of `plan --out`
    SavedPlan,
    /// `status --format json`
    Status,
    /// `outputs --format json`
    Outputs,
    /// `graph show --format json`
    Graph,
    /// `deploy --format json`, one object a line
    Events,
    /// The file of `deploy --report` and `destroy --report`
    Report,
    /// `cache status --format json`
    CacheStatus,
    /// `cache ls --format json`
    CacheRecords,
    /// `cache explain --format json`
    CacheExplain,
    /// `cache verify --format json`
    CacheVerify,
    /// `cache clear`, `gc`, `import` and `warm` with `--format json`
    CacheChange,
    /// `assets plan --format json`
    AssetsPlan,
    /// `assets push` and `assets rollback` with `--format json`
    AssetsPush,
    /// `assets prune --format json`
    AssetsPrune,
    /// `assets ls --format json`
    AssetsList,
    /// `assets resume`, `assets pin` and `assets unpin` with `--format json`
    AssetsBuild,
    /// `assets verify --format json`
    AssetsVerify,
    /// `assets doctor --format json`
    AssetsDoctor,
    /// What any command prints with `--format json` if it fails
    Error,
}
