//! Whoever keeps a zone.

use super::{Cloudflare, Record, unshown};
use crate::acme::refusal::{Kind, Refusal};
use crate::aws::{NotHad, Session};
use crate::host::Look;

/// Whoever keeps a zone.
#[derive(Debug, Clone)]
pub enum Provider {
    /// Route 53, asked with the role of the instance; the zone's ID, if it is not to be found by its name.
    Route53(Option<String>),
    /// Cloudflare.
    Cloudflare(Cloudflare),
}

impl Provider {
    /// How it is named in recipes and notes.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Route53(_) => "route53",
            Self::Cloudflare(_) => "cloudflare",
        }
    }

    /// Lets names have these texts beside those they have.
    pub(super) async fn put(&self, host: &Look, records: &[Record]) -> Result<(), Refusal> {
        match self {
            Self::Route53(zone) => {
                let session = Session::of(host);
                let mut changes = Vec::new();
                for record in records {
                    let put = session.put_text(zone.as_deref(), &record.name, &record.text).await;
                    changes.extend(put.map_err(|why| of_aws(&why))?);
                }
                for change in changes {
                    session.zone_is_in_sync(&change).await.map_err(|why| of_aws(&why))?;
                }
                Ok(())
            }
            Self::Cloudflare(cloudflare) => {
                for record in records {
                    cloudflare.put(record).await?;
                }
                Ok(())
            }
        }
    }

    /// Takes a text away, if it is there. Others of the same name stay.
    pub(super) async fn take(&self, host: &Look, record: &Record) -> Result<(), Refusal> {
        match self {
            Self::Route53(zone) => {
                let taken = Session::of(host).take_text(zone.as_deref(), &record.name, &record.text).await;
                taken.map_err(|why| of_aws(&why))
            }
            Self::Cloudflare(cloudflare) => cloudflare.take(record).await,
        }
    }
}

fn of_aws(why: &NotHad) -> Refusal {
    if why.is_down() { Refusal::new(Kind::Away, why).fix(&*why.hint) } else { unshown(why, &*why.hint) }
}
