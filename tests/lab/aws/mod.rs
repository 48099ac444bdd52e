//! AWS around a machine: S3, Parameter Store and Secrets Manager of a region, at their own names, with certificates that
//! the machine trusts; and a server of HTTPS beside them.
//!
//! ```no_run
//! let aws = host.aws();
//! aws.bucket("recipes").put("web.toml", "format = 1\n");
//! aws.parameter("/hostagent/web", "base = \"s3://recipes/web.toml\"\n");
//! aws.fails("GetObject", 503, 2);
//! assert_eq!(aws.requests()[0].operation, "GetObject");
//! ```
//!
//! It is [moto](https://docs.getmoto.org), in the network outside the machine; see `cloud.py`. Whoever asks needs
//! credentials: [`super::metadata::Metadata::role`] gives the machine some.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::Deserialize;
use serde_json::{Value, json};

use super::machine::Machine;
use super::network;

/// Where all of it is in the machine's network.
const ADDRESS: &str = "10.0.0.60";
/// The region that there is.
pub const REGION: &str = "eu-central-1";
/// How often a fault happens that is not counted.
const ALWAYS: i32 = -1;

/// AWS, as long as this value lives.
#[derive(Debug)]
pub struct Aws<'a> {
    host: &'a Machine,
    child: Child,
    /// What it is told, and what it answers.
    line: RefCell<(ChildStdin, BufReader<ChildStdout>)>,
    /// Names of servers that the machine knows.
    named: RefCell<BTreeSet<String>>,
}

/// Something that was asked of it.
#[derive(Debug, Clone, Deserialize)]
pub struct Asked {
    /// `s3`, `ssm`, …; `web` for the other server.
    pub service: String,
    /// Such as `GetObject`; of the other server `GET`.
    pub operation: String,
    /// The object with its bucket, the body of the question, or the URL.
    pub what: String,
    /// The access key of whoever asked; empty if nothing was signed.
    pub key: String,
    /// The region that the signature is for.
    pub region: String,
    /// The status of the answer.
    pub status: u16,
}

/// What plays it.
const MOTO: [&str; 2] = ["moto[server]==5.2.5", "cryptography"];

/// A bucket of S3.
#[derive(Debug)]
pub struct Bucket<'a> {
    aws: &'a Aws<'a>,
    name: String,
}

impl Machine {
    /// Puts AWS around the machine, which finds it at its own names and trusts its certificates.
    pub fn aws(&self) -> Aws<'_> {
        self.network().has_outside(ADDRESS);
        let folder = self.entry().folder.join("aws");
        fs::create_dir_all(&folder).expect("/run can be written");
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/aws/cloud.py");
        let python = super::venv::python("moto", &MOTO);
        let mut child = network::within(&self.network().outer(), || start(&python, &program, &folder));
        let line = (child.stdin.take().expect("a pipe"), BufReader::new(child.stdout.take().expect("a pipe")));
        let aws = Aws { host: self, child, line: RefCell::new(line), named: RefCell::default() };
        aws.hear("the start");
        for service in ["s3", "ssm", "secretsmanager"] {
            aws.is_at(&format!("{service}.{REGION}.amazonaws.com"));
        }
        let authority = fs::read_to_string(folder.join("ca.pem")).expect("the cloud has made it");
        self.write("/usr/local/share/ca-certificates/lab.crt", &authority);
        self.sh("update-ca-certificates").succeeds();
        aws
    }
}

