//! The one place where the command line meets the recipe: from file names and `--var` to a plan.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::aws::imds::{Imds, Unanswered};
use crate::engine::Plan;
use crate::facts::ec2::Learned;
use crate::facts::{Facts, templates};
use crate::host::files::{Found, Kind};
use crate::host::{self, CONF_DIR, Host, Look};
use crate::problem::{Problems, nearest};
use crate::recipe;
use crate::recipe::loading::{self, BAKED, Document, Lacking, NotLoaded, load_over};
use crate::report::Lead;
use crate::report::json::About;
use crate::report::out;
use crate::resources::certificate::Certificate;

use super::bases::Bases;
use super::known::{all_answered, gathered};
use super::origin::Origin;
use super::patience::Patience;
use super::refusal::Refusal;

/// No recipe is larger, in bytes: this is another file.
const LARGEST: u64 = 16 << 20;

/// Which recipe, and how it is varied.
#[derive(Debug, Clone, Args)]
pub(super) struct Wanted {
    /// The recipe [default: the user-data that this instance booted with, or else /etc/hostagent/recipe.toml]
    pub recipe: Option<PathBuf>,
    /// Set a variable that the recipe declares under `[vars]`; may be repeated
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = pair)]
    pub vars: Vec<(String, String)>,
    /// Only this table of the recipe (`nginx`) or this resource (`file:/etc/motd`), and what it needs; may be repeated
    #[arg(long, value_name = "TABLE|ID")]
    pub only: Vec<String>,
    #[command(flatten)]
    pub patience: Patience,
}

impl Wanted {
    /// Where the recipe is.
    pub(super) fn path(&self) -> PathBuf {
        self.recipe.clone().unwrap_or_else(|| Path::new(CONF_DIR).join("recipe.toml"))
    }

    /// Whether it is the recipe of this host, and not one that the command line names.
    pub(super) fn is_of_this_host(&self) -> bool {
        self.recipe.is_none()
    }

    /// The recipe as it was named on the command line, after a blank.
    pub(super) fn argument(&self) -> String {
        self.recipe.as_ref().map(|path| format!(" {}", path.display())).unwrap_or_default()
    }

    /// The command that makes what a plan of this shows.
    pub(super) fn again(&self) -> String {
        let recipe = self.argument();
        let vars = if self.vars.is_empty() { "" } else { " --var …" };
        let only = self.only.iter().fold(String::new(), |all, only| all + " --only " + only);
        format!("hostagent converge{recipe}{vars}{only}")
    }

    /// Says what is wrong when there is no recipe where one is named.
    pub(super) fn named_must_be_there(&self, verb: &str) -> Result<(), Refusal> {
        if self.recipe.is_some() { self.must_be_there(verb) } else { Ok(()) }
    }

    /// Says what is wrong when there is no recipe to read.
    pub(super) fn must_be_there(&self, verb: &str) -> Result<(), Refusal> {
        let (path, host) = (self.path(), Host::here()?.look());
        let name = path.display();
        let says = match host.found_through(&absolute(&path)) {
            Ok(Some(Found { kind: Kind::Directory, .. })) => {
                let names = host.names_in(&absolute(&path)).unwrap_or_default();
                let recipe = names.iter().find(|name| Path::new(name).extension().is_some_and(|end| end == "toml"));
                let hint = match recipe {
                    Some(recipe) => format!("name a recipe in it: `hostagent {verb} {}`", path.join(recipe).display()),
                    None => "name a recipe: a file of TOML".to_owned(),
                };
                return Err(Refusal::wrong(format!("`{name}` is a directory"), hint));
            }
            Ok(Some(Found { size, .. })) if size > LARGEST => {
                let says = format!("`{name}` is no recipe: it has {} MiB", size >> 20);
                return Err(Refusal::wrong(
                    says,
                    format!("recipes have at most {} MiB; check the path", LARGEST >> 20),
                ));
            }
            Ok(Some(_)) => return Ok(()),
            Ok(None) => format!("there is no recipe at `{name}`"),
            Err(error) => return Err(unreadable(&path, &error)),
        };
        Err(match &self.recipe {
            Some(_) => Refusal::wrong(says, self.near(&host).unwrap_or_else(|| "check the path".to_owned())),
            None => Refusal::wrong(says, format!("put one there, or name it: `hostagent {verb} web.toml`")),
        })
    }

