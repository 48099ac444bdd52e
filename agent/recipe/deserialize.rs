//! A tree to a serde struct, with every complaint of the struct and not just the first.
//!
//! serde stops at the first complaint. So it is noted, the piece it is about is withheld from the tree, and the whole
//! is read again, until nothing is disliked. What follows from a withheld piece is not reported.

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::complaint::{Complaint, Kind};
use super::document::{Entry, Node, Value};
use super::guide::Guide;
use super::literal::Literal;
use super::wording::{self, near_key};
use crate::problem::{Place, Problem, Problems, SHOWN, Step};
use crate::secret::SecretRef;

/// Reads `node` as a `T` and notes all that is wrong with it; what is wrong is withheld in `node` afterwards.
///
/// `None` when `problems` holds anything at the end, also from before: what was withheld may be missing in the value.
pub fn read<T: DeserializeOwned>(node: &mut Node, guide: &Guide, problems: &mut Problems) -> Option<T> {
    let enough = problems.len() + SHOWN;
    while problems.len() < enough {
        let complaint = match T::deserialize(Reader { node }) {
            Ok(value) => return problems.is_empty().then_some(value),
            Err(complaint) => complaint,
        };
        if !is_consequence(&complaint, node) {
            hide(&complaint, node, problems);
            if let Some(problem) = wording::problem(&complaint, node, guide, problems.sources()) {
                problems.push(problem);
            }
        }
        if !withhold(node, &complaint) {
            break;
        }
    }
    if problems.is_empty() {
        problems.push(Problem::new(Place::Nowhere, "the recipe cannot be read"));
    }
    None
}

/// Whatever key it stands under: what was written in the place of a secret is one.
fn hide(complaint: &Complaint, root: &Node, problems: &mut Problems) {
    if *complaint.kind() == Kind::LiteralSecret
        && let Some(node) = root.get(&complaint.path())
    {
        problems.sources_mut().hide(&node.span);
    }
}

/// Whether it is only there because something else is withheld.
fn is_consequence(complaint: &Complaint, root: &Node) -> bool {
    let Some(node) = root.get(&complaint.path()) else {
        return false;
    };
    match complaint.kind() {
        Kind::Consequence => true,
        Kind::Missing(key) => {
            node.table().and_then(|table| table.get(*key)).is_some_and(|entry| entry.value.is_withheld())
        }
        Kind::Custom(_) | Kind::Unexpected { .. } => !complaint.is_about_key() && node.has_withheld(),
        _ => false,
    }
}

/// Takes the piece out that the complaint is about; `false` when that would be everything.
fn withhold(root: &mut Node, complaint: &Complaint) -> bool {
    let path = complaint.path();
    let Some(parent) = path.parent() else {
        return false;
    };
    if let Kind::UnknownKey { key, known } = complaint.kind()
        && let Some(table) = root.get_mut(&parent).and_then(Node::table_mut)
        && let Some(entry) = table.get_mut(key)
    {
        entry.value.value = Value::Withheld;
        let (at, span) = (entry.key.clone(), entry.value.span.clone());
        // A mistyped key stands in for the one that was meant, so that the latter is not reported as missing.
        if let Some(meant) = near_key(key, known) {
            let absent = Node::new(Value::Withheld, span);
            table.entry(meant.to_owned()).or_insert(Entry { key: at, value: absent });
        }
        return true;
    }
    match root.get_mut(&path) {
        Some(node) if !node.is_withheld() => {
            node.value = Value::Withheld;
            true
        }
        _ => false,
    }
}

/// A node as serde reads it.
#[derive(Clone, Copy, Debug)]
struct Reader<'de> {
    node: &'de Node,
}

impl<'de> Reader<'de> {
    fn new(node: &'de Node) -> Self {
        Self { node }
    }

    fn no_choice<T>(self, known: &'static [&'static str]) -> Result<T, Complaint> {
        Err(Complaint::new(if self.node.has_withheld() { Kind::Consequence } else { Kind::NoChoice(known) }))
    }

    /// The text of a string that came out of `{{ … }}`.
    fn woven(self) -> Option<&'de str> {
        self.node.string().filter(|_| self.node.woven)
    }
}

/// Numbers may also be spelled by a string that came out of `{{ … }}`.
macro_rules! numbers {
    ($($name:ident)*) => {
        $(fn $name<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
            match self.woven().map(str::parse::<i64>) {
                Some(Ok(number)) => visitor.visit_i64(number),
                _ => self.deserialize_any(visitor),
            }
        })*
    };
}

