//! `static = { … }`: files are served.

use schemars::JsonSchema;
use serde::Deserialize;

use super::words::{ConfigPath, Name, ServerAddress, TryFile, UrlPath};
use crate::terms::Period;

/// Serves files.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NginxStatic")]
pub struct StaticFiles {
    /// The directory that paths are looked up in, the location's own included. Default: none.
    pub root: Option<ConfigPath>,
    /// The directory that stands for the path of a location; in place of `root`. Default: none.
    pub alias: Option<ConfigPath>,
    /// Files that stand for a directory. Default: nginx's own, `["index.html"]`.
    #[serde(default)]
    pub index: Vec<Name>,
    /// What is tried for a path, in turn, such as `["$uri", "$uri/", "=404"]`. Default: the file, then the directory.
    #[serde(default)]
    pub try_files: Vec<TryFile>,
    /// Whether directories without an index are listed. Default: `false`.
    #[serde(default)]
    pub autoindex: bool,
    /// Whether files are served of which the name, or that of a folder above them, begins with a dot. Those in `.well-known`
    /// are. Default: `false`.
    #[serde(default)]
    pub dot_files: bool,
    /// How long browsers may keep a file without asking again. Default: they ask.
    pub max_age: Option<Period>,
    /// Where php-fpm takes scripts, such as `"unix:/run/php/php8.2-fpm.sock"`: it gets the `.php` files that are there, and
    /// `/index.php` gets every path that is no file. Default: none.
    pub php: Option<ServerAddress>,
    /// Whether it is an application of one page: an unknown path gets `index.html`, one with a file extension is a 404,
    /// and `index.html` itself is never served from a cache without asking. Default: `false`.
    #[serde(default)]
    pub spa: bool,
    /// Where such an application keeps files that never change because their names hold a digest: those may be kept for a
    /// year. Default: `["/assets/"]` with `spa`, below the path of the location.
    pub immutable: Option<Vec<UrlPath>>,
}