impl Aws<'_> {
    /// A bucket, made if it is not there.
    pub fn bucket(&self, name: &str) -> Bucket<'_> {
        if self.is_at(&format!("{name}.s3.{REGION}.amazonaws.com")) {
            self.ask(&json!({ "do": "bucket", "name": name }));
        }
        Bucket { aws: self, name: name.to_owned() }
    }

    /// Has this text as a parameter. As in AWS, `{{` cannot be in it.
    pub fn parameter(&self, path: &str, text: &str) {
        self.ask(&json!({ "do": "parameter", "path": path, "value": text, "kind": "String" }));
    }

    /// Has this secret as an encrypted parameter.
    pub fn secure_parameter(&self, path: &str, secret: &str) {
        self.ask(&json!({ "do": "parameter", "path": path, "value": secret, "kind": "SecureString" }));
    }

    /// Has this secret in Secrets Manager.
    pub fn secret(&self, name: &str, secret: &str) {
        self.ask(&json!({ "do": "secret", "name": name, "value": secret }));
    }

    /// Serves this text at a URL of `….example.org`, by HTTPS or HTTP.
    pub fn page(&self, url: &str, text: &str) {
        let server = url.split('/').nth(2).unwrap_or_else(|| panic!("`{url}` is no URL"));
        self.is_at(server);
        self.ask(&json!({ "do": "page", "url": url, "text": text }));
    }

    /// Answers an operation with this status so many times, as a service in trouble does.
    pub fn fails(&self, operation: &str, status: u16, times: i32) {
        self.fault(operation, status, "InternalError", "an internal error occurred", times);
    }

    /// Answers an operation with a refusal from now on, in these words.
    pub fn refuses(&self, operation: &str, status: u16, code: &str, message: &str) {
        self.fault(operation, status, code, message, ALWAYS);
    }

    /// Answers nothing to an operation from now on.
    pub fn is_silent(&self, operation: &str) {
        self.ask(&json!({ "do": "fault", "operation": operation, "delay": 600, "times": ALWAYS }));
    }

    /// Does nothing wrong any more.
    pub fn mend(&self) {
        self.ask(&json!({ "do": "mend" }));
    }

    /// Refuses connections from now on.
    pub fn stop(&self) {
        self.ask(&json!({ "do": "stop" }));
    }

    /// Takes connections again.
    pub fn start(&self) {
        self.ask(&json!({ "do": "start" }));
    }

    /// Everything that it was asked so far, the newest last.
    pub fn requests(&self) -> Vec<Asked> {
        let journal = self.ask(&json!({ "do": "journal" }));
        serde_json::from_value(journal).expect("a journal has its fields")
    }

    /// The operations that it was asked for so far.
    pub fn operations(&self) -> Vec<String> {
        self.requests().into_iter().map(|asked| asked.operation).collect()
    }

    /// Begins the journal anew.
    pub fn forget(&self) {
        self.ask(&json!({ "do": "forget" }));
    }

    fn fault(&self, operation: &str, status: u16, code: &str, message: &str, times: i32) {
        let fault = json!({
            "do": "fault", "operation": operation, "status": status, "code": code, "message": message, "times": times,
        });
        self.ask(&fault);
    }

    /// Lets the machine find a server here; whether that is new.
    fn is_at(&self, server: &str) -> bool {
        let is_new = self.named.borrow_mut().insert(server.to_owned());
        if is_new {
            self.host.sh(&format!("echo '{ADDRESS} {server}' >> /etc/hosts")).succeeds();
        }
        is_new
    }

    fn ask(&self, what: &Value) -> Value {
        let text = format!("{what}\n");
        self.line.borrow_mut().0.write_all(text.as_bytes()).expect("the cloud listens to the lab");
        self.hear(&text)
    }

    fn hear(&self, what: &str) -> Value {
        let mut answer = String::new();
        let read = self.line.borrow_mut().1.read_line(&mut answer);
        assert!(read.is_ok_and(|bytes| bytes > 0), "the lab's AWS has ended at {what}");
        let answer: Value = serde_json::from_str(&answer).expect("the cloud answers in JSON");
        if let Some(why) = answer.get("failed") {
            panic!("the lab's AWS cannot do {what}: {why}");
        }
        answer.get("done").cloned().unwrap_or_default()
    }
}

impl Drop for Aws<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Bucket<'_> {
    /// Has this text under a key.
    pub fn put(&self, key: &str, text: &str) -> &Self {
        self.aws.ask(&json!({ "do": "put", "bucket": self.name, "key": key, "text": text }));
        self
    }

    /// Has nothing under a key.
    pub fn delete(&self, key: &str) -> &Self {
        self.aws.ask(&json!({ "do": "delete", "bucket": self.name, "key": key }));
        self
    }
}

fn start(python: &PathBuf, program: &Path, folder: &Path) -> Child {
    let mut command = Command::new(python);
    // Nothing of this host's own AWS, if it has any, may get in.
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("PYTHONDONTWRITEBYTECODE", "1");
    command.arg(program).arg(folder).arg(ADDRESS).stdin(Stdio::piped()).stdout(Stdio::piped());
    command.spawn().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"))
}
