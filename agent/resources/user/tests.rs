//! Users, with the account programs played on real passwd, group and shadow files.

use std::fs;

use super::*;
use crate::resources::laws::{CANARY, Play, keeps_its_word};
use crate::terms::AbsolutePath;

/// A host whose useradd, usermod and chpasswd do what these tests need of them.
fn play() -> Play {
    let play = Play::with(|argv, root| {
        let value = |option: &str| argv.iter().skip_while(|arg| *arg != option).nth(1).cloned();
        let edit = |file: &str, change: &dyn Fn(String) -> String| {
            let path = root.join(file);
            let text = change(fs::read_to_string(&path).unwrap());
            fs::write(path, text).unwrap();
        };
        let name = argv.last().unwrap().clone();
        let join = |groups: String| {
            let line = move |line: &str| {
                let (head, members) = line.rsplit_once(':').unwrap();
                let mut members: BTreeSet<&str> =
                    members.split(',').filter(|one| !one.is_empty() && *one != name).collect();
                if groups.split(',').any(|group| head.starts_with(&format!("{group}:"))) {
                    members.insert(&name);
                }
                format!("{head}:{}\n", members.into_iter().collect::<Vec<_>>().join(","))
            };
            edit("etc/group", &|text| text.lines().map(&line).collect());
        };
        let name = argv.last().unwrap();
        match argv[0].as_str() {
            "useradd" => {
                let shell = value("--shell").unwrap();
                let home = value("--home-dir").unwrap_or(format!("/home/{name}"));
                edit("etc/passwd", &|text| format!("{text}{name}:x:1000:1000::{home}:{shell}\n"));
                edit("etc/group", &|text| format!("{text}{name}:x:1000:\n"));
                edit("etc/shadow", &|text| format!("{text}{name}:!:1::::::\n"));
                join(value("--groups").unwrap_or_default());
                if argv.iter().any(|arg| arg == "--create-home") {
                    fs::create_dir_all(root.join(home.trim_start_matches('/'))).unwrap();
                }
            }
            "usermod" => {
                if let Some(shell) = value("--shell") {
                    edit("etc/passwd", &|text| text.replace("/bin/zsh", &shell).replace("/bin/sh", &shell));
                }
                if let Some(groups) = value("--groups") {
                    join(groups);
                }
                if argv[1] == "--lock" {
                    edit("etc/shadow", &|text| text.replace(&format!("{name}:"), &format!("{name}:!")));
                }
            }
            "chpasswd" => edit("etc/shadow", &|text| text.replace("ops:!:", &format!("ops:$6${CANARY}:"))),
            "mkhomedir_helper" => fs::create_dir_all(root.join("home/ops")).unwrap(),
            _ => return None,
        }
        Some((0, String::new()))
    });
    play.file("/etc/shadow", "root:*:1::::::\n")
}

fn name(name: &str) -> AccountName {
    name.to_owned().try_into().unwrap()
}

fn ops() -> User {
    User { groups: [name("sudo")].into(), ..User::new(name("ops")) }
}

#[tokio::test(flavor = "current_thread")]
async fn a_user_keeps_its_word_and_has_no_password() {
    let play = play();
    keeps_its_word::<User>(&ops(), &play.host).await;
    assert_eq!(play.ran(), ["useradd --user-group --shell /bin/bash --groups sudo --create-home ops"]);
    assert_eq!(play.text("/etc/shadow"), "root:*:1::::::\nops:!:1::::::\n");
}

#[tokio::test(flavor = "current_thread")]
async fn a_changed_shell_group_password_and_home_are_each_seen_and_repaired() {
    let play = play();
    ops().apply(&play.host.touch()).await.unwrap();
    play.put("/etc/passwd", &play.text("/etc/passwd").replace("/bin/bash", "/bin/zsh"));
    assert_eq!(play.differs(&ops()).await.to_string(), "shell /bin/zsh -> /bin/bash");
    keeps_its_word::<User>(&ops(), &play.host).await;

    play.put("/etc/group", &play.text("/etc/group").replace("27:ops", "27:dev"));
    assert_eq!(play.differs(&ops()).await.to_string(), "groups (empty) -> sudo");
    keeps_its_word::<User>(&ops(), &play.host).await;
    assert!(play.text("/etc/group").contains("sudo:x:27:dev,ops\n"), "others stay in the group");

    play.put("/etc/shadow", "ops:$y$hash:1::::::\n");
    assert_eq!(play.differs(&ops()).await.to_string(), "password set -> locked");
    keeps_its_word::<User>(&ops(), &play.host).await;

    fs::remove_dir(play.place("/home/ops")).unwrap();
    assert_eq!(play.differs(&ops()).await.to_string(), "home directory absent -> /home/ops");
    keeps_its_word::<User>(&ops(), &play.host).await;
}

