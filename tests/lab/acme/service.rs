//! The running CA: its faults, its journal, its stop and start.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use hyper::Request;
use hyper::body::Bytes;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use super::authority::Authority;
use super::caller::Caller;
use super::order::Memory;
use super::pebble::{Program, RECORDS};
use super::zones::Zones;
use super::{ADDRESS, Acme, Advice, Dns, Fault, NAME, PROXY, State, Step, proxy};
use crate::lab::network::{Network, enter, within};

/// Where Let's Encrypt is asked.
const HTTPS: u16 = 443;

/// A CA that is there as long as its machine.
#[derive(Debug)]
pub struct Service {
    network: Network,
    folder: PathBuf,
    shared: Arc<Shared>,
    acme: Mutex<Acme>,
    pebble: Mutex<Option<Program>>,
    zones: Zones,
    _names: Program,
    running: Mutex<Option<Running>>,
}

/// A request that came, in the order they came.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Which connection it came on, from 1.
    pub connection: usize,
    /// Such as `POST`.
    pub method: String,
    /// Such as `/order-plz`.
    pub path: String,
    /// What kind of resource that is.
    pub step: Option<Step>,
    /// The protected header of the signature; `null` if nothing was signed.
    pub protected: Value,
    /// What was signed; `null` if that was nothing.
    pub payload: Value,
    /// The status of the answer; `None` if there was none.
    pub status: Option<u16>,
    /// When it came.
    pub at: Instant,
}

/// What the proxy and the test have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) authority: Authority,
    pub(super) caller: Caller,
    pub(super) state: Mutex<State>,
    pub(super) memory: Mutex<Memory>,
    pub(super) connections: Mutex<usize>,
    journal: Mutex<Vec<Asked>>,
}

#[derive(Debug)]
struct Running {
    stop: oneshot::Sender<()>,
    door: JoinHandle<()>,
}

impl Service {
    /// Starts one in a machine's network, with a folder of its own in the machine's.
    pub(in crate::lab) fn start_for(acme: &Acme, network: &Network, folder: &Path) -> Self {
        let folder = folder.join("acme");
        fs::create_dir_all(&folder).expect("/run can be written");
        network.has_outside(ADDRESS);
        let authority = Authority::new(NAME, ADDRESS);
        let caller = Caller::trusting(Arc::clone(&authority.upstream));
        let names = Program::names(&folder, network);
        let zones = Zones::before(RECORDS, network);
        let pebble = Program::pebble(&acme.settings, &authority, &folder, network);
        let shared = Shared {
            authority,
            caller,
            state: Mutex::new(acme.begin.clone()),
            memory: Mutex::default(),
            connections: Mutex::default(),
            journal: Mutex::default(),
        };
        let service = Self {
            network: network.clone(),
            folder,
            shared: Arc::new(shared),
            acme: Mutex::new(acme.clone()),
            pebble: Mutex::new(Some(pebble)),
            zones,
            _names: names,
            running: Mutex::default(),
        };
        service.dns().a(NAME, ADDRESS);
        service.start();
        service
    }

    /// The URL of the directory, which a recipe has.
    #[expect(clippy::unused_self, reason = "it is this service's, though all have the same")]
    pub fn directory(&self) -> String {
        format!("https://{NAME}:{PROXY}/dir")
    }

    /// The root of the TLS of the CA's own server. The machine does not trust it by itself.
    pub fn root_pem(&self) -> String {
        self.shared.authority.root_pem.clone()
    }

    /// The root of what the CA issues; another one after [`Service::begins_anew`].
    pub fn issued_root_pem(&self) -> String {
        self.tells("/roots/0")
    }

