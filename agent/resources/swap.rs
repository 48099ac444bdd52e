//! A swap file, in use now and at every boot.
//!
//! The boot's part is a systemd `.swap` unit and not a line in /etc/fstab: a unit is a file of its own, so that hostagent can
//! take it away again, stopping it first, when the recipe stops naming the swap.
//!
//! It is made anew when its size is wrong or mkswap(8) was cut off: what it holds is worth nothing while it is off.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use bytesize::ByteSize;
use serde::Serialize;

use super::file::{content, owned, places_above};
use crate::engine::{Cause, Changes, Id, Patience, Resource, Shown};
use crate::host::files::{Access, Found, Kind};
use crate::host::ledger::Trace;
use crate::host::programs::Program;
use crate::host::swap::{PATIENCE, page};
use crate::host::{Look, Touch};
use crate::template::managed;
use crate::terms::{AccountName, Mode, Size};

/// What must stay free beside a swap file, for everything else that is to be installed.
const SPARE: u64 = 64 << 20;
const PRIVATE: Mode = Mode::new(0o600);

/// A swap file.
#[derive(Debug, Clone, Serialize)]
pub struct Swap {
    /// Where.
    pub path: PathBuf,
    /// How large.
    pub size: Size,
}

impl Swap {
    /// Whole pages.
    fn bytes(&self) -> u64 {
        self.size.bytes() / page() * page()
    }

    fn unit(&self) -> String {
        format!("{}.swap", escaped(&self.path))
    }

    fn unit_path(&self) -> PathBuf {
        Path::new("/etc/systemd/system").join(self.unit())
    }

    fn boot_link(&self) -> PathBuf {
        Path::new("/etc/systemd/system/swap.target.wants").join(self.unit())
    }

    /// What the unit says; `place` is where the path leads.
    fn unit_text(&self, place: &Path) -> String {
        // systemd waits for the file systems on the way to a path, and not for those behind its links.
        let behind =
            if place == self.path { String::new() } else { format!("RequiresMountsFor={}\n", place.display()) };
        format!(
            "{head}\n[Unit]\nDescription=Swap file {path}\n{behind}\n\
             [Swap]\nWhat={path}\n\n[Install]\nWantedBy=swap.target\n",
            head = managed("the recipe"),
            path = self.path.display()
        )
    }

    fn found(&self, host: &Look) -> Result<Option<Found>, Cause> {
        host.swap_place(&self.path)?;
        let found = host.found(&self.path)?;
        let is_file = found.as_ref().map_or(Ok(()), |found| found.must_be(Kind::File, &self.path));
        is_file.map_err(|error| Cause::from(error).hint("name another place for the swap file"))?;
        Ok(found)
    }

    /// Whether the file is swap of the wanted size.
    fn is_prepared(&self, host: &Look) -> Result<bool, Cause> {
        let size = self.found(host)?.map(|found| found.size);
        Ok(size == Some(self.bytes()) && host.prepared_swap(&self.path)? == Some(self.bytes()))
    }

    /// A file that is no swap and not hostagent's is somebody's data.
    fn is_free_to_take(&self, host: &Look, found: &Found) -> Result<(), Cause> {
        let ours = host.ledger().written(&self.path).is_some();
        if ours || found.size == 0 || host.prepared_swap(&self.path)?.is_some() {
            return Ok(());
        }
        let says = format!("`{}` is there, is no swap file, and hostagent did not make it", self.path.display());
        Err(Cause::new("not-ours", says).hint("move it away, or name another place for the swap file"))
    }

    async fn make(&self, host: &Touch) -> Result<(), Cause> {
        let held = match self.found(host)? {
            Some(found) => {
                self.is_free_to_take(host, &found)?;
                found.size
            }
            None => 0,
        };
        let free = host.free_space(&self.path)? + held;
        if free < self.bytes() + SPARE {
            let shown = |bytes| ByteSize(bytes).display().iec().to_string();
            let says = format!(
                "a swap file of {} does not fit: `{}` has {} free",
                self.size,
                self.path.display(),
                shown(free)
            );
            let hint = format!("{} beside it must stay free; make it smaller, or the disk larger", shown(SPARE));
            return Err(Cause::new("no-space", says).hint(hint));
        }
        if host.swaps_to(&self.path)? {
            self.call(host, "swapoff", "stop something that takes memory, or run this after a reboot").await?;
        }
        host.make_room(&self.path, self.bytes()).await?;
        let place = host.swap_place(&self.path)?;
        host.run(&Program::does("mkswap").arg(place.display().to_string())).await?;
        Ok(())
    }

