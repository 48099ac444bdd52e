//! What goes wrong when a resource of the CA is asked for.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// A kind of resource of the CA, by what a client does there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Whatever is asked for.
    Any,
    /// What the CA has, and where.
    Directory,
    /// A fresh nonce.
    Nonce,
    /// Accounts, new ones and known ones.
    Account,
    /// A new order.
    NewOrder,
    /// The state of an order.
    Order,
    /// An authorization.
    Authorization,
    /// A challenge: the client says that it is ready.
    Challenge,
    /// The request for the certificate.
    Finalize,
    /// The certificate.
    Certificate,
    /// When to renew.
    RenewalInfo,
    /// Revocation.
    Revoke,
    /// Another key for the account.
    KeyChange,
}

/// Something that goes wrong, for ever unless it is said how often.
#[derive(Debug, Clone)]
pub struct Fault {
    pub(super) what: What,
    pub(super) retry_after: Option<String>,
    /// How often it still happens; `None` is for ever.
    left: Option<u32>,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    /// Answers with this page; the CA never hears of the request.
    Page(u16, String),
    /// Answers with a problem document; the CA never hears of the request.
    Problem(Problem),
    /// Reads the request and says nothing.
    Stall,
    /// Resets the connection; the CA never hears of the request.
    Reset,
    /// Resets the connection when the CA has done what it was asked for.
    Lost,
    /// Hangs up in the middle of the right answer.
    CutShort,
    /// The right answer, after this time.
    Slow(Duration),
    /// The right answer, changed.
    Changed(Change),
}

/// A problem document (RFC 8555, section 6.7).
#[derive(Debug, Clone)]
pub(super) struct Problem {
    pub(super) status: u16,
    /// Without `urn:ietf:params:acme:error:`.
    pub(super) kind: String,
    pub(super) detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// An order is never more than `processing`.
    Processing,
    /// The PEM ends within the leaf.
    Truncated,
    /// Nothing but the leaf.
    WithoutChain,
    /// The leaf is for a key that nobody has.
    AnotherKey,
    /// The leaf is for other names.
    OtherNames,
    /// The leaf has ended long ago.
    Expired,
    /// The leaf is of a CA whose clock is so many seconds off.
    OffBy(i64),
    /// There is no `Replay-Nonce`.
    WithoutNonce,
}

impl Fault {
    /// This status with a page of HTML, as a load balancer in front of the CA answers.
    pub fn status(status: u16) -> Self {
        let page = format!(
            "<html>\r\n<head><title>{status}</title></head>\r\n<body><center><h1>{status}</h1></center>\
             <hr><center>nginx</center></body>\r\n</html>\r\n"
        );
        Self::of(What::Page(status, page))
    }

    /// 200 and the page of somebody in between who wants to be clicked first.
    pub fn captive_portal() -> Self {
        let page = "<!doctype html><html><title>Welcome to the hotel</title><body><a href=\"/login\">Log in</a>";
        Self::of(What::Page(200, page.to_owned()))
    }

    /// An error of the CA: `rateLimited` stands for `urn:ietf:params:acme:error:rateLimited`.
    pub fn problem(status: u16, kind: &str, detail: &str) -> Self {
        Self::of(What::Problem(Problem { status, kind: kind.to_owned(), detail: detail.to_owned() }))
    }

    /// 429: a limit of the CA is used up.
    pub fn rate_limited() -> Self {
        Self::problem(429, "rateLimited", "too many certificates (5) already issued for this exact set of identifiers")
    }

    /// 429: the CA has paused names after too many failures, and a person must click a link.
    pub fn paused(link: &str) -> Self {
        let detail = format!(
            "Your account is temporarily prevented from requesting certificates for www.example.org. \
             Please visit the following URL to unpause: {link}"
        );
        Self::problem(429, "rateLimited", &detail)
    }

    /// 409: some other order replaces the same certificate.
    pub fn already_replaced() -> Self {
        Self::problem(409, "alreadyReplaced", "cannot indicate an order replaces a certificate which already has been")
    }

    /// 403: the account is no more.
    pub fn account_deactivated() -> Self {
        Self::problem(403, "unauthorized", "Account is not valid, has status \"deactivated\"")
    }

