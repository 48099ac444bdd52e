//! One value, or a list of them.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, IntoDeserializer, MapAccess, SeqAccess, Visitor};

/// One value, or a list of them: `user = "app"` is `user = ["app"]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneOrMany<T>(Vec<T>);

impl<T> OneOrMany<T> {
    /// A lone one.
    pub fn one(value: T) -> Self {
        Self(vec![value])
    }
}

impl<T> Deref for OneOrMany<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'a, T> IntoIterator for &'a OneOrMany<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);

        /// What is no list is the one value, and its type says what it thinks of it.
        fn lone<'de, T: Deserialize<'de>, E: Error>(value: impl IntoDeserializer<'de, E>) -> Result<OneOrMany<T>, E> {
            T::deserialize(value.into_deserializer()).map(OneOrMany::one)
        }

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = OneOrMany<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one value or an array of them")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                lone(text)
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
                lone(number)
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
                lone(number)
            }

            fn visit_bool<E: Error>(self, yes: bool) -> Result<Self::Value, E> {
                lone(yes)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while let Some(one) = list.next_element()? {
                    all.push(one);
                }
                Ok(OneOrMany(all))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(OneOrMany::one)
            }
        }

        deserializer.deserialize_any(Either(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMany{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [one, { "type": "array", "items": one }] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct Table<T> {
        it: OneOrMany<T>,
    }

    #[test]
    fn one_value_is_a_list_of_one() {
        let names = |text: &str| toml::from_str::<Table<String>>(text).map(|table| table.it.to_vec());
        assert_eq!(names("it = \"a\"").unwrap(), ["a"]);
        assert_eq!(names("it = [\"a\", \"b\"]").unwrap(), ["a", "b"]);
        assert_eq!(names("it = []").unwrap(), Vec::<String>::new());
        assert!(names("it = 1").is_err() && names("it = [[\"a\"]]").is_err() && names("it = {}").is_err());
        assert_eq!(toml::from_str::<Table<i64>>("it = 5").unwrap().it.to_vec(), [5]);
    }
}