    /// The file that a path was likely meant to be.
    fn near(&self, host: &Look) -> Option<String> {
        let path = self.path();
        let whole = absolute(&path);
        let names = host.names_in(whole.parent()?).ok()?;
        let names: Vec<&str> = names.iter().filter_map(|name| name.to_str()).collect();
        let near = nearest(path.file_name()?.to_str()?, names)?;
        Some(format!("did you mean `{}`?", path.with_file_name(near).display()))
    }

    /// Reads the recipe and its bases; asks for those that are elsewhere.
    async fn document(&self, host: &Look, origin: &Origin) -> Result<(Document, Bases), Refusal> {
        let mut bases = Bases::default();
        loop {
            match self.load(host, origin, &bases)? {
                Ok(document) => return Ok((document, bases)),
                Err(lacking) => bases.fetch(host, &lacking, self.patience).await?,
            }
        }
    }

    /// Reads the recipe and its bases, or says which one is still to be fetched.
    fn load(&self, host: &Look, origin: &Origin, had: &Bases) -> Result<Result<Document, Box<Lacking>>, Refusal> {
        let path = &origin.file;
        let bytes = match origin.told() {
            Some(told) => told.user_data.clone().unwrap_or_default().into_bytes(),
            None => host.read(&absolute(path)).map_err(|error| unreadable(path, &error))?.unwrap_or_default(),
        };
        // As the recipe was named, so that problems of a base are shown in the same manner.
        let folders = [path.parent().unwrap_or(Path::new("")).to_owned(), PathBuf::from(BAKED)];
        let mut names = BTreeSet::new();
        for folder in &folders {
            let files = host.names_in(&absolute(folder)).unwrap_or_default().into_iter().map(PathBuf::from);
            let recipes = files.filter(|file| file.extension().is_some_and(|end| end == "toml"));
            names.extend(recipes.filter_map(|file| Some(file.file_stem()?.to_str()?.to_owned())));
        }
        let names: Vec<String> = names.into_iter().collect();
        let read = |name: &str| {
            for folder in &folders {
                let path = folder.join(format!("{name}.toml"));
                if let Some(bytes) = host.read(&absolute(&path)).map_err(|error| error.to_string())? {
                    return Ok((path.display().to_string(), bytes));
                }
            }
            let places: Vec<String> = folders.iter().map(|folder| format!("`{}`", folder.display())).collect();
            Err(format!("there is no `{name}.toml` in {}", places.join(" or ")))
        };
        // Who types a command means it.
        let mut vars = origin.vars.clone();
        vars.extend(self.vars.iter().cloned());
        let bases = loading::Bases { names: &names, read: &read, fetched: &|remote| had.text(remote) };
        match load_over(&origin.source(), &bytes, origin.lent(), &vars, &bases) {
            Ok(document) => Ok(Ok(document)),
            Err(NotLoaded::Lacks(lacking)) => Ok(Err(lacking)),
            Err(NotLoaded::Wrong(problems)) => Err(recipe_is_wrong(problems)),
        }
    }
}

/// A recipe that was read for this host.
#[derive(Debug)]
pub(super) struct Opened {
    /// What is to be done.
    pub plan: Plan,
    /// The units that the whole recipe starts, also those that `--only` leaves out.
    pub services: Vec<String>,
    /// The certificates of the whole recipe, also those that `--only` leaves out.
    pub certificates: Vec<Certificate>,
    /// Which EC2 instance this is, and what was learned of it.
    pub learned: Learned,
    /// Its bases that are elsewhere.
    pub bases: Bases,
    /// Of what a report of it speaks.
    pub about: About,
}

impl Opened {
    /// Tells whoever watches what is to be known of it.
    pub(super) fn tell(&self) {
        for note in &self.about.notes {
            out::complain(&format!("note: {note}\n"));
        }
    }
}

