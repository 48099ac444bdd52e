//! What recipes will be able to say and this version cannot do yet. Without this list it would look like a slip of the
//! pen, with another word as the remedy.

use crate::problem::KeyPath;

/// Tables, all with the same remedy.
const TABLES: [&str; 13] = [
    "app",
    "codedeploy",
    "container",
    "dns",
    "firewall",
    "lifecycle",
    "logs",
    "mariadb",
    "notify",
    "redis",
    "report",
    "snapshots",
    "volume",
];

/// Keys: the header of their table, the key, and what to do until then.
const KEYS: [(&str, &str, &str); 1] =
    [("file", "template", "put its text into `content`, where `{{ vars.x }}` and `{{ facts.x }}` stand for values")];

/// What to do about the key at the end of `path`, if a later version has it.
pub(super) fn remedy(path: &KeyPath) -> Option<&'static str> {
    let header = path.parent()?.header().to_string();
    let key = path.last_key()?;
    if header.is_empty() && TABLES.contains(&key) {
        return Some("take it out, or use a newer version");
    }
    KEYS.iter().find(|(table, name, _)| *table == header && *name == key).map(|(_, _, remedy)| *remedy)
}
