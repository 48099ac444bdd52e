//! Recipes from elsewhere: S3, Parameter Store, HTTPS. When the source is down the last good one is used, and that is said;
//! when it says no, that is a failure.

mod refused;
mod secret;

use crate::evidence::DEBIANS;
use crate::lab::aws::Aws;
use crate::lab::metadata::Metadata;
use crate::lab::{Machine, sum};

const KEY: &str = "ASIALABROLE";
/// What the role of the instance signs with.
const CANARY: &str = "canary-6c2f0b7d51e94a";

/// A recipe that others extend.
const NOTE: &str = r#"format = 1
[vars]
name = { required = "what the note says" }
[[file]]
path = "/etc/note"
content = "{{ vars.name }} in {{ facts.region }}\n"
"#;
/// Three lines over it.
const HELLO: &str = "base = \"s3://recipes/note.toml\"\n[vars]\nname = \"hello\"\n";

mod debian_12 {
    #[test]
    fn a_base_in_s3_is_extended_and_kept_for_when_s3_is_down() {
        super::a_base_in_s3_is_extended_and_kept_for_when_s3_is_down(12);
    }

    #[test]
    fn an_instance_serves_what_its_user_data_finds_in_s3() {
        super::an_instance_serves_what_its_user_data_finds_in_s3(12);
    }
}

mod debian_13 {
    #[test]
    fn a_base_in_s3_is_extended_and_kept_for_when_s3_is_down() {
        super::a_base_in_s3_is_extended_and_kept_for_when_s3_is_down(13);
    }

    #[test]
    fn an_instance_serves_what_its_user_data_finds_in_s3() {
        super::an_instance_serves_what_its_user_data_finds_in_s3(13);
    }
}

fn a_base_in_s3_is_extended_and_kept_for_when_s3_is_down(debian: u8) {
    let host = instance(debian);
    let aws = host.aws();
    aws.bucket("recipes").put("note.toml", NOTE);
    host.recipe(HELLO);
    host.agent("plan -vv").exits(3).says("/etc/note").says_not(CANARY);
    assert_eq!(kept(&host), "", "a plan keeps nothing");

    host.agent("converge").exits(0).says_not("note:");
    assert_eq!(host.read("/etc/note"), "hello in eu-central-1\n");
    assert_eq!(kept(&host), "600 root:root");
    let asked = aws.requests();
    assert!(asked.iter().all(|asked| asked.operation == "GetObject" && asked.status == 200), "{asked:#?}");
    assert!(asked.iter().all(|asked| asked.key == KEY && asked.region == "eu-central-1"), "{asked:#?}");
    assert_eq!(asked.len(), 2, "one for each command: {asked:#?}");
    let before = (host.digest("/etc"), host.digest("/var/lib/hostagent/recipes"));
    host.agent("converge --json").exits(0);

    is_down(&host, &aws);
    before.0.is_still(&host.digest("/etc"));
    before.1.is_still(&host.digest("/var/lib/hostagent/recipes"));
    host.sh("journalctl --no-pager --all -o export").succeeds().says("hostagent").says_not(CANARY);
    host.sh(&format!("grep -rl {CANARY} /etc /var/lib/hostagent /run/hostagent /tmp")).fails().prints("");

    // What is there again counts again.
    aws.start();
    aws.mend();
    aws.bucket("recipes").put("note.toml", &NOTE.replace(" in ", " again in "));
    host.agent("converge").exits(0).says_not("note:");
    assert_eq!(host.read("/etc/note"), "hello again in eu-central-1\n");
    host.agent("converge").exits(0);
    host.sh("rm -r /var/lib/hostagent/recipes");
    aws.fails("GetObject", 500, -1);
    host.agent("converge")
        .exits(5)
        .says("cannot be had, and no copy of it is kept here: S3 answered 500")
        .says("hint:");
}

/// Says that the last good copy is used, wherever somebody may look for it.
fn is_down(host: &Machine, aws: &Aws<'_>) {
    let said = "the base `s3://recipes/note.toml`: the last good one is used, kept since 2";
    aws.forget();
    aws.fails("GetObject", 503, -1);
    host.agent("plan").exits(0).says(said).says("S3 answered 503 InternalError: an internal error occurred");
    assert_eq!(aws.operations(), ["GetObject"; 3], "it was asked three times");
    host.agent("check /etc/hostagent/recipe.toml").exits(0).says("not looked at; the last good one is used");
    assert_eq!(aws.operations().len(), 3, "a check asks nobody");
    aws.mend();

    aws.stop();
    let converged = host.agent("converge --json").exits(0).json();
    assert_eq!((&converged["changed"], &converged["outcome"]), (&0.into(), &"converged".into()));
    assert!(converged["notes"][0].as_str().unwrap().starts_with(said), "{converged:#}");
    host.agent("converge").exits(0).says(said).says("S3 cannot be reached");
    host.agent("status").exits(0).says(said);
    let journal = host.journal_of("-t hostagent MESSAGE_ID=c60932798eb944e4993fa2a4ee0262c9 -o cat");
    assert_eq!(journal.matches(said).count(), 2, "{journal}");
}

