use super::*;
use crate::acme::failures::Failures;
use crate::acme::refusal::{Kind, Refusal};
use crate::host::tls_store::{Meta, New};
use crate::resources::laws::{Play, keeps_its_word};

pub(super) const CA: &str = "https://127.0.0.1:1/dir";
pub(super) const DAY: Duration = Duration::from_hours(24);

fn certificate(issuers: Vec<Issuer>) -> Certificate {
    Certificate {
        name: "web".into(),
        names: vec!["a.example".into()],
        issuers,
        contact: Vec::new(),
        challenge: Challenge::default(),
        preflight: true,
        dns: None,
        key_type: KeyType::EcdsaP256,
        profile: None,
        preferred_chain: None,
        group: None,
        readers: Vec::new(),
        learned: RefCell::default(),
        forced: Cell::default(),
    }
}

pub(super) fn own_one() -> Certificate {
    certificate(vec![Issuer::SelfSigned])
}

pub(super) fn of_ca() -> Certificate {
    certificate(vec![Issuer::Acme { directory: CA.into(), root: None, staging: None, eab: None }])
}

/// Puts a certificate there that was issued by the CA so long ago and has so long left.
pub(super) fn put(play: &Play, source: Source, age: Duration, left: Duration) {
    let (now, names) = (Moment::now(), vec!["a.example".to_owned()]);
    let (from, key) = (now.earlier(age), keys::generate(KeyType::EcdsaP256).unwrap());
    let chain = keys::self_signed(&key, &names, "CA", from, age + left).unwrap();
    let issuer = (source == Source::Issued).then(|| CA.to_owned());
    let meta = Meta { source, issuer, made: from, point: 0, trusted_since: None };
    let readers = Readers { gid: None };
    let new = New { key: &key, chain: chain.as_bytes(), names: &names, meta: &meta, readers };
    play.host.touch().tls_commit("web", &new, now).unwrap();
}

fn number(play: &Play) -> u32 {
    let Held::Good(version) = play.host.look().tls_held("web").unwrap() else { panic!() };
    version.number
}

async fn told(play: &Play, certificate: &Certificate) -> (String, Vec<String>) {
    let changes = certificate.check(&play.host.look()).await.unwrap();
    (changes.to_string(), changes.notes().to_vec())
}

#[tokio::test(flavor = "current_thread")]
async fn it_keeps_its_word() {
    let play = Play::new();
    keeps_its_word::<Certificate>(&own_one(), &play.host).await;
}

#[tokio::test(flavor = "current_thread")]
async fn what_stands_in_is_not_what_is_wanted() {
    let play = Play::new();
    put(&play, Source::Bootstrap, Duration::ZERO, 7 * DAY);
    assert_eq!(told(&play, &own_one()).await.0, "issuer hostagent-bootstrap -> self-signed");
    own_one().apply(&play.host.touch()).await.unwrap();
    assert_eq!(number(&play), 2);
}

#[tokio::test(flavor = "current_thread")]
async fn a_renewal_is_a_difference_that_says_why() {
    let play = Play::new();
    put(&play, Source::Issued, 59 * DAY, 31 * DAY);
    assert_eq!(told(&play, &of_ca()).await.0, "");
    put(&play, Source::Issued, 61 * DAY, 29 * DAY);
    let (says, _) = told(&play, &of_ca()).await;
    assert!(says.starts_with("renewal expires on 20") && says.ends_with(" -> renewed"), "{says}");
}

#[tokio::test(flavor = "current_thread")]
async fn other_names_another_issuer_and_another_kind_of_key_are_told_apart() {
    let play = Play::new();
    put(&play, Source::SelfSigned, Duration::ZERO, 90 * DAY);
    assert_eq!(told(&play, &own_one()).await.0, "");
    let more = Certificate { names: vec!["a.example".into(), "B.example".into()], ..own_one() };
    assert_eq!(told(&play, &more).await.0, "names a.example -> a.example b.example");
    assert_eq!(told(&play, &of_ca()).await.0, format!("issuer self-signed -> {CA}"));
    let rsa = Certificate { key_type: KeyType::Rsa, ..own_one() };
    assert_eq!(told(&play, &rsa).await.0, "key type ecdsa-p256 -> rsa");
    // The second choice is taken, and does not keep the first from being asked.
    let either = certificate(vec![
        Issuer::Acme { directory: CA.into(), root: None, staging: None, eab: None },
        Issuer::SelfSigned,
    ]);
    assert_eq!(told(&play, &either).await.0, format!("issuer self-signed -> {CA}"));
}

