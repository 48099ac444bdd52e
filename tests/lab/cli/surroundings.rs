//! What a recipe expects to meet: backends, names, values for its variables.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

/// The world a recipe is written for, as far as the lab plays it.
#[derive(Debug, Default)]
pub(super) struct Surroundings {
    /// A value for every variable that the recipe requires and nobody gave.
    pub(super) made_up: BTreeMap<String, String>,
    /// Where programs listen that nginx stands in front of.
    pub(super) doors: BTreeSet<String>,
    /// Names of the machine's own, by the resolver that knows them.
    pub(super) names: BTreeMap<String, BTreeSet<String>>,
    /// The first name of every site.
    pub(super) sites: Vec<String>,
    /// Every name that a CA is to vouch for.
    pub(super) certified: Vec<String>,
    /// Every database.
    pub(super) databases: Vec<String>,
    vars: BTreeMap<String, String>,
}

impl Surroundings {
    /// Reads them out of a recipe, with the variables that were given as `name=value`.
    pub(super) fn of(recipe: &str, given: &[String]) -> Self {
        // What is wrong with a recipe the agent says better.
        let recipe: Table = recipe.parse().unwrap_or_default();
        let mut found = Self::default();
        for (name, value) in recipe.get("vars").and_then(Value::as_table).into_iter().flatten() {
            found.learn(name, value);
        }
        for (name, value) in given.iter().filter_map(|var| var.split_once('=')) {
            found.made_up.remove(name);
            found.vars.insert(name.to_owned(), value.to_owned());
        }
        for site in tables(&recipe, "nginx", "site") {
            let names = site.get("server_name").and_then(Value::as_array);
            let first = names.and_then(|names| names.first()).and_then(Value::as_str);
            found.sites.extend(first.map(|name| found.filled(name)));
        }
        for certificate in tables(&recipe, "tls", "certificate") {
            let names = certificate.get("domains");
            let one = names.and_then(Value::as_str).into_iter();
            let all = one.chain(names.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str));
            let all: Vec<_> = all.map(|name| found.filled(name)).collect();
            found.certified.extend(all);
        }
        for database in tables(&recipe, "postgres", "database") {
            let name = database.get("name").and_then(Value::as_str);
            found.databases.extend(name.map(|name| found.filled(name)));
        }
        found.doors.insert("127.0.0.1:3000".to_owned());
        if let Some(nginx) = recipe.get("nginx") {
            found.walk(nginx);
        }
        found
    }

    fn learn(&mut self, name: &str, value: &Value) {
        let text = match value {
            Value::Table(table) if table.contains_key("required") => {
                let made_up = if name.contains("domain") { "api.example.org" } else { "lab" };
                self.made_up.insert(name.to_owned(), made_up.to_owned());
                made_up.to_owned()
            }
            Value::Table(table) => table.get("default").and_then(Value::as_str).unwrap_or_default().to_owned(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        self.vars.insert(name.to_owned(), text);
    }

    /// Looks for proxies anywhere below.
    fn walk(&mut self, value: &Value) {
        match value {
            Value::Array(values) => values.iter().for_each(|value| self.walk(value)),
            Value::Table(table) => {
                if let Some(Value::Table(proxy)) = table.get("proxy") {
                    self.meet(proxy);
                }
                table.values().for_each(|value| self.walk(value));
            }
            _ => {}
        }
    }

    fn meet(&mut self, proxy: &Table) {
        for to in proxy.get("to").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            let to = self.filled(to).replace("localhost:", "127.0.0.1:");
            if to.starts_with("127.0.0.1:") || to.starts_with("unix:") {
                self.doors.insert(to);
            }
        }
        let text = |key| proxy.get(key).and_then(Value::as_str).map(|text| self.filled(text));
        let (Some(service), port) = (text("service"), proxy.get("port").and_then(Value::as_integer)) else {
            return;
        };
        let resolver = text("resolver").unwrap_or_else(|| "10.0.0.2".to_owned());
        self.doors.insert(format!("127.0.0.1:{}", port.unwrap_or(80)));
        self.names.entry(resolver).or_default().insert(service);
    }

    fn filled(&self, text: &str) -> String {
        self.vars
            .iter()
            .fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{{ vars.{name} }}}}"), value))
    }
}

fn tables<'a>(recipe: &'a Table, table: &str, array: &str) -> impl Iterator<Item = &'a Table> {
    let found = recipe.get(table).and_then(|table| table.get(array)).and_then(Value::as_array);
    found.into_iter().flatten().filter_map(Value::as_table)
}
