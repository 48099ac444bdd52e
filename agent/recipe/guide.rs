//! What the schema of recipes tells about a place that is wrong: which keys must be there, and where else a key belongs.

use std::cell::OnceCell;

use serde_json::Value as Json;

use crate::problem::{KeyPath, Step};

/// Made when the first problem asks for it: a recipe without problems does not pay for it.
#[derive(Debug)]
pub struct Guide {
    schema: fn() -> Json,
    made: OnceCell<Json>,
}

/// A table of recipes, as people write its header: `[nginx]`, `[[nginx.site]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// The keys from the root.
    pub keys: Vec<String>,
    /// Whether there can be several.
    pub is_list: bool,
}

impl Home {
    /// Its header.
    pub fn header(&self) -> String {
        let name = self.keys.join(".");
        if self.is_list { format!("[[{name}]]") } else { format!("[{name}]") }
    }

    /// Whether `path` is somewhere below it.
    fn is_around(&self, path: &KeyPath) -> bool {
        let header = path.header();
        let keys = header.steps().iter().map(|step| if let Step::Key(key) = step { key.as_str() } else { "" });
        header.steps().len() > self.keys.len() && self.keys.iter().map(String::as_str).eq(keys.take(self.keys.len()))
    }
}

impl Guide {
    /// One over this schema.
    pub fn new(schema: fn() -> Json) -> Self {
        Self { schema, made: OnceCell::new() }
    }

    /// One that knows nothing.
    pub fn none() -> Self {
        Self::new(|| Json::Null)
    }

    /// The keys that the table at `path` must have.
    pub fn required(&self, path: &KeyPath) -> Vec<&str> {
        let list = self.at(path).and_then(|table| table.get("required")).and_then(Json::as_array);
        list.into_iter().flatten().filter_map(Json::as_str).collect()
    }

    /// The types that the elements of the list at `path` may have; `None` where that is not known.
    pub fn items(&self, path: &KeyPath) -> Option<Vec<&str>> {
        let items = self.resolved(self.at(path)?.get("items")?);
        let several = items.get("anyOf").and_then(Json::as_array);
        let all = several.map_or_else(|| vec![items], |all| all.iter().map(|one| self.resolved(one)).collect());
        let kinds = all.into_iter().filter_map(|one| one.get("type"));
        let words = kinds.flat_map(|kind| kind.as_array().map_or_else(|| vec![kind], |all| all.iter().collect()));
        Some(words.filter_map(Json::as_str).collect())
    }

    /// The tables that have this key, those around `path` first; also the key itself, where it is a table of its own.
    pub fn homes(&self, key: &str, path: &KeyPath) -> Vec<Home> {
        let mut homes = Vec::new();
        self.collect(key, self.root(), &mut Vec::new(), &mut homes);
        let (around, elsewhere): (Vec<Home>, Vec<Home>) = homes.into_iter().partition(|home| home.is_around(path));
        if around.is_empty() { elsewhere } else { around }
    }

    fn root(&self) -> &Json {
        self.made.get_or_init(self.schema)
    }

    fn collect(&self, key: &str, table: &Json, keys: &mut Vec<String>, homes: &mut Vec<Home>) {
        // Deeper ones are inline tables, such as `proxy`, whose keys say little by themselves.
        if keys.len() > 1 {
            return;
        }
        for (name, value) in table.get("properties").and_then(Json::as_object).into_iter().flatten() {
            let value = self.resolved(value);
            let items = value.get("items").map(|items| self.resolved(items));
            let below = items.unwrap_or(value);
            let Some(properties) = below.get("properties") else { continue };
            keys.push(name.clone());
            let home = || Home { keys: keys.clone(), is_list: items.is_some() };
            if properties.get(key).is_some() || (keys.len() == 1 && name == key) {
                homes.push(home());
            }
            self.collect(key, below, keys, homes);
            keys.pop();
        }
    }

    /// The schema of what stands at `path`.
    fn at(&self, path: &KeyPath) -> Option<&Json> {
        path.steps().iter().try_fold(self.root(), |schema, step| {
            let below = match step {
                Step::Key(key) => schema.get("properties").and_then(|keys| keys.get(key)),
                Step::Index(_) => schema.get("items"),
            };
            below.map(|found| self.resolved(found))
        })
    }

    /// What a schema refers to; of several the one that is a table.
    fn resolved<'s>(&'s self, schema: &'s Json) -> &'s Json {
        if let Some(name) = schema.get("$ref").and_then(Json::as_str).and_then(|it| it.strip_prefix("#/definitions/")) {
            let found = self.root().get("definitions").and_then(|all| all.get(name));
            return found.map_or(schema, |found| self.resolved(found));
        }
        let several = ["allOf", "anyOf"].iter().find_map(|word| schema.get(word)).and_then(Json::as_array);
        let mut all = several.into_iter().flatten().map(|one| self.resolved(one));
        all.find(|one| one.get("properties").or_else(|| one.get("items")).is_some()).unwrap_or(schema)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(key: &str, path: &KeyPath) -> Vec<String> {
        Guide::new(crate::recipe::schema::raw).homes(key, path).iter().map(Home::header).collect()
    }

    #[test]
    fn a_key_is_found_in_the_tables_around_first() {
        let site = KeyPath::root().key("nginx").key("site").index(0);
        assert_eq!(headers("worker_processes", &site.key("worker_processes")), ["[nginx]"]);
        assert_eq!(headers("packages", &KeyPath::root().key("packages")), ["[host]"]);
        assert_eq!(headers("nginx", &KeyPath::root().key("host").key("nginx")), ["[nginx]"]);
        assert!(headers("user", &KeyPath::root().key("host").key("user")).contains(&"[[user]]".to_owned()));
        assert!(headers("stranger", &site).is_empty());
    }

    #[test]
    fn what_must_be_there_is_known_at_every_depth() {
        let guide = Guide::new(crate::recipe::schema::raw);
        assert_eq!(guide.required(&KeyPath::root().key("postgres").key("hba").index(3)), ["type", "method"]);
        assert_eq!(guide.required(&KeyPath::root().key("run").index(0)), ["name", "command"]);
        assert!(guide.required(&KeyPath::root().key("stranger").index(0)).is_empty());
    }
}