    async fn call(&self, host: &Touch, program: &str, hint: &str) -> Result<(), Cause> {
        let place = host.swap_place(&self.path)?;
        let program = Program::does(program).arg(place.display().to_string()).patience(PATIENCE);
        host.run(&program).await.map(drop).map_err(|error| Cause::from(error).hint(hint))
    }
}

/// A path as the name of a unit (systemd.unit(5), "String escaping for inclusion in unit names").
fn escaped(path: &Path) -> String {
    let text = path.display().to_string();
    let mut name = String::new();
    for (at, byte) in text.trim_matches('/').bytes().enumerate() {
        match byte {
            b'/' => name.push('-'),
            b'.' if at > 0 => name.push('.'),
            b'_' | b':' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => name.push(char::from(byte)),
            other => drop(write!(name, "\\x{other:02x}")),
        }
    }
    name
}

impl Resource for Swap {
    fn id(&self) -> Id {
        Id::at("swap", &self.path)
    }

    fn needs(&self) -> Vec<Id> {
        places_above(&self.path)
    }

    /// Taken out of use, written and taken into use: ten minutes each on a slow disk.
    fn patience(&self) -> Patience {
        Patience::applying(4 * PATIENCE)
    }

    async fn check(&self, host: &Look) -> Result<Changes, Cause> {
        let Some(found) = self.found(host)? else { return Ok(self.when_absent()) };
        self.is_free_to_take(host, &found)?;
        let now = host.prepared_swap(&self.path)?.filter(|&size| size == found.size);
        let shown = |bytes: u64| Shown::Plain(ByteSize(bytes).display().iec().to_string());
        let mut changes = Changes::none();
        if now != Some(self.bytes()) {
            let from = now.map_or_else(|| Shown::Plain("not prepared".to_owned()), shown);
            changes = changes.differs("size", from, shown(self.bytes()));
        }
        changes = owned(host, changes, &found, PRIVATE, &AccountName::root(), &AccountName::root());
        let in_use = |yes| if yes { "on" } else { "off" };
        changes = changes.value("swap", &in_use(host.swaps_to(&self.path)?), &"on");
        let unit = host.read(&self.unit_path())?;
        let unit_name = self.unit_path().display().to_string();
        let text = self.unit_text(&host.swap_place(&self.path)?);
        changes = content(changes, &unit_name, unit.as_deref(), text.as_bytes(), false);
        let boot = host.link_target(&self.boot_link())?.is_some();
        Ok(changes.value("at boot", &in_use(boot), &"on"))
    }

    async fn apply(&self, host: &Touch) -> Result<(), Cause> {
        let root = |mode: u32| Access { uid: 0, gid: 0, mode };
        let makes = !self.is_prepared(host)?;
        if makes {
            self.make(host).await?;
        }
        host.set_access(&self.path, root(PRIVATE.bits()))?;
        if !host.swaps_to(&self.path)? {
            let hint = "a container shares its host's swap, and some file systems hold none: take `swap` out of the recipe, \
                        or name another place by `swap_path`; `dmesg` says more";
            if let Err(cause) = self.call(host, "swapon", hint).await {
                // Nobody else would ever take away a gibibyte that is good for nothing.
                if makes && host.ledger().written(&self.path).is_some_and(|written| written.made) {
                    host.remove(&self.path)?;
                }
                return Err(cause);
            }
        }
        // Last, so that a boot never waits for a file that is not swap.
        let text = self.unit_text(&host.swap_place(&self.path)?);
        if host.read_text(&self.unit_path())?.as_ref() != Some(&text) {
            host.replace(&self.unit_path(), text.as_bytes(), root(0o644))?;
        }
        Ok(host.link(&self.boot_link(), &self.unit_path())?)
    }

