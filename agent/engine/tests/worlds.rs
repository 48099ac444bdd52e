//! Random hosts and plans: a recipe that ran there before, what somebody did to the host since, and the recipe now.
//! The same seed is the same world.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::runtime::{Builder, Runtime};

use super::toys::{Fate, Made, Nature, Toy, places};
use crate::engine::outcome::Told;
use crate::engine::run::{Event, Stop, converge, preview};
use crate::engine::{Draft, Id, Outcome, Plan, Verdict};
use crate::host::Host;
use crate::host::programs::Real;

/// Names of toys: few, so that recipes have some in common.
const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

pub(super) struct World {
    /// The recipe that ran before; none on a bare host.
    before: Vec<Wish>,
    /// What somebody did since.
    edits: Vec<(PathBuf, Option<&'static str>)>,
    pub(super) now: Vec<Wish>,
}

/// A toy of a recipe.
#[derive(Clone)]
pub(super) struct Wish {
    pub(super) toy: Toy<false>,
    herd: bool,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\nbefore: {:?}\nedits: {:?}\nnow: {:?}", self.before, self.edits, self.now)
    }
}

impl fmt::Debug for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let needs = self.toy.needs.iter().map(Id::as_str).collect::<Vec<_>>().join(" ");
        write!(f, "\n  {} = {} {:?} {:?} ({needs})", self.id(), self.toy.word, self.toy.nature, self.toy.waits)
    }
}

impl Wish {
    pub(super) fn id(&self) -> Id {
        id(&self.toy.name, self.herd)
    }
}

fn id(name: &str, herd: bool) -> Id {
    Id::new(if herd { "herd" } else { "toy" }, name)
}

impl World {
    pub(super) fn random(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let now = recipe(&mut random);
        let mut before = if random.random_bool(0.7) { recipe(&mut random) } else { Vec::new() };
        // A toy that is wanted in both is often wanted the same.
        for wish in &mut before {
            if let Some(same) = now.iter().find(|other| other.id() == wish.id()).filter(|_| random.random_bool(0.6)) {
                wish.toy.word.clone_from(&same.toy.word);
            }
        }
        let mut edits = Vec::new();
        for path in NAMES.iter().flat_map(|name| places(name)) {
            if random.random_bool(0.2) {
                edits.push((path, [None, Some("by hand"), Some("w1")][random.random_range(0..3)]));
            }
        }
        Self { before, edits, now }
    }

