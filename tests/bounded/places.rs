//! What stands where a file or directory should be, and what may not be written.

use std::fmt::Write as _;

use super::{ends_well, leaves_nothing, only_these_fail};
use crate::evidence::on_each_debian;
use crate::lab::Machine;

on_each_debian![
    what_stands_in_the_place_of_a_file_is_told_and_left_alone,
    a_directory_reached_by_a_link_of_roots_is_fine_and_one_of_others_is_not,
    nothing_of_a_read_only_etc_is_half_changed,
    what_is_immutable_stays_as_it_is,
];

/// What is put there, and what is said of it.
const STANDING: [(&str, &str); 8] = [
    ("ln -s /nowhere AT", "is a symbolic link, not a file"),
    ("ln -s /etc AT", "is a symbolic link, not a file"),
    ("ln -s /srv/other AT", "is a symbolic link, not a file"),
    ("ln -s /dev/null AT", "is a symbolic link, not a file"),
    ("mkdir AT", "is a directory, not a file"),
    ("mkfifo AT", "is a device, socket or pipe, not a file"),
    ("mknod AT c 1 3", "is a device, socket or pipe, not a file"),
    (
        "perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0); bind(S, sockaddr_un(\"AT\")) or die'",
        "is a device, socket or pipe, not a file",
    ),
];

