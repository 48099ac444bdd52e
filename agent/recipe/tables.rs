//! The recipe as typed tables, and how they become a plan. The only list of all features.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::engine::{Draft, Plan};
use crate::facts::{self, Fact, Facts};
use crate::features::Feature;
use crate::features::apt_source::Source as AptSource;
use crate::features::directory::Directory;
use crate::features::file::File;
use crate::features::group::Group;
use crate::features::host::Host;
use crate::features::link::Link;
use crate::features::nginx::Nginx;
use crate::features::postgres::Postgres;
use crate::features::run::Run;
use crate::features::service::Unit;
use crate::features::ssh::Ssh;
use crate::features::timer::Timer;
use crate::features::tls::Tls;
use crate::features::user::User;
use crate::problem::Problems;

use super::base;
use super::deserialize::read;
use super::document::{Node, Value};
use super::guide::Guide;
use super::interpolate;
use super::literal::Literal;
use super::loading::{self, Document};
use super::schema;

/// What a host shall be. Every string may use `{{ vars.NAME }}` and `{{ facts.NAME }}`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "hostagent recipe")]
pub struct Recipe {
    /// The format of the recipe: 1. A recipe that only names a base and sets variables may leave it out.
    #[schemars(range(min = 1, max = 1))]
    pub format: Option<u8>,
    /// The recipe that this one extends: tables merge, lists of tables merge by `name` or `path`. Either the name of one
    /// beside this recipe or of the image, or the address of one elsewhere: `"s3://BUCKET/KEY"`, `"ssm:/PATH"`, or
    /// `{ url = "https://…", sha256 = "…" }`.
    #[schemars(with = "Option<base::Written>")]
    pub base: Option<String>,
    /// Variables: a value is the default, `{ required = "what it is" }` has none and must be given with `--var`.
    #[schemars(with = "Option<std::collections::BTreeMap<String, serde_json::Value>>")]
    pub vars: Option<toml::Table>,
    /// The host itself: its name, time zone, locale, packages, swap and kernel parameters.
    pub host: Option<Host>,
    /// Sources of packages beside the distribution's own.
    pub apt_source: Option<Vec<AptSource>>,
    /// Groups.
    pub group: Option<Vec<Group>>,
    /// Users, their groups, keys and sudo rights. Never deleted.
    pub user: Option<Vec<User>>,
    /// Directories.
    pub directory: Option<Vec<Directory>>,
    /// Files.
    pub file: Option<Vec<File>>,
    /// Symbolic links.
    pub link: Option<Vec<Link>>,
    /// The SSH server's settings.
    pub ssh: Option<Ssh>,
    /// Services of the host: whether they run, start at boot, and what their units say.
    pub service: Option<Vec<Unit>>,
    /// Commands that run by the calendar.
    pub timer: Option<Vec<Timer>>,
    /// The web server and its sites.
    pub nginx: Option<Nginx>,
    /// Certificates, issued and renewed by themselves.
    pub tls: Option<Tls>,
    /// The PostgreSQL server, its roles, databases, grants and client authentication.
    pub postgres: Option<Postgres>,
    /// Commands for what has no table; each says how to tell that it has run.
    pub run: Option<Vec<Run>>,
}

impl Recipe {
    /// Adds what every table wants to a draft.
    fn compile(&self, facts: &Facts, plan: &mut Draft) {
        // Named one by one, so that a table that is forgotten does not compile.
        let Self {
            format: _,
            base: _,
            vars: _,
            host,
            apt_source,
            group,
            user,
            directory,
            file,
            link,
            ssh,
            service,
            timer,
            nginx,
            tls,
            postgres,
            run,
        } = self;
        table(host.as_ref(), facts, plan);
        table(apt_source.as_ref(), facts, plan);
        table(group.as_ref(), facts, plan);
        table(user.as_ref(), facts, plan);
        table(directory.as_ref(), facts, plan);
        table(file.as_ref(), facts, plan);
        table(link.as_ref(), facts, plan);
        table(ssh.as_ref(), facts, plan);
        table(nginx.as_ref(), facts, plan);
        table(tls.as_ref(), facts, plan);
        table(postgres.as_ref(), facts, plan);
        // After the tables that run units of their own: of those it may only add drop-ins.
        table(service.as_ref(), facts, plan);
        // After every table that runs units: it makes units of its own and must not take one of theirs.
        table(timer.as_ref(), facts, plan);
        table(run.as_ref(), facts, plan);
    }
}

fn table<F: Feature>(table: Option<&F>, facts: &Facts, plan: &mut Draft) {
    if let Some(feature) = table {
        feature.compile(facts, plan);
    }
}

/// Makes a plan of a document, on a host of which these facts are known.
///
/// # Errors
/// Every problem of the recipe at once, each with its place.
pub fn plan(document: &Document, known: &Facts) -> Result<Plan, Problems> {
    let names: Vec<&str> = facts::Facts::names().collect();
    let value = |name: &str| known.value(name).map(literal);
    let (mut node, mut problems) = document.resolve(&interpolate::Facts { names: &names, value: &value });
    let guide = Guide::new(schema::raw);
    if let Some(recipe) = read::<Recipe>(&mut node, &guide, &mut problems) {
        let mut draft = Draft::default();
        recipe.compile(known, &mut draft);
        match draft.finish() {
            Ok(plan) => return Ok(plan),
            Err(found) => problems.extend(found),
        }
    } else {
        // Not only what cannot be read is told, but also what is wrong with the rest.
        keep_sound(&mut node);
        if let Some(recipe) = read::<Recipe>(&mut node, &guide, &mut Problems::default()) {
            let mut part = Draft::of_a_part();
            recipe.compile(known, &mut part);
            problems.extend(part.problems());
        }
        // The elements of its lists are counted without those that were taken out.
        problems.locate(|place| loading::locate(&node, place));
    }
    problems.locate(|place| document.locate(place));
    Err(problems)
}

/// Takes out what is withheld, and of a list every element of which something is: what is said of the rest of it would
/// only follow from that.
fn keep_sound(node: &mut Node) {
    match &mut node.value {
        Value::Table(table) => {
            table.retain(|_, entry| !entry.value.is_withheld());
            for entry in table.values_mut() {
                keep_sound(&mut entry.value);
            }
        }
        Value::Array(elements) => elements.retain(|element| !element.has_withheld()),
        _ => {}
    }
}

fn literal(fact: Fact) -> Literal {
    match fact {
        Fact::Text(text) => Literal::String(text),
        Fact::Number(number) => Literal::Integer(number),
        Fact::Bool(yes) => Literal::Bool(yes),
        Fact::List(list) => Literal::Array(list.into_iter().map(Literal::String).collect()),
    }
}
