//! With what AWS is asked: credentials, a region, endpoints, and how long it may take.
//!
//! | | in this order |
//! |---|---|
//! | credentials | `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN` · the role of the instance |
//! | region | `AWS_REGION` · `AWS_DEFAULT_REGION` · the identity document of the instance |
//! | endpoint of a service | `AWS_ENDPOINT_URL_S3` and its like · `AWS_ENDPOINT_URL` · the service's own in the region |
//!
//! Why our own and not the SDK's chain: it would read the files of a person, and ask the metadata service in its own way,
//! also on hosts that are not EC2's.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use aws_types::SdkConfig;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::imds::Imds;
use super::not_had::{Asked, Kind, NotHad};
use super::role;
use crate::host::Look;

/// How often a service is asked before it counts as down: the first time, and twice again.
const TRIES: u32 = 3;
/// How long one try may take.
const A_TRY: Duration = Duration::from_secs(10);
/// How long all of them may take.
const ALL_TRIES: Duration = Duration::from_secs(30);
/// How long the metadata service may take to say who this instance is, unless it is said.
const METADATA: Duration = Duration::from_secs(15);

/// What this process was told of AWS; it does not change while it runs, and the role's credentials outlast a run.
static OF_THIS_PROCESS: OnceCell<Access> = OnceCell::const_new();

/// Whoever asks AWS. Asks nobody itself before it is needed.
#[derive(Debug)]
pub struct Session {
    host: Look,
    environment: Environment,
    metadata: Duration,
    own: Option<OnceCell<Access>>,
}

/// What the clients of all services have in common, and the clients that were made of it: each has a connection.
#[derive(Debug)]
pub(super) struct Access {
    pub(super) config: SdkConfig,
    pub(super) parameters: OnceLock<aws_sdk_ssm::Client>,
    pub(super) secrets: OnceLock<aws_sdk_secretsmanager::Client>,
    pub(super) zones: OnceLock<aws_sdk_route53::Client>,
}

/// The variables of the environment that begin with `AWS_`. Some are secrets: it cannot be printed.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Environment {
    /// That of this process.
    pub fn of_this_process() -> Self {
        std::env::vars().filter(|(name, _)| name.starts_with("AWS_")).collect()
    }

    fn get(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.0.get(*name)).map(String::as_str)
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(variables.into_iter().filter(|(_, value)| !value.is_empty()).collect())
    }
}

impl Session {
    /// That of this host, with the environment of this process. What one of them has learned, the others know.
    pub fn of(host: &Look) -> Self {
        let environment = Environment::of_this_process();
        Self { host: host.clone(), environment, metadata: METADATA, own: None }
    }

    /// One with an environment of its own.
    pub fn with(host: &Look, environment: Environment) -> Self {
        Self { host: host.clone(), environment, metadata: METADATA, own: Some(OnceCell::new()) }
    }

    /// The same, with so much patience with the metadata service.
    #[must_use]
    pub fn patient(self, metadata: Duration) -> Self {
        Self { metadata, ..self }
    }

    /// With what AWS is asked; learned when it is needed first.
    pub(super) async fn access(&self) -> Result<&Access, NotHad> {
        self.own.as_ref().unwrap_or(&OF_THIS_PROCESS).get_or_try_init(|| self.learn()).await
    }

    /// Where a service is to be asked, if not where it always is.
    pub(super) fn endpoint(&self, service: &str) -> Option<&str> {
        self.environment.get(&[&format!("AWS_ENDPOINT_URL_{service}"), "AWS_ENDPOINT_URL"])
    }

