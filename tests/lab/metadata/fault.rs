//! What goes wrong when a path is asked for.

use std::time::Duration;

/// Something that goes wrong, for ever unless it is said how often.
#[derive(Debug, Clone)]
pub struct Fault {
    pub(super) what: What,
    /// How often it still happens; `None` is for ever.
    pub(super) left: Option<u32>,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    /// Answers so; the second is `Retry-After`.
    Status(u16, Option<String>),
    /// Reads the request and says nothing, as when the answer's hop limit is used up on the way.
    Silence,
    /// Hangs up without an answer.
    Cut,
    /// Hangs up in the middle of the body.
    CutShort,
    /// Answers after this time.
    Slow(Duration),
    /// Answers 200 with this body.
    Body(Vec<u8>),
    /// Answers with bytes that are no HTTP.
    Garbage,
    /// Answers with a body without an end.
    Endless,
    /// Knows none of the tokens any more that it gave, and goes on.
    ForgottenTokens,
}

impl Fault {
    /// This status with a body that says so.
    pub fn status(status: u16) -> Self {
        Self::of(What::Status(status, None))
    }

    /// The request is read and never answered.
    pub fn silence() -> Self {
        Self::of(What::Silence)
    }

    /// The connection ends without an answer.
    pub fn cut() -> Self {
        Self::of(What::Cut)
    }

    /// The connection ends within the body.
    pub fn cut_short() -> Self {
        Self::of(What::CutShort)
    }

    /// The right answer, this much later.
    pub fn slow(by: Duration) -> Self {
        Self::of(What::Slow(by))
    }

    /// 200 and this body, whatever the right one is.
    pub fn body(bytes: impl AsRef<[u8]>) -> Self {
        Self::of(What::Body(bytes.as_ref().to_vec()))
    }

    /// Bytes that are no HTTP.
    pub fn garbage() -> Self {
        Self::of(What::Garbage)
    }

    /// 200 and a body without an end.
    pub fn endless() -> Self {
        Self::of(What::Endless)
    }

    /// Every token that was given is forgotten, so this request and later ones get 401 until there is a new one.
    pub fn forgotten_tokens() -> Self {
        Self { left: Some(1), ..Self::of(What::ForgottenTokens) }
    }

    /// Only so often; then the next fault of this path, or none.
    pub fn times(mut self, times: u32) -> Self {
        self.left = Some(times);
        self
    }

    /// With `Retry-After: SECONDS`, for a status.
    pub fn retry_after(mut self, seconds: u32) -> Self {
        let What::Status(status, _) = self.what else { panic!("only a status has a Retry-After") };
        self.what = What::Status(status, Some(seconds.to_string()));
        self
    }

    fn of(what: What) -> Self {
        Self { what, left: None }
    }
}

/// Takes the first fault of a path that is left, once.
pub(super) fn next(faults: &mut [(String, Fault)], path: &str) -> Option<What> {
    let fits = |(at, fault): &&mut (String, Fault)| (at == path || at == "*") && fault.left != Some(0);
    let (_, fault) = faults.iter_mut().find(fits)?;
    fault.left = fault.left.map(|left| left - 1);
    Some(fault.what.clone())
}
