//! `[host]`: what a host is by itself: its name, time zone, locale, packages, swap and kernel values.
//!
//! For those who come from the role geerlingguy.swap: `swap_file_path` and `swap_file_size_mb` are `swap_path` and `swap`,
//! `swap_swappiness` is `sysctl = { "vm.swappiness" = 10 }`, and `swap_file_state: absent` is to leave `swap` out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use super::{Feature, needs_package};
use crate::engine::Draft;
use crate::facts::Facts;
use crate::problem::KeyPath;
use crate::resources::hostname::Hostname;
use crate::resources::locale::{DefaultLocale, Locale, is_built_in, is_name};
use crate::resources::package::Package;
use crate::resources::swap::Swap;
use crate::resources::sysctl::Sysctl;
use crate::resources::timezone::Timezone;
use crate::terms::{AbsolutePath, HostName, PackageName, Size, TextOrNumber};

/// The host itself.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Its name, plain or with its domain. It resolves on the host itself. Default: not managed.
    #[serde(default)]
    pub hostname: Option<HostName>,
    /// Its time zone, by its name in the tz database, such as `"Europe/Berlin"`. Default: not managed.
    #[serde(default)]
    pub timezone: Option<String>,
    /// The locale that programs use unless told otherwise, such as `"en_US.UTF-8"`. Default: not managed.
    #[serde(default)]
    pub locale: Option<String>,
    /// Further locales that programs can use. Default: none.
    #[serde(default)]
    pub locales: Vec<String>,
    /// Packages that are installed: names, or `{ name = "…", version = "…" }` for a version of one. Default: none.
    #[serde(default)]
    pub packages: Vec<PackageWish>,
    /// The size of a swap file, such as `"1GiB"`. Leaving it out takes hostagent's swap file away again. Default: none.
    #[serde(default)]
    pub swap: Option<Size>,
    /// Where the swap file is. Default: `"/swapfile"`.
    #[serde(default)]
    pub swap_path: Option<AbsolutePath>,
    /// Kernel values by their names in sysctl(8), such as `"net.core.somaxconn" = 1024`, now and at every boot. Default: none.
    #[serde(default)]
    pub sysctl: BTreeMap<String, KernelValue>,
}

/// A package and how it is wanted; a name alone stands for `{ name = … }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageWish(PackageTable);

/// A package and how it is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PackageTable {
    /// Its name.
    name: PackageName,
    /// Its version, or a pattern such as `"1.22.*"`. Default: any; a new one gets the newest there is.
    #[serde(default)]
    version: Option<String>,
    /// Whether it must not be installed. Default: `false`.
    #[serde(default)]
    absent: bool,
    /// Whether packages that it recommends come with it. Default: `false`.
    #[serde(default)]
    recommends: bool,
}

impl<'de> Deserialize<'de> for PackageWish {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PackageVisitor)
    }
}

struct PackageVisitor;

impl<'de> Visitor<'de> for PackageVisitor {
    type Value = PackageWish;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a package, or `{ name = …, version = … }`")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<PackageWish, E> {
        let name = PackageName::try_from(name.to_owned()).map_err(E::custom)?;
        Ok(PackageWish(PackageTable { name, version: None, absent: false, recommends: false }))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<PackageWish, A::Error> {
        Ok(PackageWish(PackageTable::deserialize(MapAccessDeserializer::new(map))?))
    }
}

impl JsonSchema for PackageWish {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Package".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<PackageTable>();
        json_schema!({ "anyOf": [generator.subschema_for::<PackageName>(), table] })
    }
}

/// A kernel value: a number, or text such as `"4096 131072 6291456"`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "TextOrNumber")]
#[schemars(with = "TextOrNumber")]
pub struct KernelValue(String);

impl TryFrom<TextOrNumber> for KernelValue {
    type Error = String;

    fn try_from(TextOrNumber(text): TextOrNumber) -> Result<Self, String> {
        if text.contains(['\n', '\r']) || text.trim().is_empty() {
            return Err("a kernel value is one line\nhint: numbers with blanks between, or a word".to_owned());
        }
        Ok(Self(text.trim().to_owned()))
    }
}

impl Host {
    fn packages(&self, here: &KeyPath, plan: &mut Draft) {
        for (index, PackageWish(wish)) in self.packages.iter().enumerate() {
            plan.at(here.key("packages").index(index));
            let (version, absent, recommends) = (wish.version.clone(), wish.absent, wish.recommends);
            plan.add(Package { name: wish.name.to_string(), version, absent, recommends });
        }
    }

