//! Certificates from a CA that speaks ACME (RFC 8555).
//!
//! | file | what it knows |
//! |---|---|
//! | `renewal` | when a certificate is due: pure |
//! | `failures` | what is remembered of failures, and when the next try may be: pure |
//! | `preflight` | whether a CA would prove a name: a look before it is asked |
//! | `caa` | which CAs a name's records allow: pure |
//! | `refusal` | what a CA's refusal means, and what to do about it: pure |
//! | `certbot` | what certbot keeps of a certificate, and what a recipe says instead: pure |
//! | `chain` | which chain is taken: pure |
//! | `order` | from the key to the certificate, such that it can be cut off anywhere |
//! | `dns` | names proven by DNS: texts written, seen and taken away |
//! | `account` | the account key, its thumbprint, and the account at each CA |
//! | `bound` | an account that the CA knows from elsewhere |
//! | `rollover` | another key for the accounts, such that it can be cut off anywhere |
//! | `authority` | what is asked of a CA, in our own words |
//! | `instant` | the same, said with instant-acme |
//! | `directory` | what a CA says of itself, and its advice on renewals |
//! | `http` | the one way to a CA: patience, proxies, what libraries throw away |
//!
//! Certificates lie in `host::tls_store`, which knows no CA; that one is due is `resources::certificate`'s to say.

pub mod account;
pub mod authority;
pub mod bound;
pub mod caa;
pub mod certbot;
pub mod chain;
pub mod directory;
pub mod dns;
pub mod failures;
pub mod http;
pub(crate) mod instant;
pub mod order;
pub mod preflight;
pub mod refusal;
pub mod renewal;
pub(crate) mod rollover;