/// Reads, checks and compiles the recipe for this host.
pub(super) async fn open(wanted: &Wanted, verb: &str, lead: &mut Lead) -> Result<Opened, Refusal> {
    let host = Host::here()?.look();
    let origin = Origin::of(wanted, &host)?;
    let patience = wanted.patience.for_all();
    let session = async || Imds::open(&host, patience.budget).await;
    let mut opened = open_from(wanted, &origin, verb, session, lead).await?;
    if origin.told().is_some() {
        opened.about.notes.insert(0, "the recipe is the one that was kept at the last boot".to_owned());
    }
    Ok(opened)
}

/// As [`open`], from a place that is known already, with a session with the metadata service.
pub(super) async fn open_from(
    wanted: &Wanted,
    origin: &Origin,
    verb: &str,
    session: impl AsyncFnOnce() -> Result<Imds, Unanswered>,
    lead: &mut Lead,
) -> Result<Opened, Refusal> {
    if origin.told().is_none() {
        wanted.must_be_there(verb)?;
    }
    let host = Host::here()?;
    let (document, bases) = wanted.document(&host.look(), origin).await?;
    lead.passed("recipe");
    let (facts, learned) = gathered(&host, &document.facts_read(), session, wanted.patience.for_all()).await?;
    all_answered(&learned)?;
    lead.passed("facts");
    let plan = recipe::plan(&document, &facts).map_err(recipe_is_wrong)?;
    let mut about = About { recipe: origin.name(), only: wanted.only.clone(), ..About::default() };
    if let Some(lent) = origin.lent().filter(|_| !document.borrows()) {
        about.notes.push(format!("the {} ({}) is not used: the user-data says what its base is", lent.by, lent.base));
    }
    about.notes.extend(bases.notes());
    about.notes.extend(host.look().ledger().doubt());
    let certificates = plan.all::<Certificate>().cloned().collect();
    let (plan, services) = chosen(plan, wanted)?;
    lead.passed("plan");
    Ok(Opened { plan, services, certificates, learned, bases, about })
}

