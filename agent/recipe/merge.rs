//! A recipe over its base: tables merge, arrays of tables merge by `name` or `path`, all else is replaced.
//!
//! `unset = true` in a table takes away what the base has under the same key, or with the same name.

use super::document::{Entry, Node, Table, Value};
use crate::problem::{Problem, Problems};

/// The keys that tell the elements of an array of tables apart; the first that an element has.
const IDENTITY: [&str; 2] = ["name", "path"];

/// `child` over `base`. Each value keeps the place where it was written.
///
/// Names are compared as they are written, before variables are put in.
pub fn merge(base: Node, child: Node, problems: &mut Problems) -> Node {
    let span = child.span;
    let value = match (base.value, child.value) {
        (Value::Table(below), Value::Table(above)) => Value::Table(tables(below, above, problems)),
        (Value::Array(below), Value::Array(above)) if are_identified(&below) && are_identified(&above) => {
            Value::Array(arrays(below, above, problems))
        }
        (_, above) => above,
    };
    Node { value, span, woven: child.woven }
}

/// Notes every `unset = true` that is left after merging and withholds its table: there was nothing to take away.
pub fn refuse_unset(node: &mut Node, problems: &mut Problems) {
    if is_unset(node) {
        let at = node.table().and_then(|table| table.get("unset")).map_or(&node.span, |entry| &entry.key);
        let problem = Problem::new(at, "there is nothing to unset");
        problems.push(problem.hint("`unset = true` takes away what the `base` of a recipe has"));
        node.value = Value::Withheld;
        return;
    }
    match &mut node.value {
        Value::Array(elements) => elements.iter_mut().for_each(|element| refuse_unset(element, problems)),
        Value::Table(table) => table.values_mut().for_each(|entry| refuse_unset(&mut entry.value, problems)),
        _ => {}
    }
}

fn tables(mut below: Table, above: Table, problems: &mut Problems) -> Table {
    for (key, entry) in above {
        let merged = match below.remove(&key) {
            Some(_) if is_unset(&entry.value) => continue,
            Some(old) => Entry { key: entry.key, value: merge(old.value, entry.value, problems) },
            None => entry,
        };
        below.insert(key, merged);
    }
    below
}

/// The elements of the base in their order, then the new ones.
fn arrays(below: Vec<Node>, above: Vec<Node>, problems: &mut Problems) -> Vec<Node> {
    let mut merged: Vec<Option<Node>> = below.into_iter().map(Some).collect();
    let mut places: std::collections::BTreeMap<(&'static str, String), usize> =
        merged.iter().enumerate().rev().filter_map(|(index, node)| Some((identity(node.as_ref()?)?, index))).collect();
    for element in above {
        // Each place is taken once: the second of two elements with one name stays for the reader to refuse.
        let place = identity(&element).and_then(|identity| places.remove(&identity));
        match place.and_then(|index| merged.get_mut(index)) {
            Some(slot) if is_unset(&element) => *slot = None,
            Some(slot) => *slot = slot.take().map(|old| merge(old, element, problems)),
            None if is_unset(&element) => {
                note_unknown(&element, places.keys().map(|(_, name)| name.as_str()), problems);
            }
            None => merged.push(Some(element)),
        }
    }
    merged.into_iter().flatten().collect()
}

fn note_unknown<'a>(element: &Node, known: impl Iterator<Item = &'a str>, problems: &mut Problems) {
    if let Some((key, name)) = identity(element) {
        let at = name_of(element).map_or(&element.span, |node| &node.span);
        let problem = Problem::new(at, format!("nothing to unset: the base has none with `{key} = {name:?}`"));
        problems.push(problem.did_you_mean(&name, known));
    }
}

/// An array of which every element says which one it is; an empty one empties the base's.
fn are_identified(elements: &[Node]) -> bool {
    !elements.is_empty() && elements.iter().all(|element| identity(element).is_some())
}

/// What tells an element of an array of tables from the others.
pub fn name_of(element: &Node) -> Option<&Node> {
    let table = element.table()?;
    IDENTITY.into_iter().find_map(|key| Some(&table.get(key)?.value))
}

