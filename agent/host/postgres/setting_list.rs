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
        Some(list) if !list.is_empty() => list.iter().map(|name| literal(name)).collect::<Vec<_>>().join(", "),
        _ => literal(value),
    }
}

/// A value as PostgreSQL then stores it (`flatten_set_variable_args`).
pub fn stored(name: &str, value: &str) -> String {
    match elements(name, value) {
        Some(list) if !list.is_empty() => list.iter().map(|name| quoted_if_needed(name)).collect::<Vec<_>>().join(", "),
        _ => value.to_owned(),
    }
}

/// The names of a list, without their double quotes; `None` if the setting is no list.
fn elements(name: &str, value: &str) -> Option<Vec<String>> {
    if !LISTS.contains(&name.to_lowercase().as_str()) {
        return None;
    }
    let (mut list, mut here, mut quoted) = (Vec::new(), String::new(), false);
    for c in value.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => list.push(std::mem::take(&mut here)),
            c if c.is_whitespace() && !quoted => {}
            c => here.push(c),
        }
    }
    list.push(here);
    Some(list.into_iter().filter(|name| !name.is_empty()).collect())
}

/// As `quote_identifier` does, but for key words, which no schema or library is named after in earnest.
fn quoted_if_needed(name: &str) -> String {
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    let plain = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if starts && plain { name.to_owned() } else { format!("\"{name}\"") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_taken_apart_and_another_value_is_not() {
        assert_eq!(in_sql("search_path", "\"$user\", public,App"), "'$user', 'public', 'App'");
        assert_eq!(stored("search_path", "\"$user\", public,App"), "\"$user\", public, \"App\"");
        assert_eq!(in_sql("log_line_prefix", "%m, %p "), "'%m, %p '");
        assert_eq!(stored("work_mem", "64MB"), "64MB");
    }
}
