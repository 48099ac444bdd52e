//! The JSON Schema of recipes, made from the types that read them and put into the form that editors do most with.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json, json};

use super::tables::Recipe;

/// What a string with a reference in it looks like.
const REFERENCE: &str = r"\{\{";

/// The schema as the types give it.
pub(super) fn raw() -> Json {
    schemars::generate::SchemaSettings::draft07().into_generator().into_root_schema_for::<Recipe>().to_value()
}

/// The schema for editors and people.
///
/// TOML knows no null; every value may be a string with `{{ vars.x }}` or `{{ facts.x }}` in it; choices are one `enum`;
/// and any table may say `unset = true` over a base.
pub fn schema() -> Json {
    let mut schema = raw();
    let refiner = Refiner { tables: tables(&schema) };
    // These are read before references are known.
    let mut first = Map::new();
    if let Some(properties) = schema.get_mut("properties").and_then(Json::as_object_mut) {
        first.extend(["format", "base", "vars"].into_iter().filter_map(|key| properties.remove_entry(key)));
    }
    refiner.refine(&mut schema);
    if let Some(properties) = schema.get_mut("properties").and_then(Json::as_object_mut) {
        for (key, mut value) in first {
            tidy(&mut value);
            properties.insert(key, value);
        }
        properties.remove("unset");
    }
    schema
}

/// The definitions that are tables with keys of their own.
fn tables(schema: &Json) -> BTreeSet<String> {
    let all = schema.get("definitions").and_then(Json::as_object);
    all.into_iter().flatten().filter(|(_, one)| one.get("properties").is_some()).map(|(name, _)| name.clone()).collect()
}

struct Refiner {
    tables: BTreeSet<String>,
}

impl Refiner {
    fn refine(&self, schema: &mut Json) {
        tidy(schema);
        let Some(map) = schema.as_object_mut() else { return };
        let mut below: Vec<&mut Json> = Vec::new();
        for (word, value) in map.iter_mut() {
            match (word.as_str(), value) {
                ("properties" | "patternProperties" | "definitions", Json::Object(all)) => {
                    below.extend(all.values_mut());
                }
                ("anyOf" | "allOf" | "oneOf", Json::Array(all)) => below.extend(all),
                ("items" | "additionalProperties", value @ Json::Object(_)) => below.push(value),
                _ => {}
            }
        }
        for one in below {
            self.refine(one);
        }
        one_enum(map);
        // With `unset = true` more than one fits.
        if let Some(forms) = map.remove("oneOf") {
            map.insert("anyOf".to_owned(), forms);
        }
        self.or_reference(map);
        may_be_unset(map);
    }

    /// Lets a value that is no table also be a string with a reference in it, which stands for a value of the right type.
    fn or_reference(&self, map: &mut Map<String, Json>) {
        if map.contains_key("enum") {
            let about = map.remove("description");
            let choices = std::mem::take(map);
            map.insert("anyOf".to_owned(), json!([choices, { "type": "string", "pattern": REFERENCE }]));
            map.extend(about.map(|text| ("description".to_owned(), text)));
            return;
        }
        let types: Vec<Json> = match map.get("type") {
            Some(Json::Array(several)) => several.clone(),
            Some(one) => vec![one.clone()],
            None => return,
        };
        if types.contains(&json!("string")) {
            // What has a rule does not hold for what is still to be put in.
            if let Some(Json::String(pattern)) = map.get_mut("pattern") {
                *pattern = format!("{REFERENCE}|{pattern}");
            }
        } else if types != [json!("object")] && !self.is_list_of_tables(map) {
            map.insert("type".to_owned(), types.into_iter().chain([json!("string")]).collect());
            map.insert("pattern".to_owned(), REFERENCE.into());
        }
    }

    fn is_list_of_tables(&self, map: &Map<String, Json>) -> bool {
        let name = map.get("items").and_then(|items| items.get("$ref")).and_then(Json::as_str);
        name.is_some_and(|name| self.tables.contains(name.trim_start_matches("#/definitions/")))
    }
}

