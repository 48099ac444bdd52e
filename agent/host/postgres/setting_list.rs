//! Settings whose value is a list of names, such as `search_path`: `ALTER … SET` wants each name as a value of its own.

use crate::host::postgres::quote::literal;

/// Those with `GUC_LIST_QUOTE` (`variable_is_guc_list_quote` in `src/bin/pg_dump/dumputils.c` of PostgreSQL).
const LISTS: [&str; 7] = [
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
    "debug_io_direct",
];

/// A value as it stands behind `SET name TO`.
pub fn in_sql(name: &str, value: &str) -> String {
    match elements(name, value) {
        Some(list) => list.iter().map(|name| literal(name)).collect::<Vec<_>>().join(", "),
        None => literal(value),
    }
}

/// Whether a value as PostgreSQL keeps it is the wanted one. It quotes the names of a list that need it
/// (`flatten_set_variable_args`), which depends on its key words: so names are compared, and not their spelling.
pub fn same(name: &str, kept: &str, wanted: &str) -> bool {
    match (elements(name, kept), elements(name, wanted)) {
        (Some(kept), Some(wanted)) => kept == wanted,
        _ => kept == wanted,
    }
}

/// The names of a list, without their double quotes; `None` if the setting is no list. An empty list is one empty name:
/// a list of none cannot be set.
fn elements(name: &str, value: &str) -> Option<Vec<String>> {
    if !LISTS.contains(&name.to_lowercase().as_str()) {
        return None;
    }
    let (mut list, mut here, mut quoted, mut was_quoted) = (Vec::new(), String::new(), false, false);
    let mut letters = value.chars().chain([',']).peekable();
    while let Some(c) = letters.next() {
        match c {
            // Twice within quotes it stands for itself.
            '"' if quoted && letters.next_if_eq(&'"').is_some() => here.push('"'),
            '"' => (quoted, was_quoted) = (!quoted, true),
            ',' if !quoted => {
                let name = std::mem::take(&mut here);
                list.extend((was_quoted || !name.is_empty()).then_some(name));
                was_quoted = false;
            }
            c if c.is_whitespace() && !quoted => {}
            c => here.push(c),
        }
    }
    // A quote that is never closed swallowed the comma that was added to the end.
    if quoted {
        here.pop();
        list.push(here);
    }
    Some(if list.is_empty() { vec![String::new()] } else { list })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_taken_apart_and_another_value_is_not() {
        for (value, sql) in [
            ("\"$user\", public,App", "'$user', 'public', 'App'"),
            ("", "''"),
            ("\"\"", "''"),
            (" , ", "''"),
            ("\"a, b\",\"c\"\"d\"", "'a, b', 'c\"d'"),
            ("\"open", "'open'"),
        ] {
            assert_eq!(in_sql("search_path", value), sql, "{value}");
        }
        assert_eq!(in_sql("log_line_prefix", "%m, %p "), "'%m, %p '");
    }

    #[test]
    fn a_list_is_the_same_however_its_names_are_quoted() {
        // What PostgreSQL 15 keeps of each.
        for (kept, wanted) in [
            ("\"$user\", public", "\"$user\", public"),
            ("\"$user\", public", "\"$user\",public"),
            ("\"$user\", public", "$user, \"public\""),
            ("public, \"App\"", "public,App"),
            ("\"user\", \"order\"", "user, order"),
            ("\"\"", ""),
            ("\"c\"\"d\"", "\"c\"\"d\""),
        ] {
            assert!(same("search_path", kept, wanted), "{kept} {wanted}");
        }
        assert!(!same("search_path", "public, app", "app, public"));
        assert!(!same("search_path", "public", "\"public, app\""));
        assert!(same("work_mem", "64MB", "64MB") && !same("work_mem", "64MB", "65536kB"));
    }
}
