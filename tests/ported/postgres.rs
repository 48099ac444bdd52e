//! geerlingguy.postgresql, molecule/default/converge.yml.

use super::{changes, sql};
use crate::evidence::{DEBIANS, furnished, ids, postgres_of};

const RECIPE: &str = r#"
format = 1
[[postgres.database]]
name = "example"
[[postgres.role]]
name = "jdoe"
[[postgres.role]]
name = "longjohnsilver"
[[postgres.grant]]
role = "jdoe"
database = "example"
type = "database"
privileges = ["ALL"]
[[postgres.grant]]
role = "longjohnsilver"
database = "example"
type = "table"
privileges = ["ALL"]
"#;

#[test]
fn a_database_two_users_and_their_privileges() {
    for debian in DEBIANS {
        let host = furnished(debian);
        let version = postgres_of(debian);
        let changed = changes(&host, RECIPE);
        assert!(
            ids(["pg_database:example", "pg_role:jdoe", "pg_role:longjohnsilver"]).is_subset(&changed),
            "{changed:?}"
        );
        let status = format!("/usr/lib/postgresql/{version}/bin/pg_ctl -D /var/lib/postgresql/{version}/main status");
        host.sh(&format!("runuser -u postgres -- {status}")).succeeds().says("server is running");
        assert_eq!(sql(&host, "example", "select has_database_privilege('jdoe', 'example', 'CREATE')"), "t");

        // "All in schema" is about what is there: a table that comes later is seen by the next run.
        sql(&host, "example", "create table cargo (id int); create table crew (id int)");
        assert_eq!(changes(&host, RECIPE).len(), 1);
        let may = "select bool_and(has_table_privilege('longjohnsilver', name, 'TRUNCATE')) from unnest('{cargo,crew}'::text[]) name";
        assert_eq!(sql(&host, "example", may), "t");
        assert_eq!(sql(&host, "example", "select has_table_privilege('jdoe', 'cargo', 'SELECT')"), "f");
    }
}
