//! `/var/lib/hostagent/last-run.json`: how the last run went, for whoever asks later.
//!
//! It is born saying "failed" and finalised last, so that no kill can leave a run that looks good and was not.

use crate::host::{Error, Look, Touch};

use super::json::{About, Report};

/// Its name among what hostagent keeps for itself.
pub const NAME: &str = "last-run.json";

/// What is known of the last run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LastRun {
    /// hostagent has not run here.
    Never,
    /// There was one, and what it left cannot be read: the machine lost power while it was written.
    Damaged,
    /// Its report.
    Told(Box<Report>),
}

/// Notes that a run begins.
///
/// # Errors
/// When that cannot be written; then the run must not begin, or the one before it would speak for it.
pub fn begin(host: &Touch, about: &About) -> Result<(), Error> {
    host.write_state(NAME, Report::born(about).text().as_bytes())
}

/// Notes how a run ended.
///
/// # Errors
/// When that cannot be written; then it still says "failed".
pub fn finish(host: &Touch, report: &Report) -> Result<(), Error> {
    host.write_state(NAME, report.text().as_bytes())
}

/// What is known of the last run.
///
/// # Errors
/// When its report is there and may not be read.
pub fn read(host: &Look) -> Result<LastRun, Error> {
    let Some(bytes) = host.read_state(NAME)? else { return Ok(LastRun::Never) };
    Ok(serde_json::from_slice(&bytes).map_or(LastRun::Damaged, LastRun::Told))
}

/// Whether the last run did not come to its end, as far as is known.
///
/// # Errors
/// When its report is there and may not be read.
pub fn was_cut_off(host: &Look) -> Result<bool, Error> {
    Ok(match read(host)? {
        LastRun::Never | LastRun::Damaged => true,
        LastRun::Told(report) => report.unfinished,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Host, programs};
    use crate::report::testing::{ok, run};

    #[test]
    fn a_run_that_never_ends_has_failed() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path(), Box::new(programs::Real)).unwrap();
        assert_eq!(read(&host.look()).unwrap(), LastRun::Never);

        let about = About { recipe: "/etc/hostagent/recipe.toml".into(), ..About::default() };
        begin(&host.touch(), &about).unwrap();
        let LastRun::Told(report) = read(&host.look()).unwrap() else { panic!("no report") };
        assert!(report.unfinished && report.outcome == "failed");
        assert!(was_cut_off(&host.look()).unwrap());

        finish(&host.touch(), &Report::of(&run(vec![ok("file:/etc/motd")]), &about)).unwrap();
        let LastRun::Told(report) = read(&host.look()).unwrap() else { panic!("no report") };
        assert!(!report.unfinished && report.outcome == "converged");
        assert!(!was_cut_off(&host.look()).unwrap());

        host.touch().write_state(NAME, b"").unwrap();
        assert_eq!(read(&host.look()).unwrap(), LastRun::Damaged);
    }
}
