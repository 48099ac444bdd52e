use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::*;
use crate::host::Host;
use crate::host::programs::Real;

const NOW: Moment = Moment::at(1_795_000_000);

/// What a CA keeps of an order, to the letter of RFC 8555, 7.1.6.
struct Kept {
    status: Status,
    wanted: Wanted,
    proven: bool,
    request: Option<Vec<u8>>,
    /// How often it is asked before it goes on.
    slow: u32,
}

#[derive(Default)]
struct Books {
    orders: BTreeMap<String, Kept>,
    asked: Vec<&'static str>,
    /// It answers no more after so many questions: whoever asked was killed there.
    answers: Option<usize>,
    refuses: Option<Kind>,
    unproven: bool,
    wait: Option<Duration>,
}

#[derive(Clone, Default)]
struct PlayedCa(Rc<RefCell<Books>>);

struct PlayedOrder {
    ca: PlayedCa,
    url: String,
    seen: Status,
}

impl PlayedCa {
    fn ask(&self, what: &'static str) -> Result<std::cell::RefMut<'_, Books>, Refusal> {
        let mut books = self.0.borrow_mut();
        if books.answers.is_some_and(|answers| books.asked.len() >= answers) {
            return Err(Refusal::new(Kind::Away, "cut off"));
        }
        books.asked.push(what);
        Ok(books)
    }

    fn asked(&self) -> Vec<&'static str> {
        self.0.borrow().asked.clone()
    }

    fn order(&self, url: &str) -> PlayedOrder {
        let seen = self.0.borrow().orders[url].status;
        PlayedOrder { ca: self.clone(), url: url.to_owned(), seen }
    }
}

impl Authority for PlayedCa {
    type Order = PlayedOrder;

    async fn place(&self, wanted: &Wanted) -> Result<PlayedOrder, Refusal> {
        let mut books = self.ask("place")?;
        if let Some(kind) = books.refuses.filter(|_| wanted.replaces.is_some() || wanted.profile.is_some()) {
            return Err(Refusal::new(kind, "no"));
        }
        let url = format!("https://ca.example/order/{}", books.orders.len());
        let kept = Kept { status: Status::Pending, wanted: wanted.clone(), proven: false, request: None, slow: 0 };
        books.orders.insert(url.clone(), kept);
        drop(books);
        Ok(self.order(&url))
    }

    async fn resume(&self, url: &str) -> Result<PlayedOrder, Refusal> {
        let books = self.ask("resume")?;
        if !books.orders.contains_key(url) {
            return Err(Refusal::new(Kind::Gone, "no such order"));
        }
        drop(books);
        Ok(self.order(url))
    }

    fn asks_to_wait(&self) -> Option<Duration> {
        self.0.borrow().wait
    }
}

impl OpenOrder for PlayedOrder {
    fn url(&self) -> &str {
        &self.url
    }

    fn status(&mut self) -> Status {
        self.seen
    }

    async fn look(&mut self) -> Result<Status, Refusal> {
        let mut books = self.ca.ask("look")?;
        let kept = books.orders.get_mut(&self.url).unwrap();
        if kept.slow > 0 {
            kept.slow -= 1;
        } else if kept.status == Status::Processing {
            kept.status = Status::Valid;
        }
        self.seen = kept.status;
        Ok(self.seen)
    }

    async fn unproven(&mut self) -> Result<Vec<Unproven>, Refusal> {
        let books = self.ca.ask("unproven")?;
        let kept = &books.orders[&self.url];
        let failed = (kept.status == Status::Invalid).then(|| Refusal::new(Kind::Unproven, "port 80 is shut"));
        let of = |name: &String| Unproven {
            name: name.clone(),
            ways: vec![Way::Http01],
            digests: Vec::new(),
            failed: failed.clone(),
        };
        Ok(if kept.proven { Vec::new() } else { kept.wanted.names.iter().map(of).collect() })
    }