fn identity(node: &Node) -> Option<(&'static str, String)> {
    let table = node.table()?;
    let (key, entry) = IDENTITY.into_iter().find_map(|key| Some((key, table.get(key)?)))?;
    Some((key, entry.value.string()?.to_owned()))
}

fn is_unset(node: &Node) -> bool {
    node.table().and_then(|table| table.get("unset")).is_some_and(|entry| entry.value.value == Value::Bool(true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::{KeyPath, Style};
    use crate::recipe::document;

    fn merged(base: &str, child: &str) -> (Node, Problems) {
        let mut problems = Problems::default();
        let mut node = |name: &str, text: &str| {
            let source = problems.sources_mut().add(name, text);
            document::parse(source, text, &mut problems).unwrap()
        };
        let (below, above) = (node("base.toml", base), node("child.toml", child));
        let mut root = merge(below, above, &mut problems);
        refuse_unset(&mut root, &mut problems);
        (root, problems)
    }

    const BASE: &str = "\
[host]
packages = [\"curl\", \"jq\"]
swap = \"1GiB\"
[[nginx.site]]
name = \"api\"
port = 1
proxy = { to = [\"a\"] }
[[nginx.site]]
name = \"old\"
[[file]]
path = \"/etc/motd\"
mode = \"0644\"
[[hba]]
user = \"a\"
";

    #[test]
    fn tables_merge_and_the_rest_is_replaced() {
        let child = "\
[host]
packages = [\"vim\"]
[[nginx.site]]
name = \"web\"
[[nginx.site]]
name = \"api\"
port = 2
proxy = { unset = true }
[[nginx.site]]
name = \"old\"
unset = true
[[file]]
path = \"/etc/motd\"
owner = \"root\"
[[hba]]
user = \"b\"
";
        let (root, problems) = merged(BASE, child);
        assert!(problems.is_empty(), "{}", problems.render(Style::Plain));
        let at = |path: KeyPath| problems.sources().text(&root.get(&path).unwrap().span).to_owned();
        let top = KeyPath::root;
        let sites = top().key("nginx").key("site");
        assert_eq!(at(top().key("host").key("packages")), "[\"vim\"]");
        assert_eq!(at(top().key("host").key("swap")), "\"1GiB\"");
        assert_eq!(at(sites.index(0).key("name")), "\"api\"");
        assert_eq!(at(sites.index(0).key("port")), "2");
        assert!(root.get(&sites.index(0).key("proxy")).is_none());
        assert_eq!(at(sites.index(1).key("name")), "\"web\"");
        assert!(root.get(&sites.index(2)).is_none());
        assert_eq!(at(top().key("file").index(0).key("mode")), "\"0644\"");
        assert_eq!(at(top().key("file").index(0).key("owner")), "\"root\"");
        assert_eq!(at(top().key("hba").index(0).key("user")), "\"b\"");
        assert!(root.get(&top().key("hba").index(1)).is_none());
    }

    #[test]
    fn two_elements_with_one_name_are_not_merged_into_each_other() {
        let (root, _) = merged(BASE, "[[file]]\npath = \"/etc/motd\"\n[[file]]\npath = \"/etc/motd\"\n");
        assert!(root.get(&KeyPath::root().key("file").index(1)).is_some());
    }

    #[test]
    fn unset_without_something_to_unset_is_a_problem() {
        let child = "[[nginx.site]]\nname = \"odl\"\nunset = true\n[postgres]\nunset = true\n";
        let (_, problems) = merged(BASE, child);
        assert_eq!(
            problems.render(Style::Plain),
            "\
error: nothing to unset: the base has none with `name = \"odl\"`
 --> child.toml:2:8
  |
2 | name = \"odl\"
  |        ^^^^^
  |
  = help: did you mean `old`?

error: there is nothing to unset
 --> child.toml:5:1
  |
5 | unset = true
  | ^^^^^
  |
  = help: `unset = true` takes away what the `base` of a recipe has

2 problems; nothing was touched
"
        );
    }
}
