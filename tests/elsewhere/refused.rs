//! Who takes a recipe away, or the right to it, means it: nothing is put in its place, and nothing is touched.

use std::time::Duration;

use super::{HELLO, KEY, NOTE, instance};
use crate::evidence::DEBIANS;
use crate::lab::Machine;
use crate::lab::metadata::{Fault, Metadata};

const DENIED: &str = "User: arn:aws:sts::123456789012:assumed-role/lab/i-0af01c0123456789a is not authorized to perform: \
                      s3:GetObject on resource: \"arn:aws:s3:::recipes/note.toml\"";

#[test]
fn what_is_forbidden_gone_or_broken_is_a_failure_and_touches_nothing() {
    let host = instance(DEBIANS[0]);
    let aws = host.aws();
    let bucket = aws.bucket("recipes");
    bucket.put("note.toml", NOTE);
    host.recipe(HELLO);
    host.agent("converge").exits(0);
    let (etc, kept) = (host.digest("/etc"), host.digest("/var/lib/hostagent/recipes"));
    let refuses = |exit: i32, words: &[&str]| {
        for command in ["plan", "converge"] {
            let said = host.agent(command).exits(exit).says_not("last good");
            words.iter().fold(said, |said, words| said.says(words));
        }
        etc.is_still(&host.digest("/etc"));
        kept.is_still(&host.digest("/var/lib/hostagent/recipes"));
    };

    aws.refuses("GetObject", 403, "AccessDenied", DENIED);
    let hint = "allow `s3:GetObject` on `s3://recipes/note.toml` to the role of this instance";
    refuses(5, &["the base `s3://recipes/note.toml` cannot be had: S3 answered 403 AccessDenied", DENIED, hint]);
    aws.mend();
    aws.refuses("GetObject", 400, "ExpiredToken", "The provided token has expired.");
    refuses(
        5,
        &["S3 answered 400 ExpiredToken: The provided token has expired", "are the credentials of this host good?"],
    );
    aws.mend();

    bucket.delete("note.toml");
    refuses(2, &["S3 answered 404 NoSuchKey", "/etc/hostagent/recipe.toml:1:8", "nothing was touched"]);
    bucket.put("note.toml", "format = 1\n[[file]\n");
    refuses(2, &["s3://recipes/note.toml:2:", "nothing was touched"]);
    bucket.put("note.toml", &NOTE.replace("path", "pahth"));
    refuses(2, &["s3://recipes/note.toml:5:1", "did you mean `path`?"]);

    bucket.put("note.toml", NOTE);
    host.agent("converge").exits(0);
    etc.is_still(&host.digest("/etc"));
}

#[test]
fn a_source_that_is_silent_is_waited_for_half_a_minute() {
    let host = instance(DEBIANS[0]);
    let aws = host.aws();
    aws.bucket("recipes").put("note.toml", NOTE);
    host.recipe(HELLO);
    host.agent("converge").exits(0);
    aws.is_silent("GetObject");
    let said = host.agent("converge").exits(0).says("the last good one is used").says("S3 did not answer in time");
    assert!(said.took < Duration::from_secs(40), "{said}");
}

#[test]
fn without_credentials_it_says_how_to_give_some() {
    let host = Machine::debian(DEBIANS[0]).with_metadata(Metadata::new()).boot();
    let aws = host.aws();
    aws.bucket("recipes").put("note.toml", NOTE);
    host.recipe(HELLO);
    host.agent("plan").exits(5).says("this instance has no role").says("aws ec2 associate-iam-instance-profile");
    host.metadata().fault("meta-data/iam/security-credentials", Fault::status(500));
    host.metadata().disable();
    host.agent("plan").exits(5).says("the metadata service of this instance is disabled");
    assert!(aws.requests().is_empty(), "nobody was asked without credentials");
}

#[test]
fn a_host_elsewhere_asks_with_what_its_environment_says() {
    let host = Machine::debian(DEBIANS[1]).boot();
    let aws = host.aws();
    aws.bucket("recipes").put("note.toml", &NOTE.replace("{{ facts.region }}", "the house"));
    host.recipe(HELLO);
    host.agent("plan")
        .exits(5)
        .says("no credentials for AWS: this host is not an EC2 instance")
        .says("AWS_ACCESS_KEY_ID");

    host.has_agent();
    let environment = "AWS_ACCESS_KEY_ID=AKIALAB AWS_SECRET_ACCESS_KEY=secret";
    host.sh(&format!("{environment} hostagent plan")).exits(5).says("no region for AWS").says("AWS_REGION");
    let region = format!("{environment} AWS_REGION=eu-central-1");
    host.sh(&format!("{region} hostagent plan")).exits(3).says("/etc/note");
    // An endpoint of one's own, by plain HTTP, with the bucket in the path.
    let url = format!("{region} AWS_ENDPOINT_URL=http://10.0.0.60");
    host.sh(&format!("{url} hostagent converge")).exits(0);
    assert_eq!(host.read("/etc/note"), "hello in the house\n");
    let asked = aws.requests();
    assert!(asked.iter().all(|asked| asked.key == "AKIALAB" && asked.what == "recipes/note.toml"), "{asked:#?}");
    assert_eq!(asked.len(), 2);
    assert_ne!(KEY, "AKIALAB");
}

#[test]
fn a_check_asks_nobody_unless_it_is_to() {
    let host = instance(DEBIANS[1]);
    let aws = host.aws();
    aws.bucket("recipes").put("note.toml", NOTE);
    host.recipe(HELLO);
    let check = "check /etc/hostagent/recipe.toml";
    host.agent(check).exits(0).says("its base `s3://recipes/note.toml` was not looked at; `--fetch` asks for it");
    assert!(aws.requests().is_empty() && host.metadata().requests().is_empty());
    host.agent(&format!("{check} --fetch")).exits(0).says_not("note:");
    host.recipe(&HELLO.replace("name =", "nmae ="));
    host.agent(&format!("{check} --fetch")).exits(2).says("the variable `name` has no value");
    // What is wrong here is told without the base.
    host.recipe("base = \"s3://recipes/note.toml\"\nformat = 0\n");
    host.agent(check).exits(2).says("not a format of recipes");
}
