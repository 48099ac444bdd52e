//! What nginx does for those who ask it, with the sites of a recipe.
//!
//! One machine a Debian serves everything; each case has its sites and its questions beside each other.

mod files;
mod handed_on;
mod linted;
mod names;
mod redirects;
mod rules;
mod tls;

use crate::evidence::{DEBIANS, furnished};
use crate::lab::{Machine, eventually};

/// Sites, and what is asked of them once they are there.
type Case = (&'static str, fn(&Machine));

const CASES: [Case; 10] = [
    (handed_on::TO_A_LIST, handed_on::to_a_list),
    (handed_on::TO_A_SOCKET, handed_on::to_a_socket),
    (handed_on::WITH_HEADERS, handed_on::with_headers),
    (handed_on::AS_A_WEBSOCKET, handed_on::as_a_websocket),
    (names::RECIPE, names::a_name_is_looked_up_while_nginx_runs),
    (files::OF_A_DIRECTORY, files::of_a_directory),
    (redirects::RECIPE, redirects::keep_path_and_query),
    (rules::MIXED, rules::locations_mix),
    (rules::OF_ONES_OWN, rules::of_ones_own),
    (rules::UNKNOWN, rules::a_host_that_no_site_names_gets_no_answer),
];

/// The recipes that people begin with, each in place of the one before.
const SHIPPED: [Case; 3] = [
    (include_str!("../recipes/reverse-proxy.toml"), handed_on::the_recipe_of_a_reverse_proxy),
    (include_str!("../recipes/spa.toml"), files::the_recipe_of_an_application_of_one_page),
    (include_str!("../recipes/static-site.toml"), files::the_recipe_of_a_static_site),
];

#[test]
fn debian_12_serves_what_the_recipe_says() {
    serves(DEBIANS[0]);
}

#[test]
fn debian_13_serves_what_the_recipe_says() {
    serves(DEBIANS[1]);
}

#[test]
fn debian_12_serves_what_our_recipes_promise() {
    keeps_what_our_recipes_promise(DEBIANS[0]);
}

#[test]
fn debian_13_serves_what_our_recipes_promise() {
    keeps_what_our_recipes_promise(DEBIANS[1]);
}

#[test]
fn debian_12_serves_over_tls() {
    serves_over_tls(DEBIANS[0]);
}

#[test]
fn debian_13_serves_over_tls() {
    serves_over_tls(DEBIANS[1]);
}

fn serves_over_tls(debian: u8) {
    let host = tls::before_a_ca(debian);
    host.recipe(tls::RECIPE);
    host.agent("converge").exits(0);
    host.agent("plan").exits(0);
    linted::configuration(&host);
    linted::tls(&host, "shop.example.org");
    tls::with_tls(&host);
    tls::without_tls_it_is_redirected(&host);
    tls::a_challenge_is_answered_by_every_host(&host);
    tls::others_get_nothing(&host);
    tls::a_certificate_that_nobody_trusts_binds_nobody_and_who_asks_too_often_waits(&host);
    tls::only_people_with_a_password_come_in(&host);
    tls::requests_are_logged_as_json(&host);
    tls::a_closed_site_says_so(&host);
    tls::a_broken_template_leaves_everything_as_it_was(&host);
}

fn serves(debian: u8) {
    let host = furnished(debian);
    let parts: Vec<&str> = CASES.iter().map(|(recipe, _)| *recipe).collect();
    host.recipe(&format!("format = 1\n{}", parts.concat()));
    host.agent("converge").exits(0);
    linted::configuration(&host);
    for (_, questions) in CASES {
        questions(&host);
    }
    host.agent("plan").exits(0);

    rules::a_changed_snippet_is_loaded(&host);
    host.recipe(rules::ANSWERS_EVERYBODY);
    host.agent("converge").exits(0);
    rules::one_site_may_answer_everybody(&host);
}

fn keeps_what_our_recipes_promise(debian: u8) {
    let host = furnished(debian);
    for (recipe, questions) in SHIPPED {
        host.recipe(recipe);
        host.agent("converge").exits(0);
        questions(&host);
        linted::configuration(&host);
        host.agent("plan").exits(0);
    }
}

/// Asks until the answer says something: what was looked up a moment ago may still count.
fn soon_says(host: &Machine, url: &str, text: &str) {
    eventually(&format!("{url} says `{text}`"), || host.get(url).body.contains(text));
}