/// Takes out what only the types of the program mean.
fn tidy(schema: &mut Json) {
    let Some(map) = schema.as_object_mut() else { return };
    // `uint16` and the like; the bounds say the same, and strict validators know no such format.
    if map.get("format").is_some_and(Json::is_string) {
        map.remove("format");
    }
    if map.get("default").is_some_and(Json::is_null) {
        map.remove("default");
    }
    let null = json!("null");
    if let Some(Json::Array(types)) = map.get_mut("type") {
        types.retain(|one| *one != null);
        if let [only] = types.as_slice() {
            let only = only.clone();
            map.insert("type".to_owned(), only);
        }
    }
    if let Some(Json::Array(several)) = map.get_mut("anyOf") {
        several.retain(|one| one.get("type") != Some(&null));
        // Beside a lone `$ref` draft 07 reads nothing else.
        if several.len() == 1
            && let Some(only) = map.remove("anyOf")
        {
            map.insert("allOf".to_owned(), only);
        }
    }
    // A doc comment is broken where the source is full, not where a sentence ends.
    if let Some(Json::String(text)) = map.get_mut("description") {
        let paragraphs: Vec<String> = text.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect();
        *text = paragraphs.join("\n\n");
    }
}

/// Choices that are each a schema of their own, as one list of words with their meanings in the description.
fn one_enum(map: &mut Map<String, Json>) {
    let word = |choice: &Json| Some((choice.get("const")?.clone(), choice.get("description")?.as_str()?.to_owned()));
    let choices = map.get("oneOf").and_then(Json::as_array);
    let Some(all) = choices.and_then(|all| all.iter().map(word).collect::<Option<Vec<_>>>()) else { return };
    map.remove("oneOf");
    let meanings: Vec<String> = all.iter().map(|(word, means)| format!("- {word}: {means}")).collect();
    let about = map.get("description").and_then(Json::as_str).unwrap_or_default();
    map.insert("description".to_owned(), format!("{about}\n\n{}", meanings.join("\n")).into());
    map.insert("type".to_owned(), "string".into());
    map.insert("enum".to_owned(), all.into_iter().map(|(word, _)| word).collect());
}

fn may_be_unset(map: &mut Map<String, Json>) {
    let Some(properties) = map.get_mut("properties").and_then(Json::as_object_mut) else { return };
    let says = "Takes away what the `base` of the recipe has here; beside it stands only what names it.";
    properties.insert("unset".to_owned(), json!({ "const": true, "description": says }));
    if let Some(required) = map.remove("required") {
        map.insert("if".to_owned(), json!({ "required": ["unset"] }));
        map.insert("then".to_owned(), json!(true));
        map.insert("else".to_owned(), json!({ "required": required }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk<'s>(schema: &'s Json, at: &str, see: &mut impl FnMut(&str, &'s Map<String, Json>)) {
        match schema {
            Json::Object(map) => {
                see(at, map);
                map.iter().for_each(|(word, below)| walk(below, &format!("{at}/{word}"), see));
            }
            Json::Array(all) => all.iter().for_each(|one| walk(one, at, see)),
            _ => {}
        }
    }

    #[test]
    fn every_key_is_described_and_no_table_takes_a_stranger() {
        let schema = schema();
        let mut bare = Vec::new();
        walk(&schema, "", &mut |at, map| {
            let Some(Json::Object(properties)) = map.get("properties") else { return };
            if map.get("additionalProperties") != Some(&json!(false)) {
                bare.push(format!("{at} takes any key"));
            }
            let silent = properties.iter().filter(|(_, key)| key.get("description").is_none());
            // The one key of a choice is described by the choice.
            let silent = silent.filter(|_| !at.ends_with("/anyOf"));
            bare.extend(silent.map(|(name, _)| format!("{at}/{name} is not described")));
        });
        assert_eq!(bare, Vec::<String>::new());
    }

    #[test]
    fn nothing_is_null_and_a_number_may_be_a_reference() {
        let schema = schema();
        walk(&schema, "", &mut |at, map| {
            assert_ne!(map.get("type"), Some(&json!("null")), "{at}");
            assert!(!map.get("type").and_then(Json::as_array).is_some_and(|all| all.contains(&json!("null"))), "{at}");
        });
        let port = schema.pointer("/definitions/Postgres/properties/port").unwrap();
        assert_eq!(port.get("type"), Some(&json!(["integer", "string"])));
        assert_eq!(port.get("pattern"), Some(&json!(REFERENCE)));
        let path = schema.pointer("/definitions/AbsolutePath/pattern").unwrap();
        assert_eq!(path, r"\{\{|^/");
        let kind = schema.pointer("/definitions/PostgresHbaType/anyOf/0/enum").unwrap();
        assert_eq!(kind, &json!(["local", "host", "hostssl", "hostnossl", "hostgssenc", "hostnogssenc"]));
        assert_eq!(schema.pointer("/properties/format/type"), Some(&json!("integer")));
        assert_eq!(schema.pointer("/properties/user/type"), Some(&json!("array")));
    }
}
