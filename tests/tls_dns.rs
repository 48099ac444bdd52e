//! Names proven by DNS, and accounts that a CA knows from elsewhere: a real CA asks a name server for what the machine has
//! written into a zone of Route 53 or of Cloudflare.

use std::time::Duration;

use crate::evidence::on_each_debian;
use crate::lab::acme::{Acme, Step};
use crate::lab::aws::Aws;
use crate::lab::metadata::Metadata;
use crate::lab::{Machine, eventually};

/// What the role signs with.
const ROLE: &str = "canary-0d4be1c7a92f58";
/// The token for Cloudflare.
const TOKEN: &str = "canary-77c1e05a3f6b2d";
/// The key that a CA and an account have in common.
const HMAC: &str = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
/// Where the texts of the bare name and of the wildcard are.
const TEXTS: &str = "_acme-challenge.example.org";
const CURRENT: &str = "/var/lib/hostagent/tls/wild/current";

const ROUTE_53: &str = "\"route53\"";
const CLOUDFLARE: &str =
    "{ cloudflare = { token = { ssm = \"/cloudflare\" }, api = \"https://cloudflare.example.org/client/v4\" } }";
const CLOUDFLARE_BY_FILE: &str =
    "{ cloudflare = { token = { file = \"/root/token\" }, api = \"https://cloudflare.example.org/client/v4\" } }";

on_each_debian![
    a_wildcard_and_its_bare_name_are_proven_by_route_53,
    a_wildcard_and_its_bare_name_are_proven_by_cloudflare,
];

/// A certificate whose names are proven by DNS; no server reads it.
fn recipe(domains: &str, dns: &str, more: &str) -> String {
    format!(
        r#"
format = 1
[tls]
issuer = {{ directory = "https://acme.lab:14000/dir", root = "/root/acme.pem"{more} }}
[[tls.certificate]]
name = "wild"
domains = {domains}
challenge = "dns-01"
dns = {dns}
reload = []
"#
    )
}

const BOTH: &str = "[\"example.org\", \"*.example.org\"]";

/// An instance with a role, and a CA whose name server has the zone `example.org`.
fn instance(debian: u8, acme: Acme) -> Machine {
    let metadata = Metadata::new().role("ASIALABROLE", ROLE, "token");
    let host = Machine::debian(debian).with_packages(["openssl"]).with_metadata(metadata).with_acme(acme).boot();
    host.write("/root/acme.pem", &host.acme().root_pem());
    host.acme().dns().zone("example.org");
    host
}

/// The names of the certificate that counts, which the CA has issued.
fn names(host: &Machine) -> String {
    host.write("/root/issued.pem", &host.acme().issued_root_pem());
    let (chain, root) = (format!("{CURRENT}/fullchain.pem"), "/root/issued.pem");
    host.sh(&format!("openssl verify -CAfile {root} -untrusted {chain} {chain}")).succeeds();
    host.sh(&format!("openssl x509 -in {chain} -noout -ext subjectAltName | tail -n 1")).text().trim().to_owned()
}

/// What lets the next run try again at once.
fn forgives(host: &Machine) {
    host.sh("rm -f /var/lib/hostagent/tls/wild/failures-*.json").succeeds();
}

/// A secret stands in no file but those, nor in any log.
fn is_nowhere(host: &Machine, canary: &str, but: &str) {
    host.sh("journalctl --no-pager --all -o export").succeeds().says("hostagent").says_not(canary);
    let folders = "/etc /root /run/hostagent /tmp /var/lib/hostagent /var/log /var/tmp";
    host.sh(&format!("grep -rlF '{canary}' {folders}")).prints(but);
}

fn a_wildcard_and_its_bare_name_are_proven_by_route_53(debian: u8) {
    let host = instance(debian, Acme::new());
    let aws = host.aws();
    aws.private_zone("example.org");
    aws.zone("org.");
    let zone = aws.zone("example.org");
    zone.put(TEXTS, &["theirs"]);
    host.recipe(&recipe(BOTH, ROUTE_53, ""));
    host.agent("plan").exits(3);
    assert!(aws.requests().iter().all(|asked| asked.service != "route53"), "a plan has nothing to ask for");
    host.agent("-v converge").exits(0).says_not(ROLE);
    assert_eq!(names(&host), "DNS:example.org, DNS:*.example.org");
    assert_eq!(zone.texts(TEXTS), ["theirs"], "what is not ours stays, and what is ours is gone");
    let of_zones = |asked: &&crate::lab::aws::Asked| asked.service == "route53";
    let requests = aws.requests();
    assert!(requests.iter().filter(of_zones).any(|asked| asked.operation == "GetChange"), "{requests:?}");
    assert!(requests.iter().filter(of_zones).all(|asked| asked.status == 200), "{requests:?}");
    host.sh("ls -A /var/lib/hostagent/tls/wild/next").prints("");
    is_nowhere(&host, ROLE, "");
    host.agent("converge --json").exits(0).says("\"changed\":0");
}

