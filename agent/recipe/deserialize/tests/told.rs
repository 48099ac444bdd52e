//! The exact text that people see.

use super::says;

#[test]
fn all_problems_are_reported_at_once_and_each_once() {
    let text = r#"format = 1
[nginx]
worker_connections = "many"
sites = []
[[nginx.site]]
nmae = "api"
server_name = "example.org"
[[nginx.site]]
name = "two words"
server_name = ["a", 2]
proxy = { port = "3000", to = 1 }
spa = "yes"
[[nginx.site]]
name = "short"
"#;
    assert_eq!(
        says(text),
        r#"error: expected an integer, found the string "many"
 --> r.toml:3:22
  |
3 | worker_connections = "many"
  |                      ^^^^^^

error: unknown key `sites` in `nginx`
 --> r.toml:4:1
  |
4 | sites = []
  | ^^^^^
  |
  = help: did you mean `site`?

error: unknown key `nmae` in `nginx.site[0]`
 --> r.toml:6:1
  |
6 | nmae = "api"
  | ^^^^
  |
  = help: did you mean `name`?

error: expected an array, found the string "example.org"
 --> r.toml:7:15
  |
7 | server_name = "example.org"
  |               ^^^^^^^^^^^^^
  |
  = help: write `server_name = ["example.org"]`

error: `two words` is no name
 --> r.toml:9:8
  |
9 | name = "two words"
  |        ^^^^^^^^^^^
  |
  = help: leave out the blanks

error: expected a string, found the integer 2
  --> r.toml:10:21
   |
10 | server_name = ["a", 2]
   |                     ^
   |
   = help: write `"2"`

error: expected an integer, found the string "3000"
  --> r.toml:11:18
   |
11 | proxy = { port = "3000", to = 1 }
   |                  ^^^^^^
   |
   = help: write `port = 3000`, without quotes

error: expected an address or an array of addresses, found the integer 1
  --> r.toml:11:31
   |
11 | proxy = { port = "3000", to = 1 }
   |                               ^

error: expected `true` or `false`, found the string "yes"
  --> r.toml:12:7
   |
12 | spa = "yes"
   |       ^^^^^

error: missing `server_name` in `nginx.site[2]`
  --> r.toml:13:1
   |
13 | [[nginx.site]]
   | ^^^^^^^^^^^^^^
   |
   = help: add `server_name = …`

10 problems;"#
    );
}

#[test]
fn tables_and_arrays_of_tables_are_told_apart() {
    let text = r#"[nginx.site]
name = "api"
[[postgres]]
listen_addresses = { a = 1 }
"#;
    assert_eq!(
        says(text),
        r"error: expected an array, found a table
 --> r.toml:1:1
  |
1 | [nginx.site]
  | ^^^^^^^^^^^^
  |
  = help: write `[[nginx.site]]`

error: expected a table, found an array of tables
 --> r.toml:3:1
  |
3 | [[postgres]]
  | ^^^^^^^^^^^^
  |
  = help: there is only one: write `[postgres]`

2 problems;"
    );
}