/// From power-on, without a hand; and again with nobody to ask.
fn an_instance_serves_what_its_user_data_finds_in_s3(debian: u8) {
    let host = Machine::debian(debian).with_metadata(role().user_data(HELLO)).boot();
    let aws = host.aws();
    // Without facts of EC2: those are asked for at each boot anew.
    aws.bucket("recipes").put("note.toml", &NOTE.replace("{{ facts.region }}", "the cloud"));
    host.bake(&[]);
    host.power_off();

    host.power_on();
    host.agent("status --wait").exits(0).says("the last run, at boot, converged");
    assert_eq!(host.read("/etc/note"), "hello in the cloud\n");

    let before = host.digest("/etc");
    aws.stop();
    host.metadata().stop();
    host.power_off();
    host.power_on();
    host.agent("status --wait").exits(0).says("the last good one is used").says("no credentials for AWS");
    before.is_still(&host.digest("/etc"));
}

#[test]
fn parameter_store_has_recipes_too_and_packed_ones() {
    let host = instance(DEBIANS[0]);
    let aws = host.aws();
    aws.bucket("recipes").put("note.toml", NOTE);
    aws.parameter("/hostagent/thin", "base = \"s3://recipes/note.toml\"\n[vars]\nname = \"thin\"\n");
    host.recipe("base = \"ssm:/hostagent/thin\"\n");
    host.agent("converge").exits(0);
    assert_eq!(host.read("/etc/note"), "thin in eu-central-1\n");
    assert_eq!(aws.operations(), ["GetParameter", "GetObject"]);

    // Parameter Store takes no `{{`.
    host.write("/tmp/note.toml", NOTE);
    let packed = host.sh("gzip -9 < /tmp/note.toml | base64 --wrap=0").succeeds().stdout;
    aws.parameter("/hostagent/packed", &packed);
    host.recipe("base = \"ssm:/hostagent/packed\"\n[vars]\nname = \"packed\"\n");
    aws.refuses("GetParameter", 400, "ThrottlingException", "Rate exceeded");
    host.agent("plan").exits(5).says("Systems Manager answered 400 ThrottlingException: Rate exceeded");
    aws.mend();
    host.agent("converge").exits(0);
    assert_eq!(host.read("/etc/note"), "packed in eu-central-1\n");
    aws.refuses("GetParameter", 400, "ThrottlingException", "Rate exceeded");
    host.agent("converge").exits(0).says("the base `ssm:/hostagent/packed`: the last good one is used");
}

#[test]
fn a_server_of_https_is_believed_when_the_digest_fits_and_asked_once() {
    // No instance of EC2: this needs nobody's credentials.
    let host = Machine::debian(DEBIANS[1]).boot();
    let aws = host.aws();
    let note = NOTE.replace("{{ facts.region }}", "the house");
    let url = "https://recipes.example.org/note.toml";
    aws.page(url, &note);
    let recipe =
        |digest: &str| format!("base = {{ url = \"{url}\", sha256 = \"{digest}\" }}\n[vars]\nname = \"hello\"\n");
    host.recipe(&recipe(&sum::of(&note)));
    host.agent("converge").exits(0);
    assert_eq!(host.read("/etc/note"), "hello in the house\n");
    aws.stop();
    host.agent("converge").exits(0).says_not("note:");
    assert_eq!(aws.requests().len(), 1);
    aws.start();

    host.recipe(&recipe(&sum::of("another")));
    host.agent("plan")
        .exits(2)
        .says(&format!("what came has the SHA-256 `{}`", sum::of(&note)))
        .says("recipe.toml:1:8");
    aws.page(url, "gone\n");
    host.agent("plan").exits(2).says("what came has the SHA-256");
    aws.stop();
    host.agent("plan").exits(5).says("could not fetch `https://recipes.example.org/note.toml`");
}

/// An instance with a role.
fn instance(debian: u8) -> Machine {
    Machine::debian(debian).with_metadata(role()).boot()
}

fn role() -> Metadata {
    Metadata::new().role(KEY, CANARY, "token")
}

/// The rights and owners of what is kept.
fn kept(host: &Machine) -> String {
    host.sh("stat -c '%a %U:%G' /var/lib/hostagent/recipes/*.toml 2>/dev/null").text().to_owned()
}
