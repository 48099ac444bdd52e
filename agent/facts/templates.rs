//! Templates that a person put in place of the program's: plain data, so that what is made of them is still pure, and `check`
//! sees what is wrong with one.

use std::collections::BTreeMap;
use std::path::Path;

use crate::host::{CONF_DIR, Error, Look};

/// Those in `/etc/hostagent/templates`, by their names, such as `nginx/site.conf.tera`.
///
/// # Errors
/// When one is there and cannot be read.
pub fn templates(host: &Look) -> Result<BTreeMap<String, String>, Error> {
    let place = Path::new(CONF_DIR).join("templates");
    let mut found = BTreeMap::new();
    for folder in host.names_in(&place)? {
        let folder = place.join(folder);
        for name in host.names_in(&folder)? {
            let path = folder.join(name);
            if path.extension().is_some_and(|end| end == "tera")
                && let (Ok(name), Some(text)) = (path.strip_prefix(&place), host.read_text(&path)?)
            {
                found.insert(name.display().to_string(), text);
            }
        }
    }
    Ok(found)
}
