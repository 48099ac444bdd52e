//! Which of the chains that a CA has for one certificate is taken.

use crate::host::tls_store::pair;

const END: &str = "-----END CERTIFICATE-----";

/// The first chain whose topmost issuer has this in its name; the CA's own choice if none has, or nobody prefers any.
pub fn preferred(chains: &[String], wanted: Option<&str>) -> String {
    let fits =
        |chain: &&String| wanted.is_some_and(|wanted| topmost_issuer(chain).is_some_and(|name| name.contains(wanted)));
    let chosen = chains.iter().find(fits).or(chains.first()).cloned();
    chosen.unwrap_or_default()
}

/// Who issued the last certificate of a chain.
fn topmost_issuer(chain: &str) -> Option<String> {
    let last = chain.trim_end().strip_suffix(END)?;
    let last = last.rsplit_once(END).map_or(last, |(_, last)| last);
    pair::leaf(format!("{last}{END}\n").as_bytes()).ok().map(|leaf| leaf.issuer)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::host::moment::Moment;
    use crate::host::tls_store::keys;
    use crate::terms::KeyType;

    #[test]
    fn the_chain_that_is_preferred_is_taken_and_else_the_ca_s_own() {
        let key = keys::generate(KeyType::EcdsaP256).unwrap();
        let names = ["a.example".to_owned()];
        let of = |name: &str| {
            keys::self_signed(&key, &names, name, Moment::at(1_795_000_000), Duration::from_hours(9)).unwrap()
        };
        let (one, two) = (of("Root X1"), of("Root X2"));
        let chains = vec![format!("{one}{one}"), format!("{one}{two}")];
        let topmost = |wanted| topmost_issuer(&preferred(&chains, wanted)).unwrap();
        assert_eq!(topmost(Some("Root X2")), "CN=Root X2");
        assert_eq!(topmost(Some("Root X9")), "CN=Root X1");
        assert_eq!(topmost(None), "CN=Root X1");
        assert_eq!(preferred(&[], None), "");
    }
}