    /// 400: the nonce is not taken. Pebble's own rejections are [`super::Acme::rejects_nonces`].
    pub fn bad_nonce() -> Self {
        Self::problem(400, "badNonce", "JWS has an invalid anti-replay nonce")
    }

    /// The request is read and never answered.
    pub fn stall() -> Self {
        Self::of(What::Stall)
    }

    /// The connection is reset, and the CA never hears of the request.
    pub fn reset() -> Self {
        Self::of(What::Reset)
    }

    /// The connection is reset when the CA has done what it was asked for: the answer is lost.
    pub fn lost() -> Self {
        Self::of(What::Lost)
    }

    /// The connection ends within the body.
    pub fn cut_short() -> Self {
        Self::of(What::CutShort)
    }

    /// The right answer, this much later.
    pub fn slow(by: Duration) -> Self {
        Self::of(What::Slow(by))
    }

    /// An order stays in `processing`, as it is told at [`Step::Finalize`] and [`Step::Order`].
    pub fn processing() -> Self {
        Self::of(What::Changed(Change::Processing))
    }

    /// A PEM that ends within the leaf, in a complete answer.
    pub fn truncated() -> Self {
        Self::of(What::Changed(Change::Truncated))
    }

    /// The leaf without the CA's own certificates.
    pub fn without_chain() -> Self {
        Self::of(What::Changed(Change::WithoutChain))
    }

    /// A certificate of the CA for another key than the one that was asked for.
    pub fn another_key() -> Self {
        Self::of(What::Changed(Change::AnotherKey))
    }

    /// A certificate of the CA for the right key and other names.
    pub fn other_names() -> Self {
        Self::of(What::Changed(Change::OtherNames))
    }

    /// A certificate of the CA for the right key and names that ended long ago.
    pub fn expired() -> Self {
        Self::of(What::Changed(Change::Expired))
    }

    /// A certificate of a CA whose clock is so many seconds off: its life, and the advice on it, are as much later.
    pub fn off_by(seconds: i64) -> Self {
        Self::of(What::Changed(Change::OffBy(seconds)))
    }

    /// The right answer without a nonce for the next request.
    pub fn without_nonce() -> Self {
        Self::of(What::Changed(Change::WithoutNonce))
    }

    /// Only so often; then the next fault of this step, or none.
    pub fn times(mut self, times: u32) -> Self {
        self.left = Some(times);
        self
    }

    /// With `Retry-After: SECONDS`, whatever is answered.
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds.to_string());
        self
    }

    /// With `Retry-After` as a date so many seconds from now.
    pub fn retry_after_date(mut self, seconds: u32) -> Self {
        let at = Timestamp::now() + SignedDuration::from_secs(seconds.into());
        self.retry_after = Some(at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string());
        self
    }

    fn of(what: What) -> Self {
        Self { what, retry_after: None, left: None }
    }
}

impl Step {
    /// What a path of Pebble is, or of what the lab adds to it.
    pub(super) fn of(path: &str) -> Option<Self> {
        let first = path.split('/').nth(1).unwrap_or_default();
        Some(match first {
            "dir" => Self::Directory,
            "nonce-plz" => Self::Nonce,
            "sign-me-up" | "my-account" => Self::Account,
            "order-plz" => Self::NewOrder,
            "my-order" => Self::Order,
            "authZ" => Self::Authorization,
            "chalZ" => Self::Challenge,
            "finalize-order" => Self::Finalize,
            "certZ" => Self::Certificate,
            "renewal-info" => Self::RenewalInfo,
            "revoke-cert" => Self::Revoke,
            "rollover-account-key" => Self::KeyChange,
            _ => return None,
        })
    }
}

/// Takes the first fault of a step that is left, once.
pub(super) fn next(faults: &mut [(Step, Fault)], step: Option<Step>) -> Option<Fault> {
    let fits = |(at, fault): &&mut (Step, Fault)| (*at == Step::Any || Some(*at) == step) && fault.left != Some(0);
    let (_, fault) = faults.iter_mut().find(fits)?;
    fault.left = fault.left.map(|left| left - 1);
    Some(fault.clone())
}