    fn zone(&self, here: &KeyPath, plan: &mut Draft) {
        let Some(zone) = &self.timezone else { return };
        plan.at(here.key("timezone"));
        let is_part = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_alphabetic())
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+-".contains(&b))
        };
        if !zone.split('/').all(is_part) {
            return plan
                .problem(format!("`{zone}` is not the name of a time zone"), "such as `Etc/UTC` or `Europe/Berlin`");
        }
        needs_package(plan, "tzdata");
        plan.add(Timezone { zone: zone.clone() });
    }

    fn locales(&self, here: &KeyPath, plan: &mut Draft) {
        let further = self.locales.iter().enumerate().map(|(index, name)| (here.key("locales").index(index), name));
        let default = self.locale.iter().map(|name| (here.key("locale"), name));
        let mut seen = BTreeSet::new();
        for (here, name) in default.chain(further) {
            plan.at(here);
            if !is_name(name) {
                plan.problem(format!("`{name}` is not the name of a locale"), "such as `en_US.UTF-8` or `C.UTF-8`");
            } else if seen.insert(name) && !is_built_in(name) {
                needs_package(plan, "locales");
                plan.add(Locale { name: name.clone() });
            }
        }
        if let Some(name) = &self.locale {
            plan.at(here.key("locale"));
            plan.add(DefaultLocale { name: name.clone() });
        }
    }

    fn swap(&self, here: &KeyPath, plan: &mut Draft) {
        let path = self.swap_path.clone().map_or_else(|| PathBuf::from("/swapfile"), PathBuf::from);
        match self.swap {
            Some(size) if size.bytes() < 1 << 20 => {
                plan.problem_at(
                    here.key("swap"),
                    "less than 1 MiB is no swap",
                    "such as `\"1GiB\"`; leave it out for none",
                );
            }
            Some(size) => {
                plan.at(here.key("swap"));
                plan.add(Swap { path, size });
            }
            None if self.swap_path.is_some() && plan.is_whole() => {
                plan.problem_at(
                    here.key("swap_path"),
                    "a place for swap, but no size",
                    "add `swap = \"1GiB\"`, or take it out",
                );
            }
            None => {}
        }
    }

    fn kernel(&self, here: &KeyPath, plan: &mut Draft) {
        let here = here.key("sysctl");
        for key in self.sysctl.keys() {
            let part = |part: &str| {
                !part.is_empty()
                    && part != ".."
                    && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-@:".contains(&b))
            };
            if !key.split(['.', '/']).all(part) {
                let hint = "words with dots between, such as `\"net.core.somaxconn\"`, in quotes";
                plan.problem_with_key(here.key(key), format!("`{key}` is not the name of a kernel value"), hint);
                return;
            }
        }
        if !self.sysctl.is_empty() {
            plan.at(here);
            let values = self.sysctl.iter().map(|(key, value)| (key.clone(), value.0.clone())).collect();
            plan.add(Sysctl { name: Self::TABLE.to_owned(), values });
        }
    }
}

impl Feature for Host {
    const TABLE: &'static str = "host";

    fn compile(&self, _facts: &Facts, plan: &mut Draft) {
        let here = KeyPath::root().key(Self::TABLE);
        // First, so that a version named here holds for those that need the package too.
        self.packages(&here, plan);
        if let Some(name) = &self.hostname {
            plan.at(here.key("hostname"));
            plan.add(Hostname { name: name.clone() });
        }
        self.zone(&here, plan);
        self.locales(&here, plan);
        self.swap(&here, plan);
        self.kernel(&here, plan);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str) -> Result<Vec<String>, Vec<String>> {
        let host: Host = toml::from_str(text).unwrap();
        let mut plan = Draft::default();
        host.compile(&Facts::default(), &mut plan);
        let plan =
            plan.finish().map_err(|problems| problems.into_iter().map(|problem| problem.says).collect::<Vec<_>>())?;
        Ok(plan.ids().map(ToString::to_string).collect())
    }

    #[test]
    fn a_host_has_all_its_parts() {
        let text = "hostname = \"api.example.org\"\ntimezone = \"Etc/UTC\"\nlocale = \"en_US.UTF-8\"\nlocales = [\"en_US.UTF-8\", \"C.UTF-8\"]\n\
                    packages = [\"curl\", { name = \"tzdata\", version = \"2025b-0+deb12u1\" }]\nswap = \"1GiB\"\nsysctl = { \"vm.swappiness\" = 10 }\n";
        let ids = [
            "host:hostname",
            "package:curl",
            "package:tzdata",
            "package:locales",
            "host:timezone",
            "locale:en_US.UTF-8",
            "host:locale",
            "swap:/swapfile",
            "sysctl:host",
        ];
        let mut found = plan(text).unwrap();
        let mut wanted = ids.map(str::to_owned).to_vec();
        found.sort();
        wanted.sort();
        assert_eq!(found, wanted);
    }

    #[test]
    fn a_package_that_must_be_absent_and_is_needed_is_a_problem_that_names_both() {
        let text = "packages = [\"curl\", { name = \"tzdata\", absent = true }]\ntimezone = \"Etc/UTC\"\n";
        let says = "the package `tzdata` is needed here, and `host.packages[1]` wants it absent";
        assert_eq!(plan(text).unwrap_err(), [says]);
    }

    #[test]
    fn nothing_is_wanted_of_an_empty_table() {
        assert_eq!(plan("").unwrap(), Vec::<String>::new());
    }

    #[test]
    fn names_are_checked_before_anything_is_touched() {
        for (text, says) in [
            ("timezone = \"../etc/passwd\"", "`../etc/passwd` is not the name of a time zone"),
            ("locale = \"en US\"", "`en US` is not the name of a locale"),
            ("swap = \"1kB\"", "less than 1 MiB is no swap"),
            ("swap_path = \"/swap\"", "a place for swap, but no size"),
            ("sysctl = { \"net..x\" = 1 }", "`net..x` is not the name of a kernel value"),
        ] {
            assert_eq!(plan(text).unwrap_err(), [says]);
        }
    }
}