    async fn ready(&mut self, _: &str, _: Way) -> Result<(), Refusal> {
        let mut books = self.ca.ask("ready")?;
        let fails = books.unproven;
        let kept = books.orders.get_mut(&self.url).unwrap();
        (kept.proven, kept.status) = if fails { (false, Status::Invalid) } else { (true, Status::Ready) };
        Ok(())
    }

    async fn finalize(&mut self, request: &[u8]) -> Result<Status, Refusal> {
        let mut books = self.ca.ask("finalize")?;
        let kept = books.orders.get_mut(&self.url).unwrap();
        assert!(kept.status == Status::Ready, "RFC 8555, 7.4: an order that is not ready is not finalized");
        (kept.request, kept.status) = (Some(request.to_vec()), Status::Processing);
        self.seen = kept.status;
        Ok(self.seen)
    }

    async fn certificate(&mut self) -> Result<Vec<String>, Refusal> {
        let books = self.ca.ask("certificate")?;
        let request = books.orders[&self.url].request.as_ref().unwrap();
        // In place of a signature: whose request it was.
        Ok(vec![format!("for {}", crate::host::files::sha256_of(request))])
    }
}

struct Here {
    _root: tempfile::TempDir,
    touch: Touch,
    ca: PlayedCa,
}

impl Here {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let touch = Host::at(root.path(), Box::new(Real)).unwrap().touch();
        Self { _root: root, touch, ca: PlayedCa::default() }
    }

    async fn issue(&self, task: &Task) -> Result<Issued, Trouble> {
        issue(&self.touch, &self.ca, task, NOW).await
    }
}

fn task() -> Task {
    let ms = Duration::from_millis;
    Task {
        folder: "tls/web/next".into(),
        issuer: "https://ca.example/dir".into(),
        account: "https://ca.example/acct/1".into(),
        wanted: Wanted { names: vec!["a.example".into()], profile: None, replaces: None },
        key_type: KeyType::EcdsaP256,
        proof: Proof::Http01,
        preferred_chain: None,
        serial: None,
        pace: Pace { first: ms(1), most: ms(2), until: ms(60) },
    }
}

