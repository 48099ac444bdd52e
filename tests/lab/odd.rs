//! Packages that no Debian has, made on the machine that needs them.

use super::machine::Machine;

/// Where they are on the machine.
const FOLDER: &str = "/srv/odd";

impl Machine {
    /// Offers a package of this name, version 1.0, to the machine's apt. `fields` are lines of its control file, such as
    /// `Conflicts: hello`; scripts, such as `postinst`, are lines of shell.
    pub fn offers(&self, name: &str, fields: &str, scripts: &[(&str, &str)]) {
        let tree = format!("{FOLDER}/{name}");
        let fields = if fields.is_empty() { String::new() } else { format!("{fields}\n") };
        let control = format!(
            "Package: {name}\nVersion: 1.0\nArchitecture: all\nMaintainer: lab <lab@example.org>\n{fields}Description: odd\n"
        );
        self.write(&format!("{tree}/DEBIAN/control"), &control);
        for (script, text) in scripts {
            self.write(&format!("{tree}/DEBIAN/{script}"), &format!("#!/bin/sh\n{text}\n"));
            self.sh(&format!("chmod 0755 {tree}/DEBIAN/{script}")).succeeds();
        }
        self.sh(&format!(
            "cd {FOLDER} && dpkg-deb --root-owner-group --build {name} {name}.deb && rm -r {name} && \
             for deb in *.deb; do dpkg-deb --field $deb; echo \"Filename: ./$deb\"; echo \"Size: $(stat -c %s $deb)\"; \
             echo \"SHA256: $(sha256sum $deb | cut -d' ' -f1)\"; echo; done >Packages && \
             {{ echo 'Suite: odd'; echo 'SHA256:'; echo \" $(sha256sum Packages | cut -d' ' -f1) $(stat -c %s Packages) Packages\"; }} >Release"
        ))
        .succeeds();
        self.write("/etc/apt/sources.list.d/odd.list", &format!("deb [trusted=yes] file:{FOLDER} ./\n"));
    }
}
