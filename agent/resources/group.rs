//! A group of users.

use serde::Serialize;

use crate::engine::{Cause, Changes, Id, Resource};
use crate::host::programs::Program;
use crate::host::{Look, Touch};
use crate::terms::AccountName;

/// A group of the host. Who is in it is said by [`User`](super::user::User). It is never deleted.
#[derive(Debug, Clone, Serialize)]
pub struct Group {
    /// Its name.
    pub name: AccountName,
    /// Its number. Default: the next free one.
    pub gid: Option<u32>,
    /// Whether it gets a number below those of people, when it is made.
    pub system: bool,
}

impl Resource for Group {
    fn id(&self) -> Id {
        Id::new("group", &self.name)
    }

    fn needs(&self) -> Vec<Id> {
        // Packages bring groups of their own, and lock /etc/group while they do.
        vec![Id::every("package")]
    }

    async fn check(&self, host: &Look) -> Result<Changes, Cause> {
        let Some(found) = host.group(self.name.as_str())? else { return Ok(self.when_absent()) };
        Ok(Changes::none().value("gid", &found.gid, &self.gid.unwrap_or(found.gid)))
    }

    async fn apply(&self, host: &Touch) -> Result<(), Cause> {
        let _alone = host.accounts().await;
        let program = match host.group(self.name.as_str())? {
            Some(found) if self.gid.is_none_or(|gid| gid == found.gid) => return Ok(()),
            Some(_) => Program::does("groupmod"),
            None => Program::does("groupadd").args(self.system.then_some("--system")),
        };
        let number = self.gid.map(|gid| ["--gid".to_owned(), gid.to_string()]);
        host.run(&program.args(number.into_iter().flatten()).arg(self.name.as_str())).await?;
        Ok(())
    }

    fn when_absent(&self) -> Changes {
        let changes = Changes::none().appears("group", &self.name).creating();
        self.gid.map_or(changes.clone(), |gid| changes.appears("gid", gid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::laws::{Play, keeps_its_word};

    fn group(gid: Option<u32>) -> Group {
        Group { name: "app".to_owned().try_into().unwrap(), gid, system: true }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_group_keeps_its_word_and_its_number() {
        let play = Play::with(|argv, root| {
            let gid = argv.iter().skip_while(|arg| *arg != "--gid").nth(1).map_or("990", String::as_str);
            std::fs::write(root.join("etc/group"), format!("root:x:0:\napp:x:{gid}:\n")).unwrap();
            Some((0, String::new()))
        });
        keeps_its_word::<Group>(&group(None), &play.host).await;
        assert_eq!(play.differs(&group(Some(812))).await.to_string(), "gid 990 -> 812");
        keeps_its_word::<Group>(&group(Some(812)), &play.host).await;
        assert_eq!(play.ran()[0], "groupadd --system app");
        assert_eq!(play.ran()[1], "groupmod --gid 812 app");
    }
}
