//! Settings of systemd units as recipes write them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::{OneOrMany, SettingValue};

/// The value of one setting, or several, which is the setting several times. An empty string takes back what the unit says
/// (systemd.syntax(7)).
type UnitSetting = OneOrMany<SettingValue>;

/// The content of a drop-in: tables of settings by section, `{ Service = { LimitNOFILE = 65536 } }`, or its text.
#[derive(Debug, Clone, PartialEq)]
pub enum UnitSettings {
    /// Sections and their settings.
    Sections(BTreeMap<String, BTreeMap<String, UnitSetting>>),
    /// The file's text.
    Text(String),
}

impl UnitSettings {
    /// The text of a unit file that says so.
    ///
    /// # Errors
    /// What cannot stand in one.
    pub fn text(&self) -> Result<String, String> {
        let sections = match self {
            Self::Text(text) if text.is_empty() || text.ends_with('\n') => return Ok(text.clone()),
            Self::Text(text) => return Ok(format!("{text}\n")),
            Self::Sections(sections) => sections,
        };
        let mut text = String::new();
        for (section, settings) in sections {
            if section.is_empty() || section.contains(|c: char| c.is_control() || c == '[' || c == ']') {
                return Err(format!("`{section}` is not the name of a section"));
            }
            let gap = if text.is_empty() { "" } else { "\n" };
            let _ = writeln!(text, "{gap}[{section}]");
            for (key, values) in settings {
                if key.is_empty() || !key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
                    return Err(format!("`{key}` is not the name of a setting"));
                }
                for value in values.iter().map(|value| value.text("yes", "no")) {
                    if value.contains(char::is_control) || value.ends_with('\\') {
                        return Err(format!("the value of `{key}` must be one line"));
                    }
                    let _ = writeln!(text, "{key}={value}");
                }
            }
        }
        Ok(text)
    }
}

impl<'de> Deserialize<'de> for UnitSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = UnitSettings;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of sections, such as { Service = { Nice = 5 } }, or a string")
            }

            fn visit_str<E>(self, text: &str) -> Result<UnitSettings, E> {
                Ok(UnitSettings::Text(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<UnitSettings, A::Error> {
                let mut sections = BTreeMap::new();
                while let Some((name, settings)) = map.next_entry()? {
                    sections.insert(name, settings);
                }
                Ok(UnitSettings::Sections(sections))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for UnitSettings {
    fn schema_name() -> Cow<'static, str> {
        "UnitSettings".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let setting = generator.subschema_for::<UnitSetting>();
        json_schema!({
            "description": "Sections and their settings, or the text of the drop-in.",
            "type": ["object", "string"],
            "additionalProperties": { "type": "object", "additionalProperties": setting }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(toml: &str) -> Result<String, String> {
        #[derive(serde::Deserialize)]
        struct Table {
            drop_in: UnitSettings,
        }
        toml::from_str::<Table>(toml).unwrap().drop_in.text()
    }

    #[test]
    fn sections_of_a_recipe_are_a_unit_file() {
        let toml = "[drop_in.Service]\nLimitNOFILE = 65536\nPrivateTmp = true\nExecStart = [\"\", \"/bin/a -b\"]\n[drop_in.Unit]\nAfter = \"b.service\"\n";
        assert_eq!(
            text(toml).unwrap(),
            "[Service]\nExecStart=\nExecStart=/bin/a -b\nLimitNOFILE=65536\nPrivateTmp=yes\n\n[Unit]\nAfter=b.service\n"
        );
        assert_eq!(text("drop_in = \"[Service]\\nNice=1\"").unwrap(), "[Service]\nNice=1\n");
    }

    #[test]
    fn a_value_cannot_smuggle_in_another_line() {
        assert_eq!(
            text("[drop_in.Service]\nNice = \"1\\nUser=root\"\n").unwrap_err(),
            "the value of `Nice` must be one line"
        );
        assert_eq!(text("[drop_in.Service]\n\"Nice=1 \" = 1\n").unwrap_err(), "`Nice=1 ` is not the name of a setting");
        assert_eq!(text("[drop_in.\"Service]\"]\nNice = 1\n").unwrap_err(), "`Service]` is not the name of a section");
    }
}