/// What `--only` leaves of a plan.
fn chosen(plan: Plan, wanted: &Wanted) -> Result<(Plan, Vec<String>), Refusal> {
    let services = plan.ids().filter(|id| id.kind() == "service").map(|id| id.name().to_owned()).collect();
    if wanted.only.is_empty() {
        return Ok((plan, services));
    }
    let certificates: Vec<String> = plan.all::<Certificate>().map(|certificate| certificate.name.clone()).collect();
    let plan = plan.only(&wanted.only).map_err(|unknown| {
        if let Some(name) = unknown.iter().find_map(|unknown| unknown.strip_prefix("certificate:")) {
            let near = nearest(name, certificates.iter().map(String::as_str));
            let hint = near.map_or_else(
                || "`hostagent tls list` shows the certificates there are".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            return Refusal::wrong(format!("the recipe has no certificate `{name}`"), hint);
        }
        let says = format!("`--only {}` names nothing in this recipe", unknown.join(" --only "));
        Refusal::wrong(says, format!("`hostagent plan -v {}` shows every id", wanted.path().display()))
    })?;
    Ok((plan, services))
}

/// Checks a recipe as far as that goes without the host it is for; what else is to be known of that. Bases that are
/// elsewhere are asked for only if that is wished.
pub(super) async fn check(wanted: &Wanted, may_fetch: bool) -> Result<Vec<String>, Refusal> {
    wanted.must_be_there("check")?;
    let host = Host::here()?.look();
    let (origin, mut bases) = (Origin::file(wanted), Bases::default());
    let document = loop {
        match wanted.load(&host, &origin, &bases)? {
            Ok(document) => break document,
            Err(lacking) if may_fetch => bases.fetch(&host, &lacking, wanted.patience).await?,
            Err(lacking) if bases.take_kept(&host, &lacking)? => {}
            Err(lacking) if !lacking.problems().is_empty() => return Err(recipe_is_wrong(lacking.problems().clone())),
            Err(lacking) => {
                let hint = "`--fetch` asks for it";
                return Ok(vec![format!(
                    "only what stands here: its base `{}` was not looked at; {hint}",
                    lacking.remote
                )]);
            }
        }
    };
    // Of this host only what a person has put in place of the program's own.
    let facts = Facts { templates: templates(&host)?, ..Facts::example() };
    recipe::plan(&document, &facts).map_err(recipe_is_wrong)?;
    Ok(bases.notes().collect())
}

/// The JSON Schema of recipes.
pub(super) fn schema() -> serde_json::Value {
    recipe::schema()
}

fn unreadable(path: &Path, error: &host::Error) -> Refusal {
    let says = match error {
        host::Error::File { source, .. } => format!("`{}` cannot be read: {}", path.display(), reason(source)),
        other => other.to_string(),
    };
    Refusal::wrong(says, error.hint().unwrap_or_else(|| "check the path".to_owned()))
}

/// The system's words, without its number.
fn reason(error: &std::io::Error) -> String {
    let words = error.to_string();
    words.split(" (os error").next().unwrap_or_default().to_lowercase()
}

fn recipe_is_wrong(problems: Problems) -> Refusal {
    Refusal::Recipe(Box::new(problems))
}

fn absolute(path: &Path) -> PathBuf {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) =
        text.split_once('=').ok_or_else(|| "expected `NAME=VALUE`, as in `--var domain=example.org`".to_owned())?;
    if name.is_empty() {
        Err("the name before `=` is missing".to_owned())
    } else {
        Ok((name.to_owned(), value.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::loading::load;

    fn compiled(text: &str) -> Plan {
        let bases = loading::Bases::none();
        let document = load("recipe.toml", text.as_bytes(), &std::collections::BTreeMap::default(), &bases).unwrap();
        recipe::plan(&document, &Facts::example()).unwrap()
    }

    #[test]
    fn only_leaves_out_steps_and_still_tells_every_unit_of_the_recipe() {
        let wanted =
            Wanted { recipe: None, vars: Vec::new(), only: vec!["host".to_owned()], patience: Patience::default() };
        let plan = compiled("format = 1\n[host]\npackages = [\"curl\"]\n[nginx]\n");
        let (plan, services) = chosen(plan, &wanted).unwrap();
        assert!(services.contains(&"nginx".to_owned()), "{services:?}");
        assert!(plan.ids().all(|id| id.kind() != "service"));
    }

    async fn refused(path: PathBuf) -> (String, String) {
        let wanted = Wanted { recipe: Some(path), vars: Vec::new(), only: Vec::new(), patience: Patience::default() };
        match check(&wanted, false).await {
            Err(Refusal::Said { says, hint, exit }) => {
                assert_eq!(exit, super::super::Exit::WRONG);
                (says, hint.unwrap())
            }
            Err(Refusal::Recipe(problems)) => (problems.render(crate::problem::Style::Plain), String::new()),
            Ok(_) => panic!("was taken"),
        }
    }

    #[tokio::test]
    async fn what_cannot_be_a_recipe_is_refused_in_words() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("web.toml"), "format = 1\n").unwrap();
        std::fs::write(at("empty.toml"), "").unwrap();
        std::fs::write(at("program"), b"\x7fELF\0\0").unwrap();
        std::fs::File::create(at("disk.img")).unwrap().set_len(LARGEST + 1).unwrap();

        let (says, hint) = refused(at("wbe.toml")).await;
        assert!(says.starts_with("there is no recipe at"), "{says}");
        assert_eq!(hint, format!("did you mean `{}`?", at("web.toml").display()));
        assert_eq!(refused(at("nothing")).await.1, "check the path");
        let (says, hint) = refused(folder.path().to_owned()).await;
        assert!(says.ends_with("is a directory") && hint.contains("`hostagent check "), "{says}; {hint}");
        assert!(refused(at("disk.img")).await.0.ends_with("is no recipe: it has 16 MiB"));
        assert!(refused(at("program")).await.0.contains("is not a text file"));
        assert!(refused(at("empty.toml")).await.0.contains("error: there is nothing in the recipe"));
    }
}