fn a_wildcard_and_its_bare_name_are_proven_by_cloudflare(debian: u8) {
    let host = instance(debian, Acme::new());
    let aws = host.aws();
    aws.secure_parameter("/cloudflare", TOKEN);
    let cloudflare = aws.cloudflare(TOKEN);
    cloudflare.zone("example.org").put(TEXTS, "theirs");
    host.recipe(&recipe(BOTH, CLOUDFLARE, ""));
    host.agent("plan -vv").exits(3).says_not(TOKEN);
    let recorded = host.recording_argv("hostagent -vv converge --json");
    recorded.said.exits(0).says_not(TOKEN);
    assert!(!recorded.argv.join("\n").contains(TOKEN));
    assert_eq!(names(&host), "DNS:example.org, DNS:*.example.org");
    assert_eq!(cloudflare.texts(TEXTS), ["theirs"]);
    let posted =
        aws.requests().iter().filter(|asked| asked.service == "cloudflare" && asked.operation == "POST").count();
    assert_eq!(posted, 2, "one text for each of the two names");
    is_nowhere(&host, TOKEN, "");
    host.agent("converge --json").exits(0).says("\"changed\":0");
}

#[test]
fn an_alias_leads_the_text_into_a_zone_that_has_nothing_else() {
    let host = instance(12, Acme::new());
    let aws = host.aws();
    let zone = aws.zone("acme.example.net");
    let dns = host.acme().dns();
    dns.zone("acme.example.net").cname("_acme-challenge.www.example.org", "www.acme.example.net");
    let dns = format!("{{ route53 = {{ zone = \"{}\" }} }}", zone.id);
    host.recipe(&recipe("\"www.example.org\"", &dns, ""));
    host.agent("converge").exits(0);
    assert_eq!(names(&host), "DNS:www.example.org");
    assert!(zone.texts("www.acme.example.net").is_empty());
    let operations = aws.operations();
    assert!(!operations.contains(&"ListHostedZones".to_owned()), "the zone was said: {operations:?}");
}

#[test]
fn every_authoritative_server_has_the_text_before_the_ca_is_asked_to_look() {
    let host = instance(12, Acme::new());
    let aws = host.aws();
    let zone = aws.zone("example.org");
    let lag = Duration::from_secs(8);
    host.acme().dns().lags(lag);
    host.recipe(&recipe(BOTH, ROUTE_53, ""));
    host.agent("converge").exits(0);
    assert_eq!(names(&host), "DNS:example.org, DNS:*.example.org");
    let (ordered, asked) = (host.acme().asked(Step::NewOrder), host.acme().asked(Step::Challenge));
    let waited = asked[0].at - ordered[0].at;
    assert!(waited >= lag, "the CA was asked to look after {waited:?}");
    assert!(zone.texts(TEXTS).is_empty());
}

#[test]
fn a_run_that_was_killed_leaves_a_text_that_the_next_one_uses_and_takes_away() {
    let host = instance(12, Acme::new());
    let aws = host.aws();
    let zone = aws.zone("example.org");
    host.acme().dns().lags(Duration::from_mins(10));
    host.recipe(&recipe(BOTH, ROUTE_53, ""));
    let run = host.start_agent("converge");
    eventually("the texts are there", || zone.texts(TEXTS).len() == 2);
    run.signal("KILL");
    run.wait();
    let left = zone.texts(TEXTS);
    assert_eq!(left.len(), 2, "nobody was there to take them away");
    host.acme().dns().lags(Duration::ZERO);
    host.agent("converge").exits(0);
    assert_eq!(names(&host), "DNS:example.org, DNS:*.example.org");
    assert!(zone.texts(TEXTS).is_empty());
    assert_eq!(host.acme().orders(), 1, "the order of the run that was killed");

    // Of an order that is no more, the texts are of no use: they go.
    host.acme().dns().lags(Duration::from_mins(10));
    host.recipe(&recipe("[\"example.org\", \"*.example.org\", \"www.example.org\"]", ROUTE_53, ""));
    let run = host.start_agent("converge");
    eventually("the texts are there", || zone.texts(TEXTS).len() == 2);
    run.signal("KILL");
    run.wait();
    host.sh("rm /var/lib/hostagent/tls/wild/next/order.json").succeeds();
    host.acme().dns().lags(Duration::ZERO);
    host.agent("converge").exits(0);
    assert_eq!((zone.texts(TEXTS), zone.texts("_acme-challenge.www.example.org")), (vec![], vec![]));
}

