//! Secrets of Secrets Manager.

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::Builder;
use secrecy::SecretString;

use super::Session;
use super::not_had::{Asked, Kind, NotHad};
use super::session::bounded;

impl Session {
    /// The current value of a secret, by its name or ARN.
    ///
    /// # Errors
    /// When it cannot be had, or is no text.
    pub async fn secret(&self, name: &str) -> Result<SecretString, NotHad> {
        let asked = Asked {
            service: "Secrets Manager",
            what: name,
            action: "secretsmanager:GetSecretValue",
            also: ", and `kms:Decrypt` on its key if it has one of yours",
        };
        bounded(asked, async {
            let access = self.access().await?;
            let client = access.secrets.get_or_init(|| {
                let mut config = Builder::from(&access.config);
                config.set_endpoint_url(self.endpoint("SECRETS_MANAGER").map(str::to_owned));
                Client::from_conf(config.build())
            });
            let question = client.get_secret_value().secret_id(name);
            let answer = question.send().await.map_err(|error| NotHad::of(asked, &error))?;
            let no_text = || NotHad::new(Kind::Wrong, "the secret is binary", "keep it as text: `SecretString`");
            answer.secret_string.map(SecretString::from).ok_or_else(no_text)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::aws::testing::{Server, reply, session};

    #[tokio::test]
    async fn a_secret_is_had_by_its_name() {
        let server = Server::answering(&[reply(200, "", r#"{ "Name": "db", "SecretString": "canary" }"#)]).await;
        let value = session(&server).secret("db").await.unwrap();
        assert_eq!((value.expose_secret(), format!("{value:?}").contains("canary")), ("canary", false));
        let asked = server.asked().remove(0);
        assert!(asked.to_lowercase().contains("x-amz-target: secretsmanager.getsecretvalue"), "{asked}");
        assert!(asked.contains(r#"{"SecretId":"db"}"#), "{asked}");
    }

    #[tokio::test]
    async fn a_secret_that_is_not_there_is_gone() {
        let body = r#"{ "__type": "ResourceNotFoundException", "message": "Secrets Manager can't find it." }"#;
        let server = Server::answering(&[reply(400, "", body)]).await;
        assert_eq!(session(&server).secret("db").await.unwrap_err().kind, Kind::Gone);
    }
}
