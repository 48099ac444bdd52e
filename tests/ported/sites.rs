//! geerlingguy.nginx, molecule/default/converge.yml.

use super::changes;
use crate::evidence::{DEBIANS, furnished, ids};

const RECIPE: &str = r#"
format = 1
[[directory]]
path = "/var/www/test"
[[nginx.site]]
name = "test.dev"
server_name = ["test.dev"]
static = { root = "/var/www/test" }
"#;

#[test]
fn a_site_takes_the_place_of_the_default_one() {
    for debian in DEBIANS {
        let host = furnished(debian);
        host.sh("systemctl start nginx").succeeds();
        host.get("http://test.dev/").is(200).says("Welcome to nginx");

        let changed = changes(&host, RECIPE);
        assert_eq!(changed, ids(["config_set:nginx", "directory:/var/www/test", "service:nginx"]));
        assert!(!host.exists("/etc/nginx/sites-enabled/default"));
        host.write("/var/www/test/index.html", "this is test.dev\n");
        host.get("http://test.dev/").is(200).says("this is test.dev");
        assert!(host.ask("http://localhost/", &[]).is_err(), "the default site is gone");
    }
}