#[tokio::test(flavor = "current_thread")]
async fn groups_it_is_in_beside_are_kept_unless_exactly_these_are_wanted() {
    let play = play().file("/etc/group", "root:x:0:\nsudo:x:27:\nadm:x:4:ops\n");
    ops().apply(&play.host.touch()).await.unwrap();
    play.put("/etc/group", "root:x:0:\nsudo:x:27:ops\nadm:x:4:ops\nops:x:1000:\n");
    assert!(play.differs(&ops()).await.is_empty());
    let exact = User { exact_groups: true, ..ops() };
    assert_eq!(play.differs(&exact).await.to_string(), "groups adm,sudo -> sudo");
    keeps_its_word::<User>(&exact, &play.host).await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_system_user_that_is_there_keeps_its_shell_home_and_password() {
    let play = play().file("/etc/passwd", "www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n");
    play.put("/etc/shadow", "www-data:$y$hash:1::::::\n");
    assert!(play.differs(&User::new(name("www-data"))).await.is_empty());
}

#[tokio::test(flavor = "current_thread")]
async fn a_person_that_was_there_before_keeps_shell_home_and_password_unless_the_recipe_says_otherwise() {
    let play = play().file("/etc/passwd", "ops:x:1000:1000::/home/none:/bin/zsh\n");
    play.put("/etc/group", "sudo:x:27:\nops:x:1000:\n");
    play.put("/etc/shadow", "ops:$y$hash:1::::::\n");
    // That its groups were put right makes it no user of hostagent's own.
    keeps_its_word(&ops(), &play.host).await;
    assert_eq!(play.ran(), ["usermod --groups sudo ops"]);
    let record = crate::host::ledger::Record { wanted: String::new(), traces: Vec::new() };
    play.host.touch().ledger_mut().applied("user:ops", record).unwrap();
    assert!(play.differs(&ops()).await.is_empty());
    let told = User { shell: Some("/bin/bash".into()), login: Some(Login::Locked), ..ops() };
    assert_eq!(play.differs(&told).await.to_string(), "shell /bin/zsh -> /bin/bash, password set -> locked");
}

#[tokio::test(flavor = "current_thread")]
async fn nobody_is_no_person() {
    let play = play().file("/etc/passwd", "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n");
    play.put("/etc/shadow", "nobody:*:1::::::\n");
    play.host.touch().ledger_mut().making_account("nobody").unwrap();
    assert!(play.differs(&User::new(name("nobody"))).await.is_empty());
}

#[tokio::test(flavor = "current_thread")]
async fn a_password_hash_is_set_through_stdin_and_never_told() {
    let play = play().file("/run/hash", &format!("$6${CANARY}\n"));
    let file: AbsolutePath = "/run/hash".to_owned().try_into().unwrap();
    let user = User { login: Some(Login::Hash(SecretRef::File(file))), ..ops() };
    keeps_its_word::<User>(&user, &play.host).await;
    assert_eq!(play.ran()[1], "chpasswd --encrypted");
}

#[tokio::test(flavor = "current_thread")]
async fn a_group_nobody_has_is_named_before_anything_is_done() {
    let play = play();
    let user = User { groups: [name("docker")].into(), ..User::new(name("ops")) };
    let said = user.apply(&play.host.touch()).await.unwrap_err();
    assert_eq!(said.says, "group `docker` does not exist");
    assert!(play.ran().is_empty());
}

#[tokio::test(flavor = "current_thread")]
async fn what_is_not_one_hash_is_refused_before_anything_is_done_and_never_shown() {
    for wrong in [
        format!("$6${CANARY}\nroot:$6$mine"),
        format!("$6${CANARY}:0"),
        CANARY.to_owned(),
        "$".to_owned(),
        format!("$6${CANARY}\r"),
    ] {
        let play = play().file("/run/hash", &format!("{wrong}\n"));
        let file: AbsolutePath = "/run/hash".to_owned().try_into().unwrap();
        let user = User { login: Some(Login::Hash(SecretRef::File(file))), ..ops() };
        let said = user.apply(&play.host.touch()).await.unwrap_err();
        assert_eq!(said.says, "the secret in `/run/hash` is not a password hash for `ops`");
        assert!(!format!("{said:?}").contains(CANARY));
        assert!(play.ran().is_empty());
    }
    assert!(["*", "!", "$y$j9T$a./b$c"].into_iter().all(is_crypt_field));
}