#[tokio::test(flavor = "current_thread")]
async fn a_ca_that_is_away_takes_nothing_and_is_remembered() {
    let play = Play::new();
    put(&play, Source::Issued, 61 * DAY, 29 * DAY);
    let cause = of_ca().apply(&play.host.touch()).await.unwrap_err();
    assert_eq!(cause.code, "acme-away");
    assert!(cause.says.contains("gave no answer") && cause.says.contains("next try"), "{}", cause.says);
    assert_eq!(number(&play), 1);
    // Until the next try it rests, and says so; nobody is asked.
    let (says, notes) = told(&play, &of_ca()).await;
    assert!(says.is_empty() && notes[0].starts_with("not renewed yet: failed once, last with:"), "{says} {notes:?}");
    of_ca().apply(&play.host.touch()).await.unwrap();
    let failures = Memory::of("web").failures(&play.host.look(), CA).unwrap().unwrap();
    assert_eq!(failures.count, 1);
}

#[tokio::test(flavor = "current_thread")]
async fn a_failure_is_loud_when_little_is_left_or_nothing_real_is_served() {
    let play = Play::new();
    put(&play, Source::Issued, 80 * DAY, 10 * DAY);
    let refusal = Refusal::new(Kind::Limited, "too many").retry_after(Some(DAY));
    let failures = Failures::after(None, &refusal, Moment::now());
    Memory::of("web").keep_failures(&play.host.touch(), CA, &failures).unwrap();
    assert!(told(&play, &of_ca()).await.0.starts_with("renewal expires on"));
    let cause = of_ca().apply(&play.host.touch()).await.unwrap_err();
    assert_eq!(cause.code, "acme-waiting");
    assert!(cause.says.starts_with("failed once, last with: too many; next try 20"), "{}", cause.says);
    assert!(cause.says.ends_with(", as the CA wants"), "{}", cause.says);

    put(&play, Source::Bootstrap, Duration::ZERO, 7 * DAY);
    assert_eq!(of_ca().apply(&play.host.touch()).await.unwrap_err().code, "acme-waiting");
}

#[tokio::test(flavor = "current_thread")]
async fn the_next_issuer_is_asked_when_the_first_gives_nothing() {
    let play = Play::new();
    put(&play, Source::Bootstrap, Duration::ZERO, 7 * DAY);
    let either = certificate(vec![
        Issuer::Acme { directory: CA.into(), root: None, staging: None, eab: None },
        Issuer::SelfSigned,
    ]);
    either.apply(&play.host.touch()).await.unwrap();
    assert_eq!(told(&play, &either).await.0, "");
    assert!(Memory::of("web").failures(&play.host.look(), CA).unwrap().is_some());
    // What others trust is never given up for it.
    put(&play, Source::Issued, 80 * DAY, 10 * DAY);
    let before = number(&play);
    Memory::of("web").forget_failures(&play.host.touch(), CA).unwrap();
    assert_eq!(either.apply(&play.host.touch()).await.unwrap_err().code, "acme-away");
    assert_eq!(number(&play), before);
}

#[tokio::test(flavor = "current_thread")]
async fn an_order_is_forgotten_once_its_certificate_counts_and_not_before() {
    let play = Play::new();
    put(&play, Source::Issued, DAY, 89 * DAY);
    let host = play.host.touch();
    let key = std::fs::read(play.place("/var/lib/hostagent/tls/web/current/privkey.pem")).unwrap();
    for (kept, is_over) in [(b"another".to_vec(), false), (key, true)] {
        host.write_state_durably("tls/web/next/order.json", b"{}").unwrap();
        host.write_state_durably("tls/web/next/privkey.pem", &kept).unwrap();
        of_ca().settle(&host).unwrap();
        for file in ["order.json", "privkey.pem"] {
            assert_eq!(host.read_state(&format!("tls/web/next/{file}")).unwrap().is_none(), is_over, "{file}");
        }
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_certificate_that_vanished_is_gone_back_from_and_made_anew() {
    let play = Play::new();
    own_one().apply(&play.host.touch()).await.unwrap();
    put(&play, Source::SelfSigned, Duration::ZERO, 90 * DAY);
    std::fs::remove_file(play.place("/var/lib/hostagent/tls/web/current/privkey.pem")).unwrap();
    let (says, _) = told(&play, &own_one()).await;
    assert!(says.contains("privkey.pem` is not there -> self-signed"), "{says}");
    own_one().apply(&play.host.touch()).await.unwrap();
    assert_eq!((number(&play), told(&play, &own_one()).await.0.as_str()), (1, ""));
}