    fn when_absent(&self) -> Changes {
        Changes::none().appears("size", self.size).appears("swap", "on").appears("at boot", "on").creating()
    }

    fn traces(&self) -> Vec<Trace> {
        let paths = [self.path.clone(), self.unit_path(), self.boot_link()].map(Trace::Path);
        std::iter::once(Trace::Unit(self.unit())).chain(paths).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::os::unix::fs::FileExt as _;

    use super::*;
    use crate::resources::laws::{Play, keeps_its_word};

    /// A host whose mkswap writes a real header and whose kernel swaps to whatever swapon names.
    fn play() -> Play {
        let play = Play::with(|argv, root| {
            let file = root.join(argv[1].trim_start_matches('/'));
            // The kernel names the file by its path without links.
            let real = file.canonicalize().unwrap();
            let real = real.strip_prefix(root.canonicalize().unwrap()).unwrap().display();
            let swaps = root.join("proc/swaps");
            let text = fs::read_to_string(&swaps).unwrap();
            match argv[0].as_str() {
                "mkswap" => {
                    let pages = u32::try_from(fs::metadata(&file).unwrap().len() / page()).unwrap();
                    let file = OpenOptions::new().write(true).open(file).unwrap();
                    file.write_all_at(&(pages - 1).to_ne_bytes(), 1028).unwrap();
                    file.write_all_at(b"SWAPSPACE2", page() - 10).unwrap();
                }
                "swapon" => fs::write(&swaps, format!("{text}/{real} file 1 0 -2\n")).unwrap(),
                "swapoff" => fs::write(&swaps, text.replace(&format!("/{real} file 1 0 -2\n"), "")).unwrap(),
                _ => return None,
            }
            Some((0, String::new()))
        });
        play.file("/proc/swaps", "Filename Type Size Used Priority\n")
    }

    fn swap(size: &str) -> Swap {
        Swap { path: "/swapfile".into(), size: size.to_owned().try_into().unwrap() }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_swap_file_keeps_its_word() {
        let play = play();
        keeps_its_word::<Swap>(&swap("1MiB"), &play.host).await;
        assert_eq!(play.ran(), ["mkswap /swapfile", "swapon /swapfile"]);
        assert!(play.text("/etc/systemd/system/swapfile.swap").contains("\nWhat=/swapfile\n"));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn another_size_is_swapped_off_and_made_anew() {
        let play = play();
        keeps_its_word::<Swap>(&swap("1MiB"), &play.host).await;
        assert_eq!(play.differs(&swap("2MiB")).await.to_string(), "size 1.0 MiB -> 2.0 MiB");
        keeps_its_word::<Swap>(&swap("2MiB"), &play.host).await;
        assert_eq!(play.ran()[2..], ["swapoff /swapfile", "mkswap /swapfile", "swapon /swapfile"]);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_run_that_was_cut_off_before_mkswap_is_finished() {
        let play = play();
        play.host.touch().make_room(Path::new("/swapfile"), 1 << 20).await.unwrap();
        assert!(play.differs(&swap("1MiB")).await.to_string().starts_with("size not prepared -> 1.0 MiB"));
        keeps_its_word::<Swap>(&swap("1MiB"), &play.host).await;
    }

    #[tokio::test(flavor = "current_thread")]
    async fn swap_behind_a_link_is_known_by_its_own_path() {
        let play = play();
        fs::create_dir(play.place("/mnt")).unwrap();
        std::os::unix::fs::symlink("mnt", play.place("/data")).unwrap();
        let swap = Swap { path: "/data/deep/swapfile".into(), ..swap("1MiB") };
        keeps_its_word::<Swap>(&swap, &play.host).await;
        assert_eq!(play.ran(), ["mkswap /mnt/deep/swapfile", "swapon /mnt/deep/swapfile"]);
        let unit = play.text("/etc/systemd/system/data-deep-swapfile.swap");
        assert!(
            unit.contains("\nRequiresMountsFor=/mnt/deep/swapfile\n") && unit.contains("\nWhat=/data/deep/swapfile\n")
        );
    }

    #[tokio::test(flavor = "current_thread")]
    async fn swap_behind_a_link_is_off_before_it_goes() {
        use crate::engine::Draft;
        use crate::engine::run::{Stop, converge};
        let play = play();
        fs::create_dir(play.place("/mnt")).unwrap();
        std::os::unix::fs::symlink("mnt", play.place("/data")).unwrap();
        let mut draft = Draft::default();
        draft.add(Swap { path: "/data/swapfile".into(), ..swap("1MiB") });
        for plan in [draft, Draft::default()] {
            let outcome = converge(&plan.finish().unwrap(), &play.host, &Stop::new(), &mut |_| {}).await;
            assert!(outcome.is_good(), "{outcome:?}");
        }
        assert_eq!(play.ran().last().unwrap(), "swapoff /mnt/swapfile");
        assert!(!play.place("/mnt/swapfile").exists());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_place_that_others_may_write_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let play = play();
        fs::create_dir(play.place("/mnt")).unwrap();
        fs::set_permissions(play.place("/mnt"), fs::Permissions::from_mode(0o777)).unwrap();
        let swap = Swap { path: "/mnt/deep/swapfile".into(), ..swap("1MiB") };
        assert_eq!(swap.apply(&play.host.touch()).await.unwrap_err().code, "unsafe-path");
        assert!(play.ran().is_empty());
        fs::create_dir_all(play.place("/mnt/deep")).unwrap();
        assert_eq!(swap.check(&play.host.look()).await.unwrap_err().code, "unsafe-path");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_swap_file_that_was_there_before_is_not_made_by_hostagent() {
        let play = play();
        let path = Path::new("/swapfile");
        let file = fs::File::create(play.place("/swapfile")).unwrap();
        file.set_len(4 * page()).unwrap();
        file.write_all_at(&3_u32.to_ne_bytes(), 1028).unwrap();
        file.write_all_at(b"SWAPSPACE2", page() - 10).unwrap();

        // A kill before mkswap: hostagent still knows that it may go on.
        play.host.touch().make_room(path, 1 << 20).await.unwrap();
        keeps_its_word::<Swap>(&swap("1MiB"), &play.host).await;
        assert!(!play.host.look().ledger().written(path).unwrap().made);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn swap_that_somebody_turned_off_is_turned_on() {
        let play = play();
        keeps_its_word::<Swap>(&swap("1MiB"), &play.host).await;
        play.put("/proc/swaps", "Filename Type Size Used Priority\n");
        assert_eq!(play.differs(&swap("1MiB")).await.to_string(), "swap off -> on");
        keeps_its_word::<Swap>(&swap("1MiB"), &play.host).await;
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_file_the_kernel_does_not_swap_to_is_taken_away_again() {
        let refuses =
            |argv: &[String], _: &Path| Some((i32::from(argv[0] == "swapon"), "Operation not permitted".to_owned()));
        let play = Play::with(refuses).file("/proc/swaps", "Filename Type Size Used Priority\n");
        let said = swap("1MiB").apply(&play.host.touch()).await.unwrap_err();
        assert_eq!(said.says, "`swapon /swapfile` exited with 1:\n  Operation not permitted");
        assert!(!play.place("/swapfile").exists());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn somebodys_data_and_a_full_disk_are_respected() {
        let play = play().file("/swapfile", "precious");
        assert_eq!(swap("1MiB").check(&play.host.look()).await.unwrap_err().code, "not-ours");
        assert_eq!(swap("1MiB").apply(&play.host.touch()).await.unwrap_err().code, "not-ours");
        fs::remove_file(play.place("/swapfile")).unwrap();
        let said = swap("4000TiB").apply(&play.host.touch()).await.unwrap_err();
        assert_eq!(said.code, "no-space");
        assert!(said.says.starts_with("a swap file of 3.9 PiB does not fit: `/swapfile` has "), "{}", said.says);
    }

    #[test]
    fn a_path_is_escaped_as_systemd_does() {
        assert_eq!(escaped(Path::new("/swapfile")), "swapfile");
        assert_eq!(escaped(Path::new("/var/swap-1.img")), "var-swap\\x2d1.img");
        assert_eq!(escaped(Path::new("/.swap")), "\\x2eswap");
    }
}