    /// A host as it is before the run.
    pub(super) fn begins(&self) -> Place {
        let place = Place::new();
        if !self.before.is_empty() {
            place.converge(&plan(&self.before, &Made::default()), &Stop::new());
        }
        for (path, text) in &self.edits {
            let path = place.at(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match text {
                Some(text) => fs::write(path, text).unwrap(),
                None => drop(fs::remove_file(path)),
            }
        }
        place
    }

    pub(super) fn plan(&self) -> Plan {
        plan(&self.now, &Made::default())
    }

    /// How the host is after a run that nothing disturbed.
    pub(super) fn ends(&self) -> Files {
        let place = self.begins();
        place.converge(&self.plan(), &Stop::new());
        place.files()
    }

    /// Everything that a toy of the recipe needs, directly or through others.
    pub(super) fn above(&self, of: &Id) -> BTreeSet<Id> {
        let wish = self.now.iter().find(|wish| wish.id() == *of);
        let needs = wish.into_iter().flat_map(|wish| &wish.toy.needs);
        needs.flat_map(|need| self.above(need).into_iter().chain([need.clone()])).collect()
    }
}

/// Some toys, each needing some of those before it. Not all that can be thought of are plans: members of a herd that wait
/// for each other are none.
fn recipe(random: &mut StdRng) -> Vec<Wish> {
    loop {
        let mut wishes: Vec<Wish> = Vec::new();
        for name in NAMES.iter().filter(|_| random.random_bool(0.7)).collect::<Vec<_>>() {
            let needs: Vec<Id> = wishes.iter().map(Wish::id).filter(|_| random.random_bool(0.3)).collect();
            let herd = random.random_bool(0.25);
            let fellows = herd && needs.iter().any(|need| need.kind() == "herd");
            let nature = [Nature::Plain, Nature::Blind, Nature::Follows][random.random_range(0..3)];
            let toy = Toy {
                name: (*name).to_owned(),
                word: format!("w{}", random.random_range(0..3)),
                // What is applied together is looked at before any of it is applied.
                nature: if fellows { Nature::Plain } else { nature },
                needs,
                fate: Fate::Works,
                waits: std::array::from_fn(|_| random.random_range(0..3)),
                made: Made::default(),
            };
            wishes.push(Wish { toy, herd });
        }
        // The order of a recipe is nobody's business.
        wishes.reverse();
        if !wishes.is_empty() && draft(&wishes, &Made::default()).finish().is_ok() {
            return wishes;
        }
    }
}

fn draft(wishes: &[Wish], made: &Made) -> Draft {
    let mut draft = Draft::default();
    for Wish { toy, herd } in wishes {
        let toy = Toy { made: Made::clone(made), ..toy.clone() };
        if *herd {
            let Toy { name, word, needs, nature, fate, waits, made } = toy;
            draft.add(Toy::<true> { name, word, needs, nature, fate, waits, made });
        } else {
            draft.add(toy);
        }
    }
    draft
}

pub(super) fn plan(wishes: &[Wish], made: &Made) -> Plan {
    draft(wishes, made).finish().unwrap()
}

/// Path to content, of everything but what hostagent keeps for itself.
pub(super) type Files = BTreeMap<PathBuf, String>;

/// A directory that plays a host. Each run there is one of a new process.
pub(super) struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        // In memory, if that can be had: there are thousands of syncs.
        let memory = Path::new("/dev/shm");
        Self(if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap())
    }

    fn at(&self, path: &Path) -> PathBuf {
        self.0.path().join(path.strip_prefix("/").unwrap())
    }

    fn host(&self) -> Host {
        Host::at(self.0.path(), Box::new(Real)).unwrap()
    }

    pub(super) fn preview(&self, plan: &Plan) -> Outcome {
        finished(preview(plan, &self.host(), &mut |_| {}))
    }

    pub(super) fn converge(&self, plan: &Plan, stop: &Stop) -> Outcome {
        self.watched(plan, stop, &mut |_| {})
    }

    pub(super) fn watched(&self, plan: &Plan, stop: &Stop, watch: &mut dyn FnMut(Event<'_>)) -> Outcome {
        finished(converge(plan, &self.host(), stop, watch))
    }

    /// A run that is over after so many polls; whether it had ended by itself before. One that is killed leaves everything
    /// as it is; one that is dropped tidies up.
    pub(super) fn cut_off(&self, plan: &Plan, polls: usize, killed: bool) -> bool {
        let (host, stop) = (self.host(), Stop::new());
        let mut watch = |_: Event<'_>| {};
        let mut run = Box::pin(converge(plan, &host, &stop, &mut watch));
        for _ in 0..polls {
            if poll(run.as_mut()).is_some() {
                return true;
            }
        }
        if killed {
            std::mem::forget(run);
        }
        false
    }

    pub(super) fn files(&self) -> Files {
        let (mut files, mut left) = (Files::new(), vec![self.0.path().to_owned()]);
        while let Some(path) = left.pop() {
            let name = path.strip_prefix(self.0.path()).unwrap().to_owned();
            if path.is_dir() {
                left.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            } else if name != Path::new("var/lib/hostagent/ledger.jsonl")
                // What is kept there depends on what was there before a run first wrote there: on how far others came.
                && !name.starts_with("var/lib/hostagent/originals")
            {
                files.insert(name, fs::read_to_string(path).unwrap());
            }
        }
        files
    }
}

fn poll<T>(run: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    // A clock that nobody winds: no time is ever up.
    static CLOCK: LazyLock<Runtime> = LazyLock::new(|| Builder::new_current_thread().enable_time().build().unwrap());
    let _clock = CLOCK.enter();
    match run.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// Toys wake whoever waits for them before they give way, so a run is polled to its end.
fn finished<T>(run: impl Future<Output = T>) -> T {
    let mut run = Box::pin(run);
    (0..100_000).find_map(|_| poll(run.as_mut())).expect("a run ends")
}

/// The ids with this verdict, as they are told.
pub(super) fn ids<'o>(outcome: &'o Outcome, word: &str) -> Vec<&'o Id> {
    outcome.resources.iter().filter(|told| told.verdict.word() == word).map(|told| &told.id).collect()
}

/// The verdict of one.
pub(super) fn verdict(outcome: &Outcome, id: &Id) -> &'static str {
    outcome.resources.iter().find(|told| told.id == *id).unwrap().verdict.word()
}

/// What came of it, in short.
pub(super) fn told(outcome: &Outcome) -> String {
    let line = |told: &Told| match &told.verdict {
        Verdict::Skipped(reason) => format!("\n  {} skipped: {reason}", told.id),
        Verdict::Failed(failure) => format!("\n  {} failed: {:?} {}", told.id, failure.phase, failure.cause),
        other => format!("\n  {} {} {:?}", told.id, other.word(), other.changes()),
    };
    outcome.resources.iter().map(line).collect()
}
