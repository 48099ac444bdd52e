//! Which locales the C library has: its archive, and directories beside it.

use std::path::Path;

use super::{Error, Look};

const DIRECTORY: &str = "/usr/lib/locale";
/// glibc's locale/locarchive.h: `AR_MAGIC`.
const MAGIC: u32 = 0xde02_0109;
/// How much of an archive's tables is read at most; a few hundred locales take 200 KiB.
const MOST: usize = 4 << 20;

/// A locale's name as glibc keeps it: the charset in small letters and digits alone (`en_US.UTF-8` is `en_US.utf8`).
pub fn kept_as(name: &str) -> String {
    let (base, modifier) = name.split_once('@').map_or((name, String::new()), |(base, at)| (base, format!("@{at}")));
    match base.split_once('.') {
        Some((language, charset)) => {
            let charset: String =
                charset.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
            format!("{language}.{charset}{modifier}")
        }
        None => name.to_owned(),
    }
}

impl Look {
    /// Whether programs on this host can use a locale.
    ///
    /// # Errors
    /// When the archive is there and cannot be read.
    pub fn has_locale(&self, name: &str) -> Result<bool, Error> {
        let wanted = kept_as(name);
        if self.found(&Path::new(DIRECTORY).join(&wanted))?.is_some() {
            return Ok(true);
        }
        Ok(self.archived_locales()?.contains(&wanted))
    }

    /// The names in the archive.
    fn archived_locales(&self) -> Result<Vec<String>, Error> {
        let path = Path::new(DIRECTORY).join("locale-archive");
        let part = |offset: u32, length: usize| self.read_part(&path, offset.into(), length.min(MOST));
        let Some(head) = part(0, 32)? else { return Ok(Vec::new()) };
        let Some([MAGIC, _serial, table, _used, slots, strings, _string_used, string_size]) = words(&head) else {
            return Ok(Vec::new());
        };
        let size = |count: u32, each: usize| usize::try_from(count).unwrap_or(0).saturating_mul(each);
        let table = part(table, size(slots, 12))?.unwrap_or_default();
        let text = part(strings, size(string_size, 1))?.unwrap_or_default();
        // A slot is a hash, the place of the name, and the place of the locale: 0 once it was taken out.
        let slots = table.chunks_exact(12).filter_map(words::<3>);
        let live = slots.filter(|[_, name, locale]| *name != 0 && *locale != 0);
        let names = live.filter_map(|[_, name, _]| {
            let from = usize::try_from(name.checked_sub(strings)?).ok()?;
            let name = text.get(from..)?.split(|byte| *byte == 0).next()?;
            Some(String::from_utf8_lossy(name).into_owned())
        });
        Ok(names.collect())
    }
}

/// The first words of a table, in this machine's byte order.
fn words<const N: usize>(bytes: &[u8]) -> Option<[u32; N]> {
    let mut words = bytes.chunks_exact(4).filter_map(|word| Some(u32::from_ne_bytes(word.try_into().ok()?)));
    let mut table = [0; N];
    for word in &mut table {
        *word = words.next()?;
    }
    Some(table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Host;
    use crate::host::programs::Real;

    #[test]
    fn a_charset_is_kept_in_small_letters() {
        for (name, kept) in [
            ("en_US.UTF-8", "en_US.utf8"),
            ("de_DE.ISO-8859-15@euro", "de_DE.iso885915@euro"),
            ("de_DE@euro", "de_DE@euro"),
            ("C.UTF-8", "C.utf8"),
        ] {
            assert_eq!(kept_as(name), kept);
        }
    }

    #[test]
    fn an_archive_names_what_is_in_it_and_not_what_was_taken_out() {
        let root = tempfile::tempdir().unwrap();
        let mut archive: Vec<u8> = Vec::new();
        let put =
            |archive: &mut Vec<u8>, words: &[u32]| words.iter().for_each(|word| archive.extend(word.to_ne_bytes()));
        put(&mut archive, &[MAGIC, 0, 32, 2, 3, 68, 22, 22]);
        put(&mut archive, &[7, 68, 900, 0, 0, 0, 9, 79, 0]);
        archive.extend(b"en_US.utf8\0de_DE.utf8\0");
        std::fs::create_dir_all(root.path().join("usr/lib/locale/C.utf8")).unwrap();
        std::fs::write(root.path().join("usr/lib/locale/locale-archive"), archive).unwrap();
        let look = Host::at(root.path(), Box::new(Real)).unwrap().look();
        assert!(look.has_locale("en_US.UTF-8").unwrap());
        assert!(!look.has_locale("de_DE.UTF-8").unwrap());
        assert!(look.has_locale("C.UTF-8").unwrap());
    }
}
