//! A report as somebody kept it, or why it tells nothing of times.

use crate::report::json::{FORMAT, Report};

/// Why a report cannot be analysed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// What is wrong with it: a lowercase fragment.
    pub says: String,
    /// What to do about it.
    pub hint: String,
}

impl Unfit {
    pub(super) fn new(says: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { says: says.into(), hint: hint.into() }
    }
}

/// Reads a report; `name` is what it is called in complaints.
///
/// # Errors
/// When it is none, was cut off, is of a later format, or is that of a run that never ended.
pub fn read(name: &str, bytes: &[u8]) -> Result<Report, Unfit> {
    let no_report = || Unfit::new(format!("{name} is no report of a run"), "`hostagent converge --json` prints one");
    let value: serde_json::Value = serde_json::from_slice(bytes).map_err(|error| match error.classify() {
        serde_json::error::Category::Eof => Unfit::new(
            format!("{name} is cut off: it ends in the middle of a report"),
            "`hostagent converge` makes another",
        ),
        _ => no_report(),
    })?;
    let format = value.get("format").and_then(serde_json::Value::as_u64).ok_or_else(no_report)?;
    if format > u64::from(FORMAT) {
        let by = value.get("hostagent").and_then(serde_json::Value::as_str);
        let by = by.map(|version| format!(" ({version})")).unwrap_or_default();
        return Err(Unfit::new(
            format!("{name} has format {format}, and this hostagent knows {FORMAT}"),
            format!("analyse it with the hostagent that made it{by}, or a later one"),
        ));
    }
    let report: Report = serde_json::from_value(value).map_err(|_| no_report())?;
    if report.unfinished {
        let began = if report.began.is_empty() { String::new() } else { format!(" of {}", report.began) };
        return Err(Unfit::new(
            format!("the run{began} has not come to its end, so its times are not known"),
            "`hostagent status` says whether it goes on; if it was killed, `hostagent converge` finishes what it began",
        ));
    }
    if report.parts.is_empty() {
        return Err(Unfit::new(
            format!("{name} tells no times: hostagent {} did not keep them", report.hostagent),
            "`hostagent converge` makes one that does",
        ));
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        let unfit = read("`x.json`", text.as_bytes()).unwrap_err();
        format!("{}; {}", unfit.says, unfit.hint)
    }

    #[test]
    fn what_tells_no_times_says_why() {
        let whole = r#"{"outcome":"converged","format":1,"hostagent":"0.1.0","parts":[{"doing":"survey"}]}"#;
        assert!(read("`x.json`", whole.as_bytes()).is_ok());
        assert_eq!(
            refused(&whole[..whole.len() - 1]),
            "`x.json` is cut off: it ends in the middle of a report; `hostagent converge` makes another"
        );
        assert_eq!(
            refused(""),
            "`x.json` is cut off: it ends in the middle of a report; `hostagent converge` makes another"
        );
        assert_eq!(
            refused(&whole.replace("\"format\":1", "\"format\":2")),
            "`x.json` has format 2, and this hostagent knows 1; analyse it with the hostagent that made it (0.1.0), or a later one"
        );
        for text in ["[1]", "{}", "not JSON", r#"{"format":1,"resources":7}"#] {
            assert_eq!(refused(text), "`x.json` is no report of a run; `hostagent converge --json` prints one");
        }
        assert_eq!(
            refused(r#"{"format":1,"hostagent":"0.1.0"}"#),
            "`x.json` tells no times: hostagent 0.1.0 did not keep them; `hostagent converge` makes one that does"
        );
        assert_eq!(
            refused(r#"{"format":1,"unfinished":true,"began":"2026-01-02T03:04:05.006Z"}"#),
            "the run of 2026-01-02T03:04:05.006Z has not come to its end, so its times are not known; \
             `hostagent status` says whether it goes on; if it was killed, `hostagent converge` finishes what it began"
        );
    }
}