    async fn learn(&self) -> Result<Access, NotHad> {
        let (mut credentials, mut region) = (self.credentials(), self.region());
        if credentials.is_none() || region.is_none() {
            let wanted = if credentials.is_none() { "credentials" } else { "region" };
            let unanswered = |why| NotHad::unanswered(wanted, &why);
            let mut metadata = Imds::open(&self.host, self.metadata).await.map_err(unanswered)?;
            if credentials.is_none() {
                credentials = Some(role::credentials(&mut metadata).await?);
            }
            if region.is_none() {
                region = Some(Region::new(role::region(&mut metadata).await?));
            }
        }
        let credentials = credentials.ok_or_else(|| missing("credentials"))?;
        let timeouts = TimeoutConfig::builder()
            .read_timeout(A_TRY)
            .operation_attempt_timeout(A_TRY)
            .operation_timeout(ALL_TRIES)
            .build();
        let is_set = |name: &str| self.environment.get(&[name]).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(region)
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .retry_config(RetryConfig::standard().with_max_attempts(TRIES))
            .timeout_config(timeouts)
            .use_fips(is_set("AWS_USE_FIPS_ENDPOINT"))
            .use_dual_stack(is_set("AWS_USE_DUALSTACK_ENDPOINT"))
            .build();
        Ok(Access { config, parameters: OnceLock::new(), secrets: OnceLock::new(), zones: OnceLock::new() })
    }

    fn credentials(&self) -> Option<Credentials> {
        let key = self.environment.get(&["AWS_ACCESS_KEY_ID"])?;
        let secret = self.environment.get(&["AWS_SECRET_ACCESS_KEY"])?;
        let token = self.environment.get(&["AWS_SESSION_TOKEN"]).map(str::to_owned);
        Some(Credentials::new(key, secret, token, None, "environment"))
    }

    fn region(&self) -> Option<Region> {
        self.environment.get(&["AWS_REGION", "AWS_DEFAULT_REGION"]).map(|name| Region::new(name.to_owned()))
    }
}

fn missing(what: &str) -> NotHad {
    NotHad::new(Kind::Forbidden, format!("no {what} for AWS"), "give the instance a role")
}

/// Waits for an answer no longer than all tries may take, whatever the SDK makes of its own limits.
pub(super) async fn bounded<T>(
    asked: Asked<'_>,
    question: impl Future<Output = Result<T, NotHad>>,
) -> Result<T, NotHad> {
    let most = ALL_TRIES + A_TRY;
    // The futures of the SDK are large.
    timeout(most, Box::pin(question)).await.unwrap_or_else(|_late| Err(NotHad::late(asked, most)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Host, programs::Real};

    fn session(variables: &[(&str, &str)]) -> Session {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path(), Box::new(Real)).unwrap();
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Session::with(&host.look(), variables.collect())
    }

    const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "AKIALAB"), ("AWS_SECRET_ACCESS_KEY", "canary")];

    #[tokio::test]
    async fn a_host_elsewhere_needs_all_of_it_in_its_environment() {
        for (variables, says) in [
            (&[][..], "no credentials for AWS: this host is not an EC2 instance"),
            (&KEYS[..1], "no credentials for AWS: this host is not an EC2 instance"),
            (&KEYS[..], "no region for AWS: this host is not an EC2 instance"),
        ] {
            let why = session(variables).access().await.unwrap_err();
            assert_eq!((why.kind, why.says.starts_with(says)), (Kind::Forbidden, true), "{why:?}");
            assert!(why.hint.contains("AWS_ACCESS_KEY_ID") && why.hint.contains("AWS_REGION"), "{}", why.hint);
        }
        let whole = [&KEYS[..], &[("AWS_DEFAULT_REGION", "us-east-2"), ("AWS_REGION", "")]].concat();
        let session = session(&whole);
        assert_eq!(session.access().await.unwrap().config.region().unwrap().as_ref(), "us-east-2");
        assert!(!format!("{session:?}").contains("canary"));
    }

    #[test]
    fn an_endpoint_of_the_service_comes_before_that_of_all() {
        let session = session(&[("AWS_ENDPOINT_URL", "http://all"), ("AWS_ENDPOINT_URL_S3", "http://s3")]);
        assert_eq!((session.endpoint("S3"), session.endpoint("SSM")), (Some("http://s3"), Some("http://all")));
    }
}
