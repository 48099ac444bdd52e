//! Whenever a run was cut off, the files that come back are those the server last ran with, and they stay.

use crate::evidence::{converged, having, ids, on_each_debian, postgres_folder, postgres_unit, sql};
use crate::lab::{Machine, eventually};

on_each_debian![
    what_a_server_was_restarted_with_by_hand_is_what_it_goes_back_to,
    a_run_killed_while_a_file_was_checked_is_undone_by_the_next,
];

fn settings(settings: &str) -> String {
    format!("format = 1\n[postgres]\nsettings = {{ {settings} }}\n")
}

fn what_a_server_was_restarted_with_by_hand_is_what_it_goes_back_to(debian: u8) {
    let unit = postgres_unit(debian);
    let host = converged(debian, &settings("work_mem = \"4MB\""));
    let shown = || sql(&host, "postgres", "show work_mem");

    // Written and checked, not loaded; then somebody else loads it.
    host.recipe(&settings("work_mem = \"5MB\""));
    host.agent("converge --only config_set:postgres").exits(0);
    assert_eq!(shown(), "4MB");
    host.sh(&format!("systemctl restart {unit}")).succeeds();
    assert_eq!(shown(), "5MB");
    assert_eq!(host.agent("converge --json").exits(0).json()["changed"], 0);

    // The checker likes it, the start does not.
    let files = host.digest(&postgres_folder(debian));
    host.recipe(&settings("work_mem = \"6MB\", shared_preload_libraries = \"no_such_library\""));
    for _ in 0..2 {
        host.agent("converge").exits(1).says("no_such_library").says("the old configuration is back");
        files.is_still(&host.digest(&postgres_folder(debian)));
        assert_eq!(shown(), "5MB", "what it ran with last, not what hostagent loaded last");
    }

    // It stays, whoever restarts it.
    host.reboot();
    assert_eq!(shown(), "5MB");
    files.is_still(&host.digest(&postgres_folder(debian)));
    host.recipe(&settings("work_mem = \"5MB\""));
    host.agent("plan").exits(0);
    assert_eq!(host.agent("converge --json").exits(0).json()["changed"], 0);
}

fn a_run_killed_while_a_file_was_checked_is_undone_by_the_next(debian: u8) {
    const FILE: &str = "/etc/app.conf";
    let recipe = |content: &str| {
        // Without a `%s`: with one a copy would be checked, and the file not written before that is good.
        let check = format!("grep -q good {FILE} && exit 0; touch /run/checking; sleep 1000");
        format!(
            "format = 1\n[[file]]\npath = \"{FILE}\"\ncontent = \"{content}\\n\"\ncheck = [\"sh\", \"-c\", \"{check}\"]\n"
        )
    };
    let host = Machine::debian(debian).boot();
    host.write(FILE, "a person's\n");
    host.sh(&format!("chown daemon {FILE}; chmod 0604 {FILE}")).succeeds();
    let before = host.digest(FILE);

    let cut_off = || {
        host.sh("rm -f /run/checking").succeeds();
        host.recipe(&recipe("unchecked"));
        let run = host.start_agent("converge");
        eventually("it is being checked", || host.exists("/run/checking"));
        run.signal("KILL");
        run.wait();
        assert_eq!(host.read(FILE), "unchecked\n", "the worst moment");
    };
    // Owner, mode and content are a person's again, though the recipe names the file no more.
    cut_off();
    host.recipe("format = 1\n");
    host.agent("converge").exits(0).says(&format!("a run was cut off while it changed config_set:{FILE}"));
    before.is_still(&host.digest(FILE));

    host.recipe(&recipe("good"));
    host.agent("converge").exits(0);
    let good = host.digest(FILE);
    cut_off();
    host.recipe(&recipe("good"));
    let planned = host.agent("plan --json").exits(3);
    assert_eq!(having(&planned, "pending"), ids([&format!("config_set:{FILE}")]));
    host.agent("converge").exits(0).says("the old files are back");
    good.is_still(&host.digest(FILE));
    host.agent("plan").exits(0);
}
