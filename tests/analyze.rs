//! Where a run's time went can be told afterwards, from its report alone.
//!
//! `tests/analyze/NAME.json` are reports of real runs; beside each stands what the three verbs make of it.
//! `HOSTAGENT_GOLDEN=write` rewrites that: look at the pictures before you commit them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::evidence::{nano, resources};
use crate::lab::agent::binary;
use crate::lab::{Machine, eventually};

/// A verb's words, and how the file beside a report is called that has its answer.
const VERBS: [(&[&str], &str); 3] =
    [(&["blame"], "blame.txt"), (&["critical-chain"], "chain.txt"), (&["timeline", "--svg", "-"], "svg")];

#[test]
fn a_kept_report_tells_today_what_it_told_then() {
    let mut wrong = Vec::new();
    let reports = reports();
    assert!(reports.len() >= 4, "{reports:?}");
    for report in reports {
        for (words, end) in VERBS {
            let said = text(&analyze(words, &report));
            assert_eq!(said, text(&analyze(words, &report)), "the same twice");
            let kept = report.with_extension(end);
            if std::env::var_os("HOSTAGENT_GOLDEN").is_some() {
                fs::write(&kept, &said).unwrap();
            }
            if fs::read_to_string(&kept).unwrap_or_default() != said {
                wrong.push(format!("{} is not what is said now:\n{said}", kept.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_report_that_tells_nothing_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let whole = fs::read_to_string(cases().join("again.json")).unwrap();
    let none = folder.path().join("none.json");
    let refused = |text: &str, says: &str| {
        let file = folder.path().join("x.json");
        fs::write(&file, text).unwrap();
        let said = analyze(&["blame"], &file);
        let complaint = String::from_utf8(said.stderr).unwrap();
        assert_eq!(said.status.code(), Some(2), "{complaint}");
        assert!(complaint.contains(says) && complaint.contains("hint: "), "{complaint}");
    };
    refused(&whole[..whole.len() / 2], "is cut off: it ends in the middle of a report");
    refused(&whole.replacen("\"format\":1", "\"format\":9", 1), "has format 9, and this hostagent knows 1");
    refused("format = 1\n", "is no report of a run");
    refused(r#"{"format":1,"unfinished":true}"#, "has not come to its end, so its times are not known");
    let said = analyze(&["blame"], &none);
    assert!(String::from_utf8(said.stderr).unwrap().contains("there is no report at"));
    assert_eq!(said.status.code(), Some(2));
}

#[test]
fn the_last_run_of_a_machine_is_told_by_all_three() {
    let host = nano(12);
    let run = host.agent("status --json").exits(0);

    let blame = host.agent("analyze blame --json").exits(0).json();
    let rows = blame["rows"].as_array().unwrap();
    let told: BTreeSet<&str> =
        rows.iter().flat_map(|row| row["ids"].as_array().into_iter().flatten().chain([&row["id"]])).map(word).collect();
    for resource in resources(&run) {
        assert!(told.contains(word(&resource["id"])), "{} is missing in {told:?}", resource["id"]);
    }
    let (whole, slowest) = (number(&blame["took_ms"]), &rows[0]);
    assert!(whole >= number(&run.json()["took_ms"]), "the start of the process counts too");
    assert!(number(&slowest["ms"]) <= whole && number(&slowest["share"]) > 0.3, "{slowest}");
    assert!(rows.windows(2).all(|pair| number(&pair[0]["ms"]) >= number(&pair[1]["ms"])), "slowest first");
    let start = rows.iter().find(|row| row["id"] == "service:postgresql@15-main").unwrap();
    assert!(number(&start["applying_ms"]) > 500.0, "PostgreSQL does not start in less: {start}");
    host.agent("analyze blame").exits(0).says("service:postgresql@15-main").says_not("\u{1b}");

    let chain = host.agent("analyze critical-chain --json").exits(0).json();
    let links = chain["links"].as_array().unwrap();
    // A survey that took its time is told by what it looked at.
    let is = |link: &Value, id: &str| link["id"] == id || (id == "survey" && link["part"] == id);
    let place = |id: &str| links.iter().position(|link| is(link, id)).unwrap_or_else(|| panic!("no {id}: {chain}"));
    let path = ["start", "survey", "package:*", "config_set:postgres", "service:postgresql@15-main"].map(place);
    assert!(path.is_sorted() && path[4] < links.len() - 1, "a role or the other unit comes after: {chain}");
    let sum: f64 = links.iter().map(|link| number(&link["took_ms"])).sum();
    assert!(sum <= whole && sum > 0.9 * whole, "{sum} of {whole} ms are on the path");

    host.agent("analyze timeline --svg /tmp/run.svg").exits(0).prints("");
    // PostgreSQL has an XML parser, and is there.
    let parsed =
        "runuser -u postgres -- psql -Atc \"select xmlparse(document pg_read_file('/tmp/run.svg')) is document\"";
    host.sh(parsed).prints("t");
    assert!(host.read("/tmp/run.svg").contains(">service:postgresql@15-main</text>"));
    host.agent("analyze timeline --svg /nowhere/run.svg").exits(2).says("could not write `/nowhere/run.svg`");

    host.agent("plan --json | hostagent analyze blame --report -").exits(0).says("service:nginx");
    host.agent("converge --json > /tmp/run.json").exits(0);
    host.sh("chmod 644 /tmp/run.json; runuser -u nobody -- hostagent analyze critical-chain --report /tmp/run.json")
        .succeeds()
        .says("in all");
    host.sh("runuser -u nobody -- hostagent analyze blame").exits(2).says("only root can read how the last run went");
    shows_no_password(&host);
}

#[test]
fn a_run_that_was_killed_says_so_and_one_that_never_was_too() {
    let host = Machine::debian(12).boot();
    host.agent("analyze blame").exits(2).says("hostagent has not run here yet");
    host.recipe("format = 1\n[[run]]\nname = \"slow\"\ncommand = [\"/bin/sleep\", \"300\"]\ncreates = \"/nowhere\"\n");
    let run = host.start_agent("converge");
    eventually("the run is in the middle", || host.sh("pgrep -x sleep").exit == 0);
    host.agent("analyze critical-chain").exits(2).says("has not come to its end").says("`hostagent status`");
    run.signal("KILL");
    run.wait();
    host.sh("pkill -x sleep");
    host.agent("analyze blame").exits(2).says("has not come to its end").says("`hostagent converge` finishes");
}

/// The generated password is in nothing that tells of a run.
fn shows_no_password(host: &Machine) {
    let password = host.read("/etc/hostagent/secrets/postgres.role.booking");
    for told in ["/tmp/run.svg", "/tmp/run.json", "/var/lib/hostagent/last-run.json"] {
        assert!(!host.read(told).contains(password.trim()), "{told} has the password");
    }
}

fn analyze(words: &[&str], report: &Path) -> Output {
    let mut command = Command::new(binary());
    command.arg("analyze").args(words).arg("--report").arg(report.file_name().unwrap());
    command.current_dir(report.parent().unwrap()).stdin(Stdio::null()).output().unwrap()
}

fn text(said: &Output) -> String {
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    String::from_utf8(said.stdout.clone()).unwrap()
}

fn word(value: &Value) -> &str {
    value.as_str().expect("an id")
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

fn reports() -> Vec<PathBuf> {
    let files = fs::read_dir(cases()).unwrap().map(|entry| entry.unwrap().path());
    let mut reports: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
    reports.sort();
    reports
}

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/analyze")
}