/// Fractions too.
macro_rules! fractions {
    ($($name:ident)*) => {
        $(fn $name<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
            match self.woven().map(str::parse::<f64>) {
                Some(Ok(number)) if number.is_finite() => visitor.visit_f64(number),
                _ => self.deserialize_any(visitor),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = Complaint;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        match &self.node.value {
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Bool(yes) => visitor.visit_bool(*yes),
            Value::Array(elements) => Elements::read_all(elements, visitor),
            Value::Table(table) => visitor.visit_map(Entries { rest: table.iter(), value: None }),
            Value::Withheld => Err(Complaint::new(Kind::Consequence)),
        }
    }

    numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    fractions! { deserialize_f32 deserialize_f64 }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        match self.woven().map(str::parse) {
            Some(Ok(yes)) => visitor.visit_bool(yes),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        self.deserialize_string(visitor)
    }

    /// A lone reference keeps its type, so a number may stand where its text is wanted.
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        match Literal::of(self.node)
            .filter(|_| self.node.woven && self.node.string().is_none())
            .and_then(|it| it.text())
        {
            Some(text) => visitor.visit_string(text),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Complaint> {
        visitor.visit_newtype_struct(self)
    }

    /// A derived struct would also take an array, which nobody means.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        keys: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Complaint> {
        match &self.node.value {
            Value::Table(_) | Value::Withheld => self.deserialize_any(visitor),
            _ if name == SecretRef::NAME => Err(Complaint::new(Kind::LiteralSecret)),
            _ => Err(Complaint::new(Kind::NoTable(keys))),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Complaint> {
        let table = match &self.node.value {
            Value::Table(table) => table,
            Value::Withheld => return Err(Complaint::new(Kind::Consequence)),
            Value::String(text) => return visitor.visit_enum(Choice { name: text, value: None, known }),
            _ => return self.no_choice(known),
        };
        if let Some((unknown, _)) = live(table.iter()).find(|(key, _)| !known.contains(&key.as_str())) {
            let kind = Kind::UnknownChoice { choice: unknown.clone(), known };
            return Err(Complaint::new(kind).about_key(unknown));
        }
        let mut choices = live(table.iter());
        match (choices.next(), choices.next()) {
            (Some((name, entry)), None) => visitor.visit_enum(Choice { name, value: Some(&entry.value), known }),
            (None, _) => self.no_choice(known),
            (Some(_), Some(_)) => {
                let names = live(table.iter()).map(|(name, _)| name.clone()).collect();
                Err(Complaint::new(Kind::ManyChoices(names)))
            }
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        char bytes byte_buf unit unit_struct seq tuple tuple_struct map identifier
    }
}

/// The entries that are not withheld.
fn live<'de>(
    entries: impl Iterator<Item = (&'de String, &'de Entry)>,
) -> impl Iterator<Item = (&'de String, &'de Entry)> {
    entries.filter(|(_, entry)| !entry.value.is_withheld())
}

struct Elements<'de> {
    rest: std::iter::Enumerate<std::slice::Iter<'de, Node>>,
}

impl<'de> Elements<'de> {
    fn read_all<V: Visitor<'de>>(elements: &'de [Node], visitor: V) -> Result<V::Value, Complaint> {
        let mut access = Self { rest: elements.iter().enumerate() };
        let value = visitor.visit_seq(&mut access)?;
        match access.next() {
            // A tuple stops early.
            Some((index, _)) => {
                Err(Complaint::invalid_length(elements.len(), &format!("an array of length {index}").as_str()))
            }
            None => Ok(value),
        }
    }

    fn next(&mut self) -> Option<(usize, &'de Node)> {
        self.rest.find(|(_, node)| !node.is_withheld())
    }
}

impl<'de> SeqAccess<'de> for &mut Elements<'de> {
    type Error = Complaint;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Complaint> {
        let Some((index, node)) = self.next() else {
            return Ok(None);
        };
        seed.deserialize(Reader::new(node)).map(Some).map_err(|complaint| complaint.under(Step::Index(index)))
    }
}

struct Entries<'de> {
    rest: std::collections::btree_map::Iter<'de, String, Entry>,
    value: Option<(&'de str, &'de Node)>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Complaint;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Complaint> {
        let Some((key, entry)) = live(self.rest.by_ref()).next() else {
            return Ok(None);
        };
        self.value = Some((key, &entry.value));
        let reader: StrDeserializer<'_, Complaint> = key.as_str().into_deserializer();
        seed.deserialize(reader).map(Some).map_err(|complaint| complaint.about_key(key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Complaint> {
        let (key, node) = self.value.take().ok_or_else(|| Complaint::new(Kind::Consequence))?;
        seed.deserialize(Reader::new(node)).map_err(|complaint| complaint.under(Step::Key(key.to_owned())))
    }
}

/// One of several: a string, or a table of one key.
struct Choice<'a> {
    name: &'a str,
    value: Option<&'a Node>,
    known: &'static [&'static str],
}

impl<'a> EnumAccess<'a> for Choice<'a> {
    type Error = Complaint;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'a>>(self, seed: V) -> Result<(V::Value, Self), Complaint> {
        let reader: StrDeserializer<'_, Complaint> = self.name.into_deserializer();
        match seed.deserialize(reader) {
            Ok(variant) => Ok((variant, self)),
            Err(complaint) if self.value.is_some() => Err(complaint.about_key(self.name)),
            Err(complaint) => Err(complaint),
        }
    }
}

impl<'a> Choice<'a> {
    /// The name as the type spells it, which outlives the recipe.
    fn known_name(&self) -> &'static str {
        self.known.iter().copied().find(|known| *known == self.name).unwrap_or_default()
    }

    fn value(&self) -> Result<Reader<'a>, Complaint> {
        let without = || Complaint::new(Kind::ChoiceWithoutValue(self.known_name()));
        self.value.map(Reader::new).ok_or_else(without)
    }

    /// The step to a value, of which there is one.
    fn step(&self) -> Step {
        Step::Key(self.name.to_owned())
    }
}

impl<'a> VariantAccess<'a> for Choice<'a> {
    type Error = Complaint;

    fn unit_variant(self) -> Result<(), Complaint> {
        match self.value {
            Some(_) => Err(Complaint::new(Kind::ChoiceWithValue(self.known_name()))),
            None => Ok(()),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'a>>(self, seed: T) -> Result<T::Value, Complaint> {
        seed.deserialize(self.value()?).map_err(|complaint| complaint.under(self.step()))
    }

    fn tuple_variant<V: Visitor<'a>>(self, _: usize, visitor: V) -> Result<V::Value, Complaint> {
        self.value()?.deserialize_any(visitor).map_err(|complaint| complaint.under(self.step()))
    }

    fn struct_variant<V: Visitor<'a>>(self, keys: &'static [&'static str], visitor: V) -> Result<V::Value, Complaint> {
        self.value()?.deserialize_struct("", keys, visitor).map_err(|complaint| complaint.under(self.step()))
    }
}

#[cfg(test)]
mod tests;
