use super::*;
use crate::engine::Plan;

fn compiled(text: &str) -> Result<Plan, Vec<String>> {
    let tls: Tls = toml::from_str(text).unwrap();
    let mut draft = Draft::default();
    tls.compile(&Facts::default(), &mut draft);
    draft.finish().map_err(|problems| problems.into_iter().map(|problem| problem.says).collect())
}

fn problems(text: &str) -> Vec<String> {
    compiled(text).unwrap_err()
}

#[test]
fn a_certificate_brings_what_stands_in_the_account_key_and_the_timer() {
    let plan = compiled("[[certificate]]\nname = \"api\"\ndomains = \"api.example.org\"").unwrap();
    let ids: Vec<String> = plan.ids().map(ToString::to_string).collect();
    for id in ["tls_account:key", "bootstrap_certificate:api", "certificate:api", "timer:hostagent-tls"] {
        assert!(ids.iter().any(|other| other == id), "{id}: {ids:?}");
    }
    assert!(plan.orders("bootstrap_certificate:api", "certificate:api"));
    assert!(plan.orders("tls_account:key", "certificate:api"));
    let own = "issuer = \"self-signed\"\n[[certificate]]\nname = \"api\"\ndomains = [\"*.vagrant\", \"localhost\"]";
    let own = compiled(own).unwrap();
    assert!(!own.ids().any(|id| id.kind() == "tls_account"), "nobody is asked");
}

#[test]
fn nothing_wanted_is_nothing_done() {
    assert_eq!(compiled("").unwrap().len(), 0);
}

#[test]
fn issuers_are_words_or_directories_and_one_or_several() {
    let issuers = |text: &str| toml::from_str::<Tls>(text).map(|tls| tls.issuer.unwrap().to_vec());
    assert_eq!(issuers("issuer = \"letsencrypt\"").unwrap(), [Issuer::LetsEncrypt]);
    let all =
        issuers("issuer = [\"letsencrypt-staging\", { directory = \"https://ca.example/dir\", root = \"/ca.pem\" }]");
    let [Issuer::Staging, Issuer::Other(other)] = all.as_deref().unwrap() else { panic!("{all:?}") };
    assert_eq!(other.directory, "https://ca.example/dir");
    let wrong = |text: &str| issuers(text).unwrap_err().to_string();
    assert!(wrong("issuer = \"lets-encrypt\"").contains("no word for an issuer"));
    assert!(wrong("issuer = \"https://ca.example/dir\"").contains("{ directory = \"https://ca.example/dir\" }"));
    assert!(wrong("issuer = { directory = \"https://a/\", rot = \"/x\" }").contains("rot"));
}

#[test]
fn staging_is_the_twin_of_let_s_encrypt() {
    let resources::certificate::Issuer::Acme { staging, .. } = Issuer::LetsEncrypt.resolved() else { panic!() };
    let resources::certificate::Issuer::Acme { directory, .. } = Issuer::Staging.resolved() else { panic!() };
    assert_eq!(staging, Some(directory));
}

#[test]
fn what_is_wrong_is_said_of_all_of_it_at_once() {
    let text = "contact = [\"ops@example.org\"]\n\
                issuer = { directory = \"http://ca.example/dir\" }\n\
                [[certificate]]\nname = \"account\"\ndomains = [\"*.example.org\", \"web\", \"a.example\", \"A.example\"]\n\
                [[certificate]]\nname = \"b\"\ndomains = []\n\
                [[certificate]]\nname = \"b\"\ndomains = \"b.example\"\n";
    let mut says = problems(text);
    says.sort();
    assert_eq!(
        says,
        [
            "`*.example.org` cannot be proven with `http-01`",
            "`A.example` is named twice",
            "`account` is not a name for a certificate",
            "`directory` is not protected on its way: `http://ca.example/dir`",
            "`ops@example.org` is nobody to write to",
            "`web` is not a name that a CA can prove",
            "the certificate `b` is for no name",
            "there are two certificates `b`",
        ]
    );
}

#[test]
fn addresses_and_names_of_other_scripts_are_names() {
    for name in ["192.0.2.1", "2001:db8::1", "xn--bcher-kva.example", "www.example.org"] {
        assert_eq!(wrong_with(name, false, Challenge::Http01), None, "{name}");
    }
    for name in ["bücher.example", "a..b", "-a.example", "a_b.example", ""] {
        assert!(wrong_with(name, false, Challenge::Http01).is_some(), "{name}");
    }
}

#[test]
fn a_wildcard_is_proven_by_dns_and_the_zone_s_keeper_is_said() {
    let with = |more: &str| {
        format!(
            "[[certificate]]\nname = \"api\"\ndomains = [\"example.org\", \"*.example.org\"]\nchallenge = \"dns-01\"\n{more}"
        )
    };
    for dns in ["\"route53\"", "{ route53 = { zone = \"Z1\" } }", "{ cloudflare = { token = { ssm = \"/cf\" } } }"] {
        assert!(compiled(&with(&format!("dns = {dns}"))).is_ok(), "{dns}");
    }
    assert_eq!(problems(&with("")), ["nobody is said who keeps the zone of the certificate `api`"]);
    let generated = "dns = { cloudflare = { token = { generate = 32 } } }";
    assert_eq!(problems(&with(generated)), ["a secret that is made up here is known to nobody else"]);
    let bare = "dns = { cloudflare = { token = { file = \"/cf\" }, api = \"http://127.0.0.1\" } }";
    assert_eq!(problems(&with(bare)), ["`api` is not protected on its way: `http://127.0.0.1`"]);
    let other = "[[certificate]]\nname = \"api\"\ndomains = [\"a.example\"]\ndns = \"route53\"";
    assert_eq!(problems(other), ["`dns` goes with `challenge = \"dns-01\"`"]);
    let address =
        "[[certificate]]\nname = \"api\"\ndomains = [\"192.0.2.1\"]\nchallenge = \"dns-01\"\ndns = \"route53\"";
    assert_eq!(problems(address), ["`192.0.2.1` cannot be proven with `dns-01`"]);
}

#[test]
fn a_keeper_is_one_of_those_that_are_known() {
    let wrong = |text: &str| {
        toml::from_str::<Certificate>(&format!("name = \"a\"\ndomains = \"a.b\"\ndns = {text}"))
            .unwrap_err()
            .to_string()
    };
    assert!(wrong("\"cloudflare\"").contains("needs its token"), "{}", wrong("\"cloudflare\""));
    assert!(wrong("\"route-53\"").contains("no word for who keeps a zone"));
    assert!(wrong("{}").contains("does not say who keeps the zone"));
    assert!(wrong("{ route53 = {}, cloudflare = { token = { ssm = \"/a\" } } }").contains("more than one"));
    assert!(wrong("{ route53 = { zon = \"Z\" } }").contains("zon"));
}

#[test]
fn what_a_ca_knows_somebody_by_is_a_pair() {
    let with = |eab: &str| {
        format!(
            "issuer = {{ directory = \"https://ca.example/dir\", eab = {eab} }}\n[[certificate]]\nname = \"api\"\ndomains = \"a.example\"\n"
        )
    };
    assert!(compiled(&with("{ kid = \"k1\", hmac = { ssm = \"/eab\" } }")).is_ok());
    let mut says = problems(&with("{ kid = \"\", hmac = { generate = 32 } }"));
    says.sort();
    assert_eq!(says, ["a secret that is made up here is known to nobody else", "the key ID is empty"]);
    assert!(toml::from_str::<Tls>(&with("{ kid = \"k1\" }")).unwrap_err().to_string().contains("hmac"));
}