#[test]
fn what_cannot_be_written_is_said_in_the_words_of_who_refused_and_nothing_stays() {
    let host = instance(12, Acme::new());
    let aws = host.aws();
    let cloudflare = aws.cloudflare(TOKEN);
    cloudflare.zone("example.com");
    host.write("/root/token", "canary-wrong\n");
    host.recipe(&recipe(BOTH, CLOUDFLARE_BY_FILE, ""));
    let said = host.agent("converge").exits(1).says("Cloudflare did not say which zones it has: Invalid access token");
    said.says("`DNS:Edit`").says_not("canary");
    host.agent("converge").exits(1).says("failed once, last with: Cloudflare did not");
    host.write("/root/token", &format!("{TOKEN}\n"));
    forgives(&host);
    host.agent("converge").exits(1).says("Cloudflare has no zone that `_acme-challenge.example.org` is in");
    assert_eq!(host.acme().orders(), 1, "the order is gone on with");

    // The CA fails when all is written: that is taken away.
    cloudflare.zone("example.org");
    host.acme().fault(Step::Challenge, crate::lab::acme::Fault::status(500).times(1));
    forgives(&host);
    host.agent("converge").exits(1).says("500");
    let posted =
        aws.requests().iter().filter(|asked| asked.service == "cloudflare" && asked.operation == "POST").count();
    assert!(posted > 0 && cloudflare.texts(TEXTS).is_empty());
    forgives(&host);
    host.agent("converge").exits(0);
    assert!(cloudflare.texts(TEXTS).is_empty());

    // Route 53 refuses: the role lacks the right.
    aws.zone("example.org");
    aws.refuses("ChangeResourceRecordSets", 403, "AccessDenied", "not authorized to perform this action");
    host.recipe(&recipe("\"example.org\"", ROUTE_53, ""));
    let said = host.agent("converge").exits(1).says("Route 53 answered 403 AccessDenied");
    said.says("allow `route53:ChangeResourceRecordSets` on `hostedzone/");
}

/// By a file, so that the machine need not be an instance.
fn bound(acme: Acme) -> Machine {
    let host = Machine::debian(13).with_packages(["openssl"]).with_acme(acme).boot();
    host.write("/root/acme.pem", &host.acme().root_pem());
    host.write("/root/token", TOKEN);
    host.acme().dns().zone("example.org");
    host
}

fn around(host: &Machine) -> Aws<'_> {
    let aws = host.aws();
    aws.cloudflare(TOKEN).zone("example.org");
    aws
}

#[test]
fn a_ca_that_knows_its_accounts_from_elsewhere_is_told_by_what_it_knows_this_one() {
    let host = bound(Acme::new().binding("kid-1", HMAC));
    let _aws = around(&host);
    host.recipe(&recipe(BOTH, CLOUDFLARE_BY_FILE, ""));
    let said = host.agent("converge").exits(1).says("only accounts that it knows from elsewhere");
    said.says("eab = { kid = \"…\", hmac = { ssm = \"/…\" } }");
    assert_eq!(host.acme().asked(Step::Account).len(), 0, "it would only be refused");

    let eab = ", eab = { kid = \"kid-1\", hmac = { file = \"/root/hmac\" } }";
    host.recipe(&recipe(BOTH, CLOUDFLARE_BY_FILE, eab));
    host.write("/root/hmac", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n");
    forgives(&host);
    host.agent("converge").exits(1).says("are `kid` (`kid-1`) and the HMAC key of one pair");

    host.write("/root/hmac", &format!("{HMAC}\n"));
    forgives(&host);
    let recorded = host.recording_argv("hostagent -vv converge");
    recorded.said.exits(0).says_not(HMAC);
    assert!(!recorded.argv.join("\n").contains(HMAC));
    assert_eq!(names(&host), "DNS:example.org, DNS:*.example.org");
    is_nowhere(&host, HMAC, "/root/hmac");

    // Once it is known, nobody asks for the key again.
    host.sh("rm /root/hmac").succeeds();
    host.recipe(&recipe("[\"www.example.org\"]", CLOUDFLARE_BY_FILE, eab));
    host.agent("converge").exits(0);
    assert_eq!(names(&host), "DNS:www.example.org");
}

/// A certificate whose name hostagent itself answers for; no server reads it.
fn answered_recipe() -> String {
    let recipe = recipe("\"mail.example.org\"", ROUTE_53, "");
    recipe.replace("\"dns-01\"\ndns = \"route53\"", "\"tls-alpn-01\"")
}

#[test]
fn a_host_without_a_server_at_443_answers_the_ca_there_itself_and_only_then() {
    let host = instance(12, Acme::new());
    host.acme().dns().a("mail.example.org", crate::lab::network::MACHINE);
    host.recipe(&answered_recipe());
    host.agent("converge").exits(0);
    assert_eq!(names(&host), "DNS:mail.example.org");
    host.sh("ss -Hltn 'sport = 443'").prints("");
}

#[test]
fn a_server_at_443_is_left_alone_and_told_of() {
    let host = Machine::debian(13).with_packages(["nginx", "openssl"]).with_acme(Acme::new()).boot();
    host.write("/root/acme.pem", &host.acme().root_pem());
    host.acme().dns().a("mail.example.org", crate::lab::network::MACHINE);
    host.write("/etc/nginx/sites-available/default", "server { listen 443; return 200 here; }\n");
    host.sh("systemctl restart nginx").succeeds();
    host.recipe(&answered_recipe());
    let said = host.agent("converge").exits(1).says("port 443 cannot be listened at: Address already in use");
    said.says("`challenge = \"http-01\"`");
    host.from_outside("10.0.0.50").get("http://10.0.0.10:443/").says("here");
}
