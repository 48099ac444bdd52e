//! Objects of S3.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::{Builder, Region};
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::get_object::{GetObjectError, GetObjectOutput};

use super::Session;
use super::not_had::{Asked, Kind, NotHad};
use super::session::bounded;

type Answer = Result<GetObjectOutput, SdkError<GetObjectError, HttpResponse>>;

impl Session {
    /// Every byte of an object.
    ///
    /// # Errors
    /// When it cannot be had, or has more bytes than `limit`.
    pub async fn object(&self, bucket: &str, key: &str, limit: usize) -> Result<Vec<u8>, NotHad> {
        let what = format!("s3://{bucket}/{key}");
        let asked = Asked {
            service: "S3",
            what: &what,
            action: "s3:GetObject",
            also: "; without `s3:ListBucket` S3 answers so, too, where there is no such key",
        };
        bounded(asked, self.object_whole(asked, bucket, key, limit)).await
    }

    async fn object_whole(&self, asked: Asked<'_>, bucket: &str, key: &str, limit: usize) -> Result<Vec<u8>, NotHad> {
        let mut answer = self.ask_for(bucket, key, None).await?;
        // A bucket is in one region, and S3 says in which.
        if let Some(region) = other_region(&answer) {
            answer = self.ask_for(bucket, key, Some(region)).await?;
        }
        let object = answer.map_err(|error| NotHad::of(asked, &error))?;
        let length = object.content_length().and_then(|length| usize::try_from(length).ok());
        if length.is_some_and(|length| length > limit) {
            return Err(NotHad::too_large(limit));
        }
        let (mut body, mut bytes) = (object.body, Vec::with_capacity(length.unwrap_or_default()));
        loop {
            match body.try_next().await {
                Ok(None) => return Ok(bytes),
                Ok(Some(piece)) if bytes.len() + piece.len() > limit => return Err(NotHad::too_large(limit)),
                Ok(Some(piece)) => bytes.extend_from_slice(&piece),
                Err(error) => {
                    let says = format!("the answer of S3 was cut off or damaged: {error}");
                    return Err(NotHad::new(Kind::Down, says, "it may pass: run again"));
                }
            }
        }
    }

    async fn ask_for(&self, bucket: &str, key: &str, region: Option<String>) -> Result<Answer, NotHad> {
        let mut config = Builder::from(&self.access().await?.config);
        if let Some(region) = region {
            config = config.region(Region::new(region));
        }
        if let Some(endpoint) = self.endpoint("S3") {
            config = config.endpoint_url(endpoint);
        }
        // A certificate of S3 does not fit a name with more dots, and another server may not have a name for each bucket.
        let is_in_path = bucket.contains('.') || self.endpoint("S3").is_some();
        let client = Client::from_conf(config.force_path_style(is_in_path).build());
        Ok(client.get_object().bucket(bucket).key(key).send().await)
    }
}

/// The region of a bucket that was asked for in another one.
fn other_region(answer: &Answer) -> Option<String> {
    let response = answer.as_ref().err()?.raw_response()?;
    let region = response.headers().get("x-amz-bucket-region")?;
    // With 403 it is no redirect but a refusal.
    matches!(response.status().as_u16(), 301 | 307 | 400).then(|| region.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::testing::{Server, reply, session};

    fn refused(status: u16, code: &str, message: &str) -> String {
        reply(status, "", &format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>"))
    }

    async fn had(server: &Server) -> Result<Vec<u8>, NotHad> {
        session(server).object("recipes", "web.toml", 10).await
    }

    #[tokio::test]
    async fn an_object_is_had_with_a_signed_request_by_its_exact_key() {
        let server = Server::answering(&[reply(200, "", "yes")]).await;
        let bytes = session(&server).object("recipes", "a b/ü+.toml", 10).await.unwrap();
        assert_eq!(bytes, b"yes");
        let asked = server.asked().remove(0);
        assert!(asked.starts_with("GET /recipes/a%20b/%C3%BC%2B.toml?x-id=GetObject HTTP/1.1"), "{asked}");
        assert!(asked.contains("Credential=AKIALAB/") && asked.contains("/eu-central-1/s3/"), "{asked}");
    }

    #[tokio::test]
    async fn a_bucket_in_another_region_is_asked_there() {
        let moved = reply(301, "x-amz-bucket-region: us-east-2\r\n", "");
        let server = Server::answering(&[moved, reply(200, "", "yes")]).await;
        assert_eq!(had(&server).await.unwrap(), b"yes");
        assert!(server.asked()[1].contains("/us-east-2/s3/"));
    }

    #[tokio::test]
    async fn a_refusal_is_told_in_the_words_of_s3_and_asked_once() {
        let server = Server::answering(&[refused(403, "AccessDenied", "User: x may not do s3:GetObject.")]).await;
        let why = had(&server).await.unwrap_err();
        assert_eq!(why.kind, Kind::Forbidden);
        assert_eq!(why.says, "S3 answered 403 AccessDenied: User: x may not do s3:GetObject");
        assert_eq!(server.asked().len(), 1);
    }

    #[tokio::test]
    async fn a_stumbling_service_is_asked_three_times_and_then_it_is_down() {
        let busy = || refused(503, "SlowDown", "Reduce your request rate.");
        let server = Server::answering(&[busy(), busy(), reply(200, "", "yes")]).await;
        assert_eq!(had(&server).await.unwrap(), b"yes");

        let server = Server::answering(&[busy(), busy(), busy()]).await;
        let why = had(&server).await.unwrap_err();
        assert_eq!((why.is_down(), why.says.as_str()), (true, "S3 answered 503 SlowDown: Reduce your request rate"));
        assert_eq!(server.asked().len(), 3);
    }

    #[tokio::test]
    async fn nobody_listening_is_down_and_too_much_is_wrong() {
        let server = Server::answering(&[]).await;
        let session = session(&server);
        drop(server);
        let why = session.object("recipes", "web.toml", 10).await.unwrap_err();
        assert!(why.is_down() && why.says.starts_with("S3 cannot be reached: "), "{why:?}");

        let server = Server::answering(&[reply(200, "", "12345678901")]).await;
        let why = had(&server).await.unwrap_err();
        assert_eq!((why.kind, why.says.as_str()), (Kind::Wrong, "it is larger than 10 bytes"));
    }

    #[tokio::test]
    async fn an_answer_that_ends_early_is_no_object() {
        let server = Server::answering(&["HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nyes".to_owned()]).await;
        let why = had(&server).await.unwrap_err();
        assert!(why.is_down(), "{why:?}");
    }
}
