//! Parameters of Systems Manager.

use aws_sdk_ssm::Client;
use aws_sdk_ssm::config::Builder;
use secrecy::SecretString;

use super::Session;
use super::not_had::{Asked, Kind, NotHad};
use super::session::bounded;

impl Session {
    /// The value of a parameter, decrypted. Whether it is a secret is for the caller to know: it cannot be printed.
    ///
    /// # Errors
    /// When it cannot be had.
    pub async fn parameter(&self, path: &str) -> Result<SecretString, NotHad> {
        let what = format!("ssm:{path}");
        let asked = Asked {
            service: "Systems Manager",
            what: &what,
            action: "ssm:GetParameter",
            also: ", and `kms:Decrypt` on its key if it has one of yours",
        };
        bounded(asked, async {
            let access = self.access().await?;
            let client = access.parameters.get_or_init(|| {
                let mut config = Builder::from(&access.config);
                config.set_endpoint_url(self.endpoint("SSM").map(str::to_owned));
                Client::from_conf(config.build())
            });
            let question = client.get_parameter().name(path).with_decryption(true);
            let answer = question.send().await.map_err(|error| NotHad::of(asked, &error))?;
            let value = answer.parameter.and_then(|parameter| parameter.value);
            value
                .map(SecretString::from)
                .ok_or_else(|| NotHad::new(Kind::Wrong, "the parameter has no value", "set it"))
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
    async fn a_parameter_is_had_decrypted_by_its_path() {
        let body = r#"{ "Parameter": { "Name": "/db", "Type": "SecureString", "Value": "canary" } }"#;
        let server = Server::answering(&[reply(200, "", body)]).await;
        let value = session(&server).parameter("/db").await.unwrap();
        assert_eq!((value.expose_secret(), format!("{value:?}").contains("canary")), ("canary", false));
        let asked = server.asked().remove(0);
        assert!(asked.to_lowercase().contains("x-amz-target: amazonssm.getparameter"), "{asked}");
        assert!(asked.contains(r#"{"Name":"/db","WithDecryption":true}"#), "{asked}");
    }

    #[tokio::test]
    async fn what_systems_manager_refuses_is_told_apart() {
        let refused =
            |code: &str, message: &str| reply(400, "", &format!(r#"{{ "__type": "{code}", "message": "{message}" }}"#));
        for (answers, kind, says) in [
            (vec![refused("ParameterNotFound", "")], Kind::Gone, "Systems Manager answered 400 ParameterNotFound"),
            (
                vec![refused("AccessDeniedException", "not authorized to perform: ssm:GetParameter.")],
                Kind::Forbidden,
                "Systems Manager answered 400 AccessDeniedException: not authorized to perform: ssm:GetParameter",
            ),
            (
                vec![refused("ThrottlingException", "Rate exceeded"); 3],
                Kind::Down,
                "Systems Manager answered 400 ThrottlingException: Rate exceeded",
            ),
        ] {
            let server = Server::answering(&answers).await;
            let why = session(&server).parameter("/db").await.unwrap_err();
            assert_eq!((why.kind, why.says.as_str()), (kind, says));
            assert_eq!(server.asked().len(), answers.len());
        }
    }
}
