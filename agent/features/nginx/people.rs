//! `basic_auth = { … }`: who may come in, by name and password.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::words::{Name, SiteName, Text, quoted, word};
use crate::resources::password_file::PasswordFile;
use crate::secret::SecretRef;
use crate::terms::AccountName;

/// Who may come in, by name and password. Use it with `certificate`: without TLS everybody on the way can read both.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NginxBasicAuth")]
pub struct BasicAuth {
    /// What browsers say they want a password for. Default: the name of the site.
    pub realm: Option<Text>,
    /// Who may come in.
    pub user: Vec<Person>,
}

/// Somebody who may come in.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NginxPerson")]
pub struct Person {
    /// Their name.
    pub name: Name,
    /// Their password: where it is to be had.
    pub password: SecretRef,
}

impl BasicAuth {
    /// The directives: of a site, or of its location of this number from 1.
    pub(super) fn lines(&self, site: &SiteName, location: Option<usize>) -> Vec<String> {
        let realm = self.realm.as_ref().map_or(site.as_str(), Text::as_str);
        let place = place_of(site, location).display().to_string();
        vec![format!("auth_basic {}", quoted(realm)), format!("auth_basic_user_file {}", word(&place))]
    }

    /// The file that nginx reads. Who is named twice in a site has one generated password.
    pub(super) fn file(&self, site: &SiteName, location: Option<usize>, group: &AccountName) -> PasswordFile {
        let users = self.user.iter().map(|person| (person.name.as_str().to_owned(), person.password.clone()));
        PasswordFile {
            path: place_of(site, location),
            group: group.clone(),
            users: users.collect(),
            kept_as: format!("nginx.site.{site}"),
        }
    }
}

fn place_of(site: &SiteName, location: Option<usize>) -> PathBuf {
    let number = location.map(|number| format!("_{number}")).unwrap_or_default();
    PathBuf::from(format!("/etc/nginx/hostagent.d/{site}{number}.people"))
}
