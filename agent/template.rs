//! Configuration templates: Tera over `templates/`, embedded in the program.
//!
//! A template names what it needs; an undefined variable is an error. Nothing is escaped: configurations are not HTML.

use std::collections::BTreeMap;

use serde::Serialize;
use tera::{Kwargs, State, TeraResult};

/// The first line of every file that hostagent keeps as it is, in a comment: `place` is where a change of it belongs, such
/// as `` `[ssh]` of the recipe``. A template writes it as `{{ managed(place="…") }}`.
pub fn managed(place: &str) -> String {
    format!("# managed by hostagent: changes here are put back; make them in {place}")
}

/// A template of the program, made by [`template!`](crate::template!).
#[derive(Debug, Clone, Copy)]
pub struct Template {
    /// Its path under `templates/`.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// Embeds the template at a path under `templates/`.
#[macro_export]
macro_rules! template {
    ($path:literal) => {
        $crate::template::Template {
            name: $path,
            text: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/", $path)),
        }
    };
}

impl Template {
    /// Renders it with the fields of `values`.
    ///
    /// # Errors
    /// When the template is wrong or names something that `values` has not; says where.
    pub fn render(&self, values: &impl Serialize) -> Result<String, String> {
        self.render_over(&BTreeMap::new(), &[], values)
    }

    /// Renders it with the fields of `values`; it may `{% include %}` these parts. A text in `own`, by the name of a
    /// template, takes the place of the program's.
    ///
    /// # Errors
    /// When a template is wrong or names something that `values` has not; says where.
    pub fn render_over(
        &self,
        own: &BTreeMap<String, String>,
        parts: &[Self],
        values: &impl Serialize,
    ) -> Result<String, String> {
        let mut tera = tera::Tera::default();
        tera.autoescape_on(Vec::<&str>::new());
        tera.register_function("managed", |given: Kwargs, _: &State| -> TeraResult<String> {
            Ok(managed(given.must_get("place")?))
        });
        let all = parts
            .iter()
            .chain([self])
            .map(|template| (template.name, own.get(template.name).map_or(template.text, String::as_str)));
        tera.add_raw_templates(all).map_err(|error| self.cite(&error))?;
        let context = tera::Context::from_serialize(values).map_err(|error| self.cite(&error))?;
        tera.render(self.name, &context).map_err(|error| self.cite(&error))
    }

    fn cite(&self, error: &tera::Error) -> String {
        let mut said = vec![format!("templates/{}: {error}", self.name)];
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            said.push(cause.to_string());
            source = cause.source();
        }
        said.join("\n  ")
    }
}
