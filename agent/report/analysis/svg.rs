//! Writes SVG: the few elements a timeline needs. Text and attributes are escaped here and nowhere else.
//!
//! By hand, because a crate for it would be longer than this file and know less of what may stand in an id.

use std::fmt::Write as _;

/// A picture that grows by elements.
#[derive(Debug, Default)]
pub(super) struct Svg {
    text: String,
    open: Vec<&'static str>,
}

impl Svg {
    /// A picture of this size, with a style.
    pub(super) fn new(width: f64, height: f64, style: &str) -> Self {
        let mut svg = Self::default();
        let (w, h) = (number(width), number(height));
        let _ = writeln!(
            svg.text,
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}" viewBox="0 0 {w} {h}">"#
        );
        let _ = writeln!(svg.text, "<style>\n{}\n</style>", style.trim());
        svg
    }

    /// Begins a group; with a title, that is what shows when a pointer rests on it.
    pub(super) fn group(&mut self, class: &str, title: &str) {
        let _ = write!(self.text, "<g{}>", attribute("class", class));
        self.text.push_str(&titled(title));
        self.text.push('\n');
        self.open.push("g");
    }

    /// Ends the group begun last.
    pub(super) fn end_group(&mut self) {
        if let Some(name) = self.open.pop() {
            let _ = writeln!(self.text, "</{name}>");
        }
    }

    pub(super) fn rect(&mut self, class: &str, (x, y): (f64, f64), (width, height): (f64, f64), title: &str) {
        let _ = write!(
            self.text,
            r#"<rect{} x="{}" y="{}" width="{}" height="{}""#,
            attribute("class", class),
            number(x),
            number(y),
            number(width),
            number(height)
        );
        match title {
            "" => self.text.push_str("/>\n"),
            title => {
                let _ = writeln!(self.text, ">{}</rect>", titled(title));
            }
        }
    }

    pub(super) fn circle(&mut self, class: &str, (x, y): (f64, f64), radius: f64) {
        let (x, y, radius) = (number(x), number(y), number(radius));
        let _ = writeln!(self.text, r#"<circle{} cx="{x}" cy="{y}" r="{radius}"/>"#, attribute("class", class));
    }

    /// A line through some points.
    pub(super) fn line(&mut self, class: &str, points: &[(f64, f64)]) {
        let mut path = String::new();
        for (place, (x, y)) in points.iter().enumerate() {
            let _ = write!(path, "{}{} {}", if place == 0 { "M" } else { "L" }, number(*x), number(*y));
        }
        let _ = writeln!(self.text, "<path{}{}/>", attribute("class", class), attribute("d", &path));
    }

    pub(super) fn text(&mut self, class: &str, (x, y): (f64, f64), text: &str) {
        let (x, y) = (number(x), number(y));
        let _ = writeln!(self.text, r#"<text{} x="{x}" y="{y}">{}</text>"#, attribute("class", class), escaped(text));
    }

    /// The whole of it.
    pub(super) fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.end_group();
        }
        self.text.push_str("</svg>\n");
        self.text
    }
}

fn titled(title: &str) -> String {
    if title.is_empty() { String::new() } else { format!("<title>{}</title>", escaped(title)) }
}

fn attribute(name: &str, value: &str) -> String {
    if value.is_empty() { String::new() } else { format!(r#" {name}="{}""#, escaped(value)) }
}

/// A number as short as a tenth of a pixel allows.
fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

/// A text that is neither markup nor, what XML 1.0 forbids even in escapes, a control character.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\n' => safe.push('\n'),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_an_id_becomes_markup() {
        let mut svg = Svg::new(10.0, 10.0, "");
        svg.group("a\"b", "</title><script>");
        svg.text("", (1.25, 2.0), "<&>\u{0}\u{1b}\u{ffff}\"é");
        assert_eq!(
            svg.finish().lines().skip(4).collect::<Vec<_>>(),
            [
                "<g class=\"a&quot;b\"><title>&lt;/title&gt;&lt;script&gt;</title>",
                "<text x=\"1.2\" y=\"2\">&lt;&amp;&gt;\u{fffd}\u{fffd}\u{fffd}&quot;é</text>",
                "</g>",
                "</svg>",
            ]
        );
    }
}
