//! What the metadata service says of the role and the region of an instance.

use std::fmt;
use std::time::SystemTime;

use aws_sdk_s3::config::Credentials;
use jiff::Timestamp;
use serde::Deserialize;

use super::imds::{Imds, answers};
use super::not_had::{Kind, NotHad};

const ROLES: &str = "meta-data/iam/security-credentials";
const DOCUMENT: &str = "dynamic/instance-identity/document";
const PROFILE: &str = "attach an instance profile: `aws ec2 associate-iam-instance-profile --instance-id … \
                       --iam-instance-profile Name=…`";

/// The credentials of a role, as the metadata service has them. They cannot be printed.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Told {
    code: String,
    message: Option<String>,
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
    token: Option<String>,
    expiration: Option<String>,
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Told").field("code", &self.code).finish_non_exhaustive()
    }
}

/// The credentials of the instance's role.
pub(super) async fn credentials(metadata: &mut Imds) -> Result<Credentials, NotHad> {
    let unanswered = |why| NotHad::unanswered("credentials", &why);
    let roles = metadata.get(&format!("{ROLES}/")).await.map_err(unanswered)?.unwrap_or_default();
    let role = String::from_utf8_lossy(&roles).lines().next().unwrap_or_default().trim().to_owned();
    // An answer is a path from here on.
    let is_name = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
    if role.is_empty() || !role.chars().all(is_name) {
        return Err(NotHad::new(Kind::Forbidden, "no credentials for AWS: this instance has no role", PROFILE));
    }
    let bytes = metadata.get(&format!("{ROLES}/{role}")).await.map_err(unanswered)?.unwrap_or_default();
    read(&role, &bytes)
}

/// The region of the instance.
pub(super) async fn region(metadata: &mut Imds) -> Result<String, NotHad> {
    let bytes = metadata.get(DOCUMENT).await.map_err(|why| NotHad::unanswered("region", &why))?.unwrap_or_default();
    let region = answers::document(&bytes).ok().and_then(|document| document.region);
    region.ok_or_else(|| {
        NotHad::new(Kind::Forbidden, "no region for AWS: the identity document names none", "set `AWS_REGION`")
    })
}

/// Why bytes are no credentials of a role, if they are none.
pub(crate) fn not_credentials(bytes: &[u8]) -> Option<NotHad> {
    read("web", bytes).err()
}

fn read(role: &str, bytes: &[u8]) -> Result<Credentials, NotHad> {
    let broken = || {
        let says =
            format!("no credentials for AWS: what the metadata service says of the role `{role}` is not readable");
        NotHad::new(Kind::Down, says, "it may pass: run again")
    };
    // What is wrong with it is not told: it would cite a secret.
    let told: Told = serde_json::from_slice(bytes).map_err(|_error| broken())?;
    if told.code != "Success" {
        let message = told.message.map(|text| format!(": {text}")).unwrap_or_default();
        let says = format!("no credentials for AWS: the role `{role}` cannot be assumed: {}{message}", told.code);
        return Err(NotHad::new(Kind::Forbidden, says, "does its trust policy name `ec2.amazonaws.com`?"));
    }
    let (Some(key), Some(secret)) = (told.access_key_id, told.secret_access_key) else { return Err(broken()) };
    let expiry = told.expiration.and_then(|time| time.parse::<Timestamp>().ok()).map(SystemTime::from);
    Ok(Credentials::new(key, secret, told.token, expiry, "instance role"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::imds::testing::{Server, status};

    const GOOD: &str = r#"{ "Code": "Success", "LastUpdated": "2026-01-02T03:04:05Z", "Type": "AWS-HMAC",
        "AccessKeyId": "ASIALAB", "SecretAccessKey": "canary", "Token": "token", "Expiration": "2030-01-02T03:04:05Z" }"#;

    async fn told(role: &'static str, credentials: &'static str) -> (Result<Credentials, NotHad>, Vec<String>) {
        let server = Server::with_tokens(move |_, path| match path {
            "meta-data/iam/security-credentials/" if role.is_empty() => status(404, ""),
            "meta-data/iam/security-credentials/" => status(200, role),
            _ => status(200, credentials),
        })
        .await;
        let mut metadata = Imds::at(server.endpoints(), std::time::Duration::from_secs(5)).await.unwrap();
        (super::credentials(&mut metadata).await, server.asked())
    }

    #[tokio::test]
    async fn the_role_of_the_instance_is_asked_for_and_its_credentials() {
        let (credentials, asked) = told("web", GOOD).await;
        let credentials = credentials.unwrap();
        assert_eq!((credentials.access_key_id(), credentials.session_token()), ("ASIALAB", Some("token")));
        assert!(credentials.expiry().is_some());
        assert_eq!(asked.last().unwrap(), "GET meta-data/iam/security-credentials/web");
    }

    #[tokio::test]
    async fn without_a_role_it_says_how_to_give_one() {
        let (credentials, _) = told("", GOOD).await;
        let why = credentials.unwrap_err();
        assert_eq!(
            (why.kind, why.says.as_str()),
            (Kind::Forbidden, "no credentials for AWS: this instance has no role")
        );
        assert!(why.hint.contains("associate-iam-instance-profile"));
        let (credentials, asked) = told("../../user-data", GOOD).await;
        assert_eq!(credentials.unwrap_err().kind, Kind::Forbidden);
        assert_eq!(asked.len(), 2, "{asked:?}");
    }

    #[tokio::test]
    async fn a_role_that_cannot_be_assumed_is_told_and_no_answer_is_cited() {
        let refused = r#"{ "Code": "AssumeRoleUnauthorizedAccess", "Message": "EC2 cannot assume the role web" }"#;
        let why = told("web", refused).await.0.unwrap_err();
        assert!(why.says.ends_with("AssumeRoleUnauthorizedAccess: EC2 cannot assume the role web"), "{}", why.says);
        let refused = r#"{ "Code": "No\nerror: all is well", "Message": "\u001b[2J\u009b1m" }"#;
        let why = not_credentials(refused.as_bytes()).unwrap();
        assert!(why.says.ends_with(": No error: all is well:  [2J 1m"), "{:?}", why.says);
        let why = told("web", r#"{ "Code": "Success", "SecretAccessKey": "canary" "#).await.0.unwrap_err();
        assert!(why.is_down() && !format!("{why:?}").contains("canary"), "{why:?}");
    }
}
