//! A machine as an image of ours has it: the agent, its units as they are in `packer/root/`, and recipes to extend.

use std::fs;
use std::path::Path;

use super::machine::Machine;

/// What is in the image beside Debian.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/packer/root");
/// Where an image has the recipes that others extend.
const RECIPES: &str = "/usr/share/hostagent/recipes";

impl Machine {
    /// Bakes the agent, its units and these recipes in; from the next boot on the machine is on its own.
    pub fn bake(&self, recipes: &[(&str, &str)]) {
        self.has_agent();
        self.lay(Path::new(ROOT), "");
        for (name, text) in recipes {
            self.write(&format!("{RECIPES}/{name}.toml"), text);
        }
        self.sh("systemctl daemon-reload && systemctl preset hostagent-boot.service hostagent-converge.timer")
            .succeeds();
    }

    fn lay(&self, from: &Path, to: &str) {
        for entry in fs::read_dir(from).expect("the checkout has it").flatten() {
            let to = format!("{to}/{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                self.lay(&entry.path(), &to);
            } else {
                self.write(&to, &fs::read_to_string(entry.path()).expect("the checkout has it"));
            }
        }
    }
}