fn says(result: Result<Issued, Trouble>) -> Refusal {
    match result {
        Err(Trouble::Ca(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

fn key_on_disk(here: &Here) -> String {
    String::from_utf8(here.touch.read_state("tls/web/next/privkey.pem").unwrap().unwrap()).unwrap()
}

#[tokio::test(flavor = "current_thread")]
async fn a_certificate_comes_with_the_key_that_was_on_the_disk_before_the_order() {
    let here = Here::new();
    here.ca.0.borrow_mut().answers = Some(0);
    assert_eq!(says(here.issue(&task()).await).kind, Kind::Away);
    let key = key_on_disk(&here);
    here.ca.0.borrow_mut().answers = None;
    let issued = here.issue(&task()).await.unwrap();
    assert_eq!(issued.key, key);
    assert_eq!(here.ca.asked(), ["place", "unproven", "ready", "look", "finalize", "look", "certificate"]);
}

#[tokio::test(flavor = "current_thread")]
async fn a_run_that_is_cut_off_anywhere_leaves_one_order_that_the_next_goes_on_with() {
    for answers in 1..7 {
        let here = Here::new();
        here.ca.0.borrow_mut().answers = Some(answers);
        assert_eq!(says(here.issue(&task()).await).says, "cut off");
        let key = key_on_disk(&here);
        here.ca.0.borrow_mut().answers = None;
        let issued = here.issue(&task()).await.unwrap();
        assert_eq!(issued.key, key, "cut off after {answers}");
        assert_eq!(here.ca.0.borrow().orders.len(), 1, "cut off after {answers}: {:?}", here.ca.asked());
    }
}

#[tokio::test(flavor = "current_thread")]
async fn an_order_that_is_valid_already_is_only_fetched() {
    let here = Here::new();
    here.issue(&task()).await.unwrap();
    here.ca.0.borrow_mut().asked.clear();
    here.issue(&task()).await.unwrap();
    assert_eq!(here.ca.asked(), ["resume", "certificate"]);
}

#[tokio::test(flavor = "current_thread")]
async fn an_order_that_is_gone_or_of_other_names_is_placed_anew_with_a_new_key() {
    let here = Here::new();
    here.issue(&task()).await.unwrap();
    let key = key_on_disk(&here);
    here.ca.0.borrow_mut().orders.clear();
    let issued = here.issue(&task()).await.unwrap();
    assert_ne!(issued.key, key);

    let mut other = task();
    other.wanted.names.push("b.example".into());
    let second = here.issue(&other).await.unwrap();
    assert_ne!(second.key, issued.key);
    let old = issue(&here.touch, &here.ca, &other, NOW.later(FORGOTTEN)).await.unwrap();
    assert_ne!(old.key, second.key, "a CA forgets orders");
    forget(&here.touch, &other).unwrap();
    assert_eq!(here.touch.read_state("tls/web/next/privkey.pem").unwrap(), None);
}

#[tokio::test(flavor = "current_thread")]
async fn what_cannot_be_proven_is_said_by_name_and_its_order_is_not_gone_on_with() {
    let here = Here::new();
    here.ca.0.borrow_mut().unproven = true;
    let refusal = says(here.issue(&task()).await);
    assert_eq!((refusal.kind, refusal.says.as_str()), (Kind::Unproven, "`a.example`: port 80 is shut"));
    assert_eq!(refusal.names, ["a.example"]);
    here.ca.0.borrow_mut().unproven = false;
    here.ca.0.borrow_mut().asked.clear();
    here.issue(&task()).await.unwrap();
    assert_eq!(here.ca.asked()[0], "place");
}

#[tokio::test(flavor = "current_thread")]
async fn what_the_ca_does_not_know_is_left_out() {
    for kind in [Kind::Replaced, Kind::NoProfile] {
        let here = Here::new();
        here.ca.0.borrow_mut().refuses = Some(kind);
        let mut task = task();
        if kind == Kind::Replaced {
            task.wanted.replaces = Some(("id".into(), "pem".into()));
        } else {
            task.wanted.profile = Some("shortlived".into());
        }
        here.issue(&task).await.unwrap();
        assert_eq!(here.ca.asked()[..2], ["place", "place"]);
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_ca_that_does_not_get_on_is_left_alone_and_the_order_stays() {
    let here = Here::new();
    here.ca.0.borrow_mut().answers = Some(5);
    assert!(here.issue(&task()).await.is_err());
    here.ca.0.borrow_mut().answers = None;
    here.ca.0.borrow_mut().orders.values_mut().for_each(|order| order.slow = 10_000);
    let refusal = says(here.issue(&task()).await);
    assert_eq!(refusal.kind, Kind::Away);
    assert!(refusal.says.starts_with("the CA did not issue the certificate within"), "{refusal}");
    // Nor is it asked before it wants to be.
    here.ca.0.borrow_mut().asked.clear();
    here.ca.0.borrow_mut().wait = Some(Duration::from_hours(1));
    let refusal = says(here.issue(&task()).await);
    assert_eq!((here.ca.asked(), refusal.retry_after), (vec!["resume"], Some(Duration::from_hours(1))));
    here.ca.0.borrow_mut().wait = None;
    here.ca.0.borrow_mut().orders.values_mut().for_each(|order| order.slow = 0);
    here.issue(&task()).await.unwrap();
    assert_eq!(here.ca.0.borrow().orders.len(), 1);
}

#[tokio::test(flavor = "current_thread")]
async fn a_name_that_the_ca_proves_otherwise_is_said() {
    let here = Here::new();
    let proof = Proof::Dns01(Dns::with(crate::acme::dns::Provider::Route53(None)));
    let task = Task { proof, ..task() };
    assert!(says(here.issue(&task).await).says.contains("does not prove `a.example` in the way"));
}
