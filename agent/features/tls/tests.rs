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
        assert_eq!(wrong_with(name, false), None, "{name}");
    }
    for name in ["bücher.example", "a..b", "-a.example", "a_b.example", ""] {
        assert!(wrong_with(name, false).is_some(), "{name}");
    }
}