fn what_stands_in_the_place_of_a_file_is_told_and_left_alone(debian: u8) {
    let host = Machine::debian(debian).boot();
    host.write("/srv/other", "somebody's\n");
    let before = host.digest("/srv/other");
    let etc = host.digest("/etc/passwd");
    let (mut recipe, mut failing) = (String::new(), Vec::new());
    // Each as a file by itself and as one that a checker must like.
    for (number, (command, _)) in STANDING.iter().enumerate() {
        for (kind, check) in [("file", ""), ("config_set", "check = [\"true\"]\n")] {
            let at = format!("/srv/{kind}-{number}");
            host.sh(&command.replace("AT", &at)).succeeds();
            let _ = write!(recipe, "[[file]]\npath = \"{at}\"\ncontent = \"new\\n\"\n{check}");
            failing.push(format!("{kind}:{at}"));
        }
    }
    host.sh("touch /srv/folder").succeeds();
    recipe += "[[directory]]\npath = \"/srv/folder\"\n[[file]]\npath = \"/srv/folder/in/it\"\ncontent = \"new\\n\"\n";
    failing.push("directory:/srv/folder".to_owned());

    let listing = "cd /srv && find . ! -name note -printf '%p %y %l %s %T@\\n' | sort";
    let there = host.sh(listing).text().replace(" ./note", "");
    let said = only_these_fail(
        &host,
        &recipe,
        <[&str; 17]>::try_from(failing.iter().map(String::as_str).collect::<Vec<_>>()).unwrap(),
    );
    for (number, (_, words)) in STANDING.iter().enumerate() {
        for kind in ["file", "config_set"] {
            let at = format!("/srv/{kind}-{number}");
            let said = said.clone().says(&format!("`{at}` {words}"));
            said.says(&format!("mv {at} {at}.old"));
        }
    }
    said.says("`/srv/folder` is a file, not a directory").says("mv /srv/folder /srv/folder.old");
    let without_the_folder =
        |text: &str| text.lines().filter(|line| !line.starts_with(". ")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(without_the_folder(host.sh(listing).text()), without_the_folder(&there));
    before.is_still(&host.digest("/srv/other"));
    etc.is_still(&host.digest("/etc/passwd"));

    host.sh("cd /srv && rm -r file-* config_set-* folder").succeeds();
    ends_well(&host);
    host.sh("cat /srv/file-0 /srv/config_set-7 /srv/folder/in/it").prints("new\nnew\nnew");
}

fn a_directory_reached_by_a_link_of_roots_is_fine_and_one_of_others_is_not(debian: u8) {
    let host = Machine::debian(debian).boot();
    host.sh("mkdir /srv/real /srv/theirs; ln -s real /srv/ours; ln -s /etc /srv/theirs/etc; ln -s /srv/gone /srv/lost; chown daemon /srv/theirs")
        .succeeds();
    let recipe = "[[file]]\npath = \"/srv/ours/app.conf\"\ncontent = \"new\\n\"\n\
                  [[file]]\npath = \"/srv/theirs/etc/app.conf\"\ncontent = \"new\\n\"\n";
    only_these_fail(&host, recipe, ["file:/srv/theirs/etc/app.conf"])
        .says("`/srv/theirs/etc/app.conf` passes a symbolic link that someone other than root could have placed")
        .says("namei -l");
    host.sh("cat /srv/real/app.conf; ls /etc/app.conf 2>/dev/null").prints("new");
    host.sh("chown root /srv/theirs && rm /srv/theirs/etc").succeeds();
    ends_well(&host);
    host.sh("cat /srv/theirs/etc/app.conf").prints("new");
}

fn nothing_of_a_read_only_etc_is_half_changed(debian: u8) {
    let host = Machine::debian(debian).with_packages(["nginx", "sudo"]).boot();
    host.write("/etc/motd", "old\n");
    let recipe = "[[file]]\npath = \"/etc/motd\"\ncontent = \"new\\n\"\n\
                  [[directory]]\npath = \"/etc/app\"\n\
                  [[user]]\nname = \"ops\"\n\
                  [[nginx.site]]\nname = \"api\"\nserver_name = [\"api.example.org\"]\nreturn = { code = 200, text = \"hello\" }\n";
    host.recipe("format = 1\n");
    host.agent("converge").exits(0);
    let full = format!("format = 1\n{}{recipe}", super::NOTE);
    host.recipe(&full);
    let before = host.digest("/etc");
    host.sh("mount --bind /etc /etc && mount -o remount,bind,ro /etc").succeeds();
    let said = host.agent("converge").exits(1);
    let said = said.says("`/etc/motd`: Read-only file system").says("findmnt -T /etc");
    let said = said.says("`/etc/app`: Read-only file system");
    said.says("user:ops").says("config_set:nginx").says("mounted read-only");
    assert!(host.exists("/srv/note"));
    leaves_nothing(&host);
    host.sh("umount /etc").succeeds();
    before.is_still(&host.digest("/etc"));
    ends_well(&host);
    host.get("http://api.example.org/").is(200).says("hello");
}

fn what_is_immutable_stays_as_it_is(debian: u8) {
    let host = Machine::debian(debian).with_packages(["e2fsprogs"]).disk("16M").boot();
    let disk = host.disks()[0].display().to_string();
    host.sh(&format!("mkfs.ext4 -q {disk} && mkdir /srv/disk && mount {disk} /srv/disk && mkdir /srv/disk/shut"))
        .succeeds();
    host.write("/srv/disk/one", "old\n");
    host.write("/srv/disk/set", "old\n");
    host.sh("chattr +i /srv/disk/one /srv/disk/set /srv/disk/shut").succeeds();
    let before = host.digest("/srv/disk");
    let recipe = "[[file]]\npath = \"/srv/disk/one\"\ncontent = \"new\\n\"\n\
                  [[file]]\npath = \"/srv/disk/set\"\ncontent = \"new\\n\"\ncheck = [\"true\"]\n\
                  [[file]]\npath = \"/srv/disk/shut/new\"\ncontent = \"new\\n\"\n";
    only_these_fail(&host, recipe, ["file:/srv/disk/one", "config_set:/srv/disk/set", "file:/srv/disk/shut/new"])
        .says("could not write `/srv/disk/one`: Operation not permitted")
        .says("could not write `/srv/disk/set`: Operation not permitted")
        .says("could not write `/srv/disk/shut/new`: Operation not permitted")
        .says("lsattr -d /srv/disk/one /srv/disk`; `chattr -i")
        .says("lsattr -d /srv/disk/shut/new /srv/disk/shut`; `chattr -i");
    before.is_still(&host.digest("/srv/disk"));
    host.sh("chattr -i /srv/disk/one /srv/disk/set /srv/disk/shut").succeeds();
    ends_well(&host);
    host.sh("cat /srv/disk/one /srv/disk/set /srv/disk/shut/new").prints("new\nnew\nnew");
    host.sh("umount /srv/disk").succeeds();
}