#[test]
fn choices_are_explained() {
    let text = r#"[[user]]
name = "a"
password = { smm = "/x" }
[[user]]
name = "b"
password = { ssm = "/x", file = { path = "/x" } }
[[user]]
name = "c"
password = "ssm"
[[user]]
name = "d"
password = { locked = true }
[[user]]
name = "e"
password = 3
[[user]]
name = "f"
password = { file = { pth = "/x" } }
[[user]]
name = "g"
password = {}
[postgres]
listen_addresses = []
hba = [{ type = "unix", method = "peer" }]
"#;
    assert_eq!(
        says(text),
        r#"error: unknown key `smm` in `user[0].password`
 --> r.toml:3:14
  |
3 | password = { smm = **** }
  |              ^^^
  |
  = help: did you mean `ssm`?

error: expected one key, found `file`, `ssm`
 --> r.toml:6:12
  |
6 | password = { ssm = "/x", file = { path = "/x" } }
  |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: keep one of them

error: `ssm` needs a value
 --> r.toml:9:12
  |
9 | password = *****
  |            ^^^^^
  |
  = help: write `password = { ssm = … }`

error: `locked` has no value
  --> r.toml:12:12
   |
12 | password = { locked = true }
   |            ^^^^^^^^^^^^^^^^^
   |
   = help: write `password = "locked"`

error: expected one of `ssm`, `file`, `locked`, found a number
  --> r.toml:15:12
   |
15 | password = *
   |            ^

error: unknown key `pth` in `user[5].password.file`
  --> r.toml:18:23
   |
18 | password = { file = { pth = "/x" } }
   |                       ^^^
   |
   = help: did you mean `path`?

error: expected one of `ssm`, `file`, `locked`, found an empty table
  --> r.toml:21:12
   |
21 | password = {}
   |            ^^

error: `unix` is not a choice for `type`
  --> r.toml:24:17
   |
24 | hba = [{ type = "unix", method = "peer" }]
   |                 ^^^^^^
   |
   = help: write one of `local`, `host`, `hostssl`

8 problems;"#
    );
}

#[test]
fn numbers_words_and_lengths_are_explained() {
    let text = r#"swap = "lots"
user = "ops"
stranger = 1
[nginx]
worker_connections = 70000
ratio = "x"
window = [1, 2, 3]
letter = "xy"
[postgres]
listen_addresses = []
settings = { "a b" = 1, c = [1] }
"#;
    assert_eq!(
        says(text),
        r#"error: invalid digit found in string
 --> r.toml:1:8
  |
1 | swap = "lots"
  |        ^^^^^^

error: expected an array, found the string "ops"
 --> r.toml:2:8
  |
2 | user = "ops"
  |        ^^^^^
  |
  = help: write `user = ["ops"]`

error: unknown key `stranger`
 --> r.toml:3:1
  |
3 | stranger = 1
  | ^^^^^^^^
  |
  = help: the keys here are `format`, `nginx`, `postgres`, `swap`, `user`

error: expected an integer from 0 to 65535, found the integer 70000
 --> r.toml:5:22
  |
5 | worker_connections = 70000
  |                      ^^^^^

error: expected a number, found the string "x"
 --> r.toml:6:9
  |
6 | ratio = "x"
  |         ^^^

error: expected an array of 2 elements, found 3 elements
 --> r.toml:7:10
  |
7 | window = [1, 2, 3]
  |          ^^^^^^^^^

error: expected a string of one character, found the string "xy"
 --> r.toml:8:10
  |
8 | letter = "xy"
  |          ^^^^

error: `a b` is no name
  --> r.toml:11:14
   |
11 | settings = { "a b" = 1, c = [1] }
   |              ^^^^^
   |
   = help: leave out the blanks

error: expected a string, an integer or a boolean, found an array
  --> r.toml:11:29
   |
11 | settings = { "a b" = 1, c = [1] }
   |                             ^^^
   |
   = help: write the one element without brackets

9 problems;"#
    );
}

#[test]
fn a_missing_key_is_not_reported_beside_the_mistyped_one() {
    let text = r#"[postgres]
listen-addresses = ["*"]
[[postgres.hba]]
type = "hots"
method = "peer"
[[postgres.hba]]
"#;
    assert_eq!(
        says(text),
        r#"error: unknown key `listen-addresses` in `postgres`
 --> r.toml:2:1
  |
2 | listen-addresses = ["*"]
  | ^^^^^^^^^^^^^^^^
  |
  = help: did you mean `listen_addresses`?

error: `hots` is not a choice for `type`
 --> r.toml:4:8
  |
4 | type = "hots"
  |        ^^^^^^
  |
  = help: did you mean `host`?

error: missing `type` in `postgres.hba[1]`
 --> r.toml:6:1
  |
6 | [[postgres.hba]]
  | ^^^^^^^^^^^^^^^^
  |
  = help: add `type = …`

3 problems;"#
    );
}
