//! Recipes as gzip, and as base64 of that: Parameter Store takes 4 KiB of text, and no `{{ … }}` in it.

use std::io::Read;

use base64::prelude::{BASE64_STANDARD, Engine};
use flate2::read::MultiGzDecoder;

use crate::aws::{Kind, NotHad};

const GZIP: &[u8] = b"\x1f\x8b\x08";
/// How base64 of gzip begins. No recipe begins so.
const GZIP_IN_BASE64: &[u8] = b"H4sI";

/// The text of what came; of what is not packed, that itself.
pub(crate) fn unpacked(bytes: &[u8], limit: usize) -> Result<Vec<u8>, NotHad> {
    if bytes.starts_with(GZIP) {
        return gunzipped(bytes, limit);
    }
    if bytes.starts_with(GZIP_IN_BASE64) {
        let packed: Vec<u8> = bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let decoded = BASE64_STANDARD.decode(packed).map_err(|error| damaged("base64", &error))?;
        return gunzipped(&decoded, limit);
    }
    Ok(bytes.to_vec())
}

fn gunzipped(bytes: &[u8], limit: usize) -> Result<Vec<u8>, NotHad> {
    let mut text = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(bytes).take(most).read_to_end(&mut text).map_err(|error| damaged("gzip", &error))?;
    if text.len() > limit {
        let says = format!("it is gzip of more than {} MiB", limit >> 20);
        return Err(NotHad::new(Kind::Wrong, says, "this is no recipe: look at what was packed"));
    }
    Ok(text)
}

fn damaged(what: &str, error: &dyn std::error::Error) -> NotHad {
    let hint = "pack it with `gzip -9`, for Parameter Store also with `base64 --wrap=0`";
    NotHad::new(Kind::Wrong, format!("it is {what}, and damaged: {error}"), hint)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::best());
        packer.write_all(text).unwrap();
        packer.finish().unwrap()
    }

    #[test]
    fn a_recipe_may_be_packed_and_need_not_be() {
        let text = b"format = 1\n";
        let packed = gzip(text);
        let mut encoded = BASE64_STANDARD.encode(&packed);
        encoded.insert(20, '\n');
        for bytes in [text.to_vec(), packed, encoded.into_bytes()] {
            assert_eq!(unpacked(&bytes, 100).unwrap(), text);
        }
    }

    #[test]
    fn what_is_damaged_or_endless_is_refused() {
        let packed = gzip(&[b'x'; 4096]);
        assert_eq!(unpacked(&packed, 4096).unwrap().len(), 4096);
        assert!(unpacked(&packed, 4095).unwrap_err().says.contains("more than"));
        assert!(unpacked(&packed[..packed.len() - 9], 4096).unwrap_err().says.starts_with("it is gzip, and damaged"));
        assert!(unpacked(b"H4sI!", 10).unwrap_err().says.starts_with("it is base64, and damaged"));
    }
}