    /// What names resolve to.
    pub fn dns(&self) -> Dns<'_> {
        Dns { network: &self.network, zones: &self.zones }
    }

    /// Takes connections again after [`Service::stop`].
    pub fn start(&self) {
        let mut running = held(&self.running);
        assert!(running.is_none(), "the CA runs already");
        let ports = [PROXY, HTTPS].into_iter().take(if held(&self.acme).is_lets_encrypt { 2 } else { 1 });
        let listeners: Vec<TcpListener> = ports.map(|port| self.listening(port)).collect();
        let (stop, stopped) = oneshot::channel();
        let (shared, namespace) = (Arc::clone(&self.shared), self.network.outer());
        let door = thread::spawn(move || {
            enter(&namespace);
            let runtime = runtime();
            runtime.block_on(async {
                for listener in listeners {
                    let listener = tokio::net::TcpListener::from_std(listener).expect("a socket that does not block");
                    tokio::spawn(proxy::attend(listener, Arc::clone(&shared)));
                }
                let _ = stopped.await;
            });
            // With it end all connections.
            drop(runtime);
        });
        *running = Some(Running { stop, door });
    }

    fn listening(&self, port: u16) -> TcpListener {
        let listener = within(&self.network.outer(), || TcpListener::bind((ADDRESS, port)));
        let listener = listener.unwrap_or_else(|error| panic!("cannot listen at {ADDRESS}:{port}: {error}"));
        listener.set_nonblocking(true).expect("a socket can be made so");
        listener
    }

    /// Ends it: connections are cut, and new ones are refused. It forgets nothing.
    pub fn stop(&self) {
        let Some(running) = held(&self.running).take() else { return };
        let _ = running.stop.send(());
        let _ = running.door.join();
    }

    /// Is a CA that has lost all it knew: other roots, neither accounts nor orders.
    pub fn begins_anew(&self) {
        let acme = held(&self.acme).clone();
        self.becomes_pebble(&acme);
        *held(&self.shared.memory) = Memory::default();
    }

    /// Is this CA from now on, which knows nothing of before. Faults that were told are forgotten.
    pub fn becomes(&self, acme: Acme) {
        *held(&self.shared.state) = acme.begin.clone();
        *held(&self.acme) = acme;
        self.begins_anew();
    }

    /// Does this wrong from now on; see [`Acme::fault`].
    pub fn fault(&self, step: Step, fault: Fault) {
        held(&self.shared.state).faults.push((step, fault));
    }

    /// Does nothing wrong any more.
    pub fn mend(&self) {
        held(&self.shared.state).faults.clear();
    }

    /// Has ARI from now on and gives this advice.
    pub fn advises(&self, advice: Advice) {
        held(&self.shared.state).advice = Some(advice);
    }

    /// Has no ARI from now on.
    pub fn advises_nothing(&self) {
        held(&self.shared.state).advice = None;
    }

    /// Has these profiles from now on, with what is said of each.
    pub fn profiles(&self, profiles: &[(&str, &str)]) {
        let profiles = profiles.iter().map(|(name, says)| ((*name).to_owned(), (*says).to_owned()));
        held(&self.shared.state).profiles = profiles.collect();
    }

    /// Everything it was asked so far, the newest last.
    pub fn requests(&self) -> Vec<Asked> {
        held(&self.shared.journal).clone()
    }

    /// What it was asked at a step so far, the newest last.
    pub fn asked(&self, step: Step) -> Vec<Asked> {
        let mut requests = self.requests();
        requests.retain(|asked| step == Step::Any || asked.step == Some(step));
        requests
    }

    /// How many orders it has taken so far.
    pub fn orders(&self) -> usize {
        self.asked(Step::NewOrder).iter().filter(|asked| asked.status == Some(201)).count()
    }

    /// How many TCP connections there were so far.
    pub fn connections(&self) -> usize {
        *held(&self.shared.connections)
    }

    /// Begins the journal anew.
    pub fn forget(&self) {
        held(&self.shared.journal).clear();
        *held(&self.shared.connections) = 0;
    }

    /// What became of a certificate: `Valid`, `Revoked`, or nothing if the CA does not know its serial number.
    pub fn status_of(&self, serial: &str) -> Option<String> {
        let said: Value = serde_json::from_str(&self.tells(&format!("/cert-status-by-serial/{serial}"))).ok()?;
        said.get("Status").and_then(Value::as_str).map(str::to_owned)
    }

    /// What Pebble and the name server have printed, for the log of a test that failed.
    pub fn log(&self) -> String {
        let read = |name: &str| fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        format!("{}{}", read("pebble.log"), read("pebble-challtestsrv.log"))
    }

    /// Asks with the lab's own client, in the CA's network.
    #[cfg(test)]
    pub(super) fn ask(&self, request: Request<Bytes>) -> std::io::Result<super::caller::Answer> {
        let visitor = Caller::trusting(Arc::clone(&self.shared.authority.client));
        let ask = || runtime().block_on(visitor.ask(PROXY, request));
        within(&self.network.outer(), ask)
    }

    fn tells(&self, path: &str) -> String {
        within(&self.network.outer(), || runtime().block_on(self.shared.told(path)))
    }

    fn becomes_pebble(&self, acme: &Acme) {
        let mut pebble = held(&self.pebble);
        // Its port is free before the next one wants it.
        drop(pebble.take());
        *pebble = Some(Program::pebble(&acme.settings, &self.shared.authority, &self.folder, &self.network));
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    /// Notes a request; its place in the journal.
    pub(super) fn note(
        &self,
        connection: usize,
        request: &Request<Bytes>,
        step: Option<Step>,
        protected: Value,
        payload: &Value,
    ) -> usize {
        let mut journal = held(&self.journal);
        journal.push(Asked {
            connection,
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
            step,
            protected,
            payload: payload.clone(),
            status: None,
            at: Instant::now(),
        });
        journal.len() - 1
    }

    pub(super) fn answered(&self, entry: usize, status: u16) {
        if let Some(asked) = held(&self.journal).get_mut(entry) {
            asked.status = Some(status);
        }
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime can be made")
}

pub(super) fn held<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}
