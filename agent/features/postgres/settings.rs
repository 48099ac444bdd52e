//! Settings by their own names, and the drop-in that holds them.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::engine::Draft;
use crate::problem::KeyPath;
use crate::terms::SettingValue;

const TEMPLATE: crate::template::Template = crate::template!("postgres/90-hostagent.conf.tera");

/// Settings that have a key of their own in `[postgres]`.
const OWN_KEYS: [&str; 6] = [
    "listen_addresses",
    "port",
    "unix_socket_directories",
    "unix_socket_permissions",
    "password_encryption",
    "data_directory",
];
/// What says where files are. Debian's tools and hostagent look for them where the package put them.
const PLACES: [&str; 4] = ["config_file", "hba_file", "ident_file", "external_pid_file"];
/// What stands like a setting in postgresql.conf and is none.
const DIRECTIVES: [&str; 3] = ["include", "include_dir", "include_if_exists"];

#[derive(Serialize)]
struct Page {
    settings: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    name: String,
    value: String,
}

/// The text of the drop-in.
pub(super) fn render(settings: &BTreeMap<String, SettingValue>) -> Result<String, String> {
    let settings = settings.iter().map(|(name, value)| Line { name: name.clone(), value: in_file(value) }).collect();
    TEMPLATE.render(&Page { settings })
}

/// A value in PostgreSQL's own words.
pub(super) fn text(value: &SettingValue) -> String {
    value.text("on", "off").into_owned()
}

/// A value as postgresql.conf has it (`src/backend/utils/misc/guc-file.l`): text between quotes, where a backslash
/// escapes.
fn in_file(value: &SettingValue) -> String {
    match value {
        SettingValue::Text(text) => {
            let escaped = text
                .replace('\\', "\\\\")
                .replace('\'', "''")
                .replace('\n', "\\n")
                .replace('\r', "\\r")
                .replace('\t', "\\t");
            format!("'{escaped}'")
        }
        other => text(other),
    }
}

/// Says what can be known of names without a server.
pub(super) fn validate(settings: &BTreeMap<String, SettingValue>, here: &KeyPath, plan: &mut Draft) {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for (name, value) in settings {
        let (place, lower) = (here.key(name), name.to_lowercase());
        let starts = lower.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
        let allowed = lower.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.$".contains(c));
        if !(starts && allowed) {
            plan.problem_with_key(
                place,
                format!("`{name}` is not the name of a setting"),
                "letters, digits and `_`; `.` after an extension's name",
            );
        } else if OWN_KEYS.contains(&lower.as_str()) {
            plan.problem_with_key(
                place,
                format!("`{lower}` has a key of its own"),
                format!("say it once, as `{lower}` in `[postgres]`"),
            );
        } else if PLACES.contains(&lower.as_str()) {
            plan.problem_with_key(
                place,
                format!("`{lower}` cannot be moved"),
                "the tools of the distribution look for it where it is; take it out",
            );
        } else if DIRECTIVES.contains(&lower.as_str()) {
            plan.problem_with_key(
                place,
                format!("`{lower}` is not a setting"),
                "put the settings here, or a `[[file]]` into `conf.d`",
            );
        } else if let Some(first) = seen.insert(lower, name) {
            plan.problem_with_key(
                place,
                format!("`{name}` is given twice, as `{first}` too"),
                "PostgreSQL does not tell capitals apart; say it once",
            );
        } else if matches!(value, SettingValue::Text(text) if text.contains('\0')) {
            plan.problem_at(place, format!("the value of `{name}` holds a NUL"), "take it out");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_value_is_written_as_postgresql_reads_it() {
        let settings = [
            ("archive_command", SettingValue::Text("cp \"%p\" '/a\\b/%f'".into())),
            ("autovacuum", SettingValue::Bool(false)),
            ("log_line_prefix", SettingValue::Text("%m [%p]\n".into())),
            ("max_connections", SettingValue::Integer(40)),
            ("random_page_cost", SettingValue::Float(1.1)),
            ("shared_buffers", SettingValue::Text("64MB".into())),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value)).into();
        assert_eq!(
            render(&settings).unwrap(),
            "# managed by hostagent: changes here are put back; make them in `[postgres]` of the recipe\n\
             archive_command = 'cp \"%p\" ''/a\\\\b/%f'''\n\
             autovacuum = off\n\
             log_line_prefix = '%m [%p]\\n'\n\
             max_connections = 40\n\
             random_page_cost = 1.1\n\
             shared_buffers = '64MB'\n"
        );
    }
}
