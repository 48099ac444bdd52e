//! The picture: who ran when, what waited for what, and the critical path through it.
//!
//! Text stands in columns of its own, left and right of the bars and never among them, in a font of one width: so none can
//! overlap another, whatever a browser has. Colours follow the reader's wish for light or dark.

use super::chain::{Chain, Link, deciding};
use super::history::History;
use super::lanes::{Lane, Sheet};
use super::scale::Scale;
use super::svg::Svg;
use crate::report::moment::Moment;
use crate::report::words::{cut, measured, percent};

const WIDTH: f64 = 1200.0;
/// Where names begin; left of them is the mark of the critical path.
const NAMES: f64 = 26.0;
/// The widest name, in characters.
const WIDEST: usize = 44;
/// The width of a character of the font, at most.
const CHARACTER: f64 = 6.75;
/// Room for the times at the right.
const TIMES: f64 = 88.0;
/// Where the first row begins.
const TOP: f64 = 130.0;
const ROW: f64 = 20.0;
const BAR: f64 = 11.0;
/// The narrowest bar that can be seen.
const NARROWEST: f64 = 1.5;
/// An axis at the foot helps in a picture of more rows.
const TALL: usize = 30;

const STYLE: &str = "
text { font: 11px ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace; fill: #24292f }
text.title { font-size: 15px; font-weight: bold }
text.faint, text.quiet { fill: #6e7781 }
text.strong { font-weight: bold }
text.right { text-anchor: end }
text.middle { text-anchor: middle }
text.failed { fill: #cf222e }
.ground { fill: #ffffff }
.hit { fill: #000000; fill-opacity: 0 }
.lane:hover > .hit { fill-opacity: 0.06 }
.grid { stroke: #d8dee4; fill: none }
.own { fill: #8c959f }
.looking { fill: #4c9be8 }
.applying { fill: #e8a33d }
.verifying { fill: #2f9e78 }
.failing { fill: #cf222e }
.needs { stroke: #8c959f; stroke-dasharray: 1 3; fill: none }
.turn { stroke: #8c959f; stroke-width: 3; stroke-opacity: 0.5; fill: none }
.edge { stroke: #afb8c1; fill: none }
.path { stroke: #8250df; stroke-width: 2; fill: none; stroke-linejoin: round }
.mark { fill: #8250df }
.cross { stroke: #cf222e; stroke-width: 2; fill: none }
.ring { stroke: #6e7781; fill: none }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
text.faint, text.quiet { fill: #8d96a0 }
text.failed { fill: #ff7b72 }
.ground { fill: #0d1117 }
.hit { fill: #ffffff }
.grid { stroke: #21262d }
.own { fill: #6e7681 }
.edge { stroke: #484f58 }
.path { stroke: #b388ff }
.mark { fill: #b388ff }
.failing { fill: #f85149 }
.cross { stroke: #ff7b72 }
}
";

/// Draws a run.
pub fn draw(history: &History) -> String {
    let chain = Chain::of(history);
    let sheet = Sheet::of(history, &chain);
    let widest = sheet.lanes.iter().map(|lane| lane.label.chars().count()).max().unwrap_or_default().min(WIDEST);
    let left = NAMES + characters(widest) + 14.0;
    let scale = Scale { left, width: WIDTH - left - TIMES, total: history.total };
    let bottom = TOP + ROW * rows(sheet.lanes.len());
    let foot = if sheet.lanes.len() > TALL { 30.0 } else { 14.0 };

    let mut svg = Svg::new(WIDTH, bottom + foot, STYLE);
    svg.rect("ground", (0.0, 0.0), (WIDTH, bottom + foot), "");
    head(&mut svg, history, &chain);
    for (x, label) in scale.ticks() {
        svg.line("grid", &[(x, TOP - 8.0), (x, bottom)]);
        svg.text("faint middle", (x, TOP - 13.0), &label);
        if sheet.lanes.len() > TALL {
            svg.text("faint middle", (x, bottom + 16.0), &label);
        }
    }
    let place = Place { history, sheet: &sheet, scale };
    for (number, lane) in sheet.lanes.iter().enumerate() {
        place.lane(&mut svg, number, lane);
    }
    place.path(&mut svg, &chain);
    svg.finish()
}

/// What it is a picture of, where the time went, and what the colours mean.
fn head(svg: &mut Svg, history: &History, chain: &Chain) {
    let fitting = |text: &str| cut(text, 168);
    svg.text("title", (12.0, 26.0), &cut(&format!("hostagent {} {}", history.verb, history.recipe), 120));
    let began = history.began.replace('T', " ").replace('Z', " UTC");
    let told = format!("{began} · {} · {} in all", history.ended, measured(history.total));
    svg.text("faint", (12.0, 45.0), &fitting(&told));
    let mut longest: Vec<_> = chain.links.iter().collect();
    longest.sort_by_key(|link| std::cmp::Reverse(link.took_ms));
    let longest = longest.iter().take(3).map(|link| {
        format!("{} {} ({})", link.id, measured(link.took_ms), percent(link.took_ms.share_of(history.total)))
    });
    let longest = format!("longest on the critical path: {}", longest.collect::<Vec<_>>().join(" · "));
    svg.text("", (12.0, 63.0), &fitting(&longest));

    let (mut x, y) = (12.0, 85.0);
    for (class, name) in [
        ("looking", "looking"),
        ("applying", "applying"),
        ("verifying", "verifying"),
        ("failing", "failed"),
        ("own", "hostagent itself"),
        ("needs", "waiting for what it needs"),
        ("turn", "waiting for its turn"),
        ("path", "critical path"),
    ] {
        match class {
            "needs" | "turn" | "path" => svg.line(class, &[(x, y - 4.0), (x + 18.0, y - 4.0)]),
            _ => svg.rect(class, (x, y - 9.0), (18.0, 10.0), ""),
        }
        svg.text("faint", (x + 24.0, y), name);
        x += 24.0 + characters(name.chars().count()) + 20.0;
    }
}

/// Where everything stands.
struct Place<'p> {
    history: &'p History,
    sheet: &'p Sheet,
    scale: Scale,
}

impl Place<'_> {
    fn lane(&self, svg: &mut Svg, number: usize, lane: &Lane) {
        let y = middle(number);
        if lane.is_section {
            svg.text("faint", (12.0, y + 4.0), &lane.label);
            let from = 12.0 + characters(lane.label.chars().count()) + 8.0;
            svg.line("grid", &[(from, y), (WIDTH - 12.0, y)]);
            return;
        }
        svg.group("lane", &lane.title);
        svg.rect("hit", (0.0, y - ROW / 2.0), (WIDTH, ROW), "");
        if lane.critical {
            svg.circle("mark", (16.0, y), 3.0);
        }
        let class = match lane.verdict {
            "failed" => "failed strong",
            _ if lane.critical => "strong",
            "changed" | "pending" => "",
            _ => "quiet",
        };
        svg.text(class, (NAMES, y + 4.0), &cut_middle(&lane.label, WIDEST));
        self.waits(svg, number, lane);
        for bar in &lane.bars {
            let from = self.scale.x(bar.from);
            let width = (self.scale.x(bar.till) - from).max(NARROWEST);
            let title = format!("{}: {}", lane.label, bar.told());
            svg.rect(bar.class, (from, y - BAR / 2.0), (width, BAR), &title);
        }
        let end = lane.bars.iter().map(|bar| self.scale.x(bar.till).max(self.scale.x(bar.from) + NARROWEST));
        let end = end.fold(self.scale.left, f64::max);
        if lane.verdict == "failed" {
            svg.line("cross", &[(end + 5.0, y - 4.0), (end + 13.0, y + 4.0)]);
            svg.line("cross", &[(end + 5.0, y + 4.0), (end + 13.0, y - 4.0)]);
        }
        let class = if lane.verdict == "failed" { "failed right" } else { "faint right" };
        svg.text(class, (WIDTH - 12.0, y + 4.0), &lane.note);
        svg.end_group();
    }

    /// What a row waited for, and how long.
    fn waits(&self, svg: &mut Svg, number: usize, lane: &Lane) {
        let Some((from, ready, till)) = lane.waited else { return };
        let (y, x) = (middle(number), |moment: Moment| self.scale.x(moment));
        if let Some((before, end)) = lane.row.and_then(|row| self.decided(row))
            && before != number
        {
            svg.line("edge", &[(x(end), middle(before)), (x(end), y), (x(till).max(x(end)), y)]);
        }
        if x(ready) - x(from) > 2.0 {
            svg.line("needs", &[(x(from), y), (x(ready), y)]);
        }
        if x(till) - x(ready) > 2.0 {
            svg.line("turn", &[(x(ready), y), (x(till), y)]);
        }
        if lane.verdict == "skipped" {
            svg.circle("ring", (x(till) + 4.0, y), 3.5);
        }
    }

    /// The lane of what a row waited for longest, and when that ended.
    fn decided(&self, row: usize) -> Option<(usize, Moment)> {
        let ends = &self.sheet.ends;
        let found = deciding(self.history, row, &|row| ends.iter().position(|(_, ended)| *ended == row))?;
        let (end, row) = ends.get(found)?;
        Some((self.sheet.lane_of(*row)?, *end))
    }

    /// The critical path, from link to link.
    fn path(&self, svg: &mut Svg, chain: &Chain) {
        for pair in chain.links.windows(2) {
            let [one, next] = pair else { continue };
            let (Some(above), Some(below)) = (self.lane_of(one), self.lane_of(next)) else { continue };
            let (end, start) = (self.scale.x(one.from_ms + one.took_ms), self.scale.x(next.from_ms));
            if above != below {
                svg.group("", &format!("{} waited for {}", next.id, one.id));
                svg.line("path", &[(end, middle(above)), (end, middle(below)), (start.max(end), middle(below))]);
                svg.end_group();
            }
        }
    }
}

impl Place<'_> {
    /// Where a link stands: if it is many rows, where most of them are.
    fn lane_of(&self, link: &Link) -> Option<usize> {
        if link.rows.is_empty() {
            return self.sheet.lane_of_part(&link.id);
        }
        let mut lanes: Vec<usize> = link.rows.iter().filter_map(|row| self.sheet.lane_of(*row)).collect();
        lanes.sort_unstable();
        lanes.chunk_by(|one, other| one == other).max_by_key(|same| same.len())?.first().copied()
    }
}

fn rows(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

fn middle(lane: usize) -> f64 {
    TOP + ROW * (rows(lane) + 0.5)
}

fn characters(count: usize) -> f64 {
    CHARACTER * rows(count)
}

/// A name that is too long loses its middle: both ends tell more.
fn cut_middle(text: &str, most: usize) -> String {
    let count = text.chars().count();
    if count <= most {
        return text.to_owned();
    }
    let (head, tail) = (most / 2 - 1, most - most / 2);
    let start: String = text.chars().take(head).collect();
    let end: String = text.chars().skip(count - tail).collect();
    format!("{start}…{end}")
}

#[cfg(test)]
mod tests {
    use super::super::testing::{changed, right, run};
    use super::*;
    use crate::report::json::Entry;

    /// Every text of a picture: where it begins, where it ends, on which line, what it says, whether it is on an axis.
    fn texts(svg: &str) -> Vec<(f64, f64, f64, String, bool)> {
        let texts = svg.lines().filter_map(|line| line.strip_prefix("<text")?.strip_suffix("</text>"));
        let attribute = |head: &str, name: &str| {
            let (_, rest) = head.split_once(&format!(" {name}=\""))?;
            Some(rest.split('"').next()?.to_owned())
        };
        let placed = texts.map(|text| {
            let (head, words) = text.split_once('>').unwrap();
            let at = |name| attribute(head, name).unwrap().parse::<f64>().unwrap();
            let class = attribute(head, "class").unwrap_or_default();
            let font = if class.contains("title") { 15.0 / 11.0 } else { 1.0 };
            let words = words.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
            let width = characters(words.chars().count()) * font;
            let begins = match () {
                () if class.contains("right") => at("x") - width,
                () if class.contains("middle") => at("x") - width / 2.0,
                () => at("x"),
            };
            (begins, begins + width, at("y"), words, class.contains("middle"))
        });
        placed.collect()
    }

    fn is_clear(svg: &str) {
        let texts = texts(svg);
        // The first tick is where the bars begin, and axes are all that may say something among them.
        let (axis, rows): (Vec<_>, Vec<_>) = texts.iter().filter(|text| text.2 > TOP - 20.0).partition(|text| text.4);
        let left = f64::midpoint(axis[0].0, axis[0].1);
        for (from, till, _, words, _) in rows {
            assert!(*till <= left || *from >= WIDTH - TIMES, "`{words}` stands among the bars");
        }
        for (number, (from, till, y, words, _)) in texts.iter().enumerate() {
            assert!(*from >= 0.0 && *till <= WIDTH, "`{words}` stands outside: {from} to {till}");
            for (other_from, other_till, other_y, other, _) in &texts[number + 1..] {
                let apart = till <= other_from || other_till <= from || (y - other_y).abs() >= 12.0;
                assert!(apart, "`{words}` and `{other}` overlap");
            }
        }
        assert_eq!(svg.matches("<g").count(), svg.matches("</g>").count());
    }

    /// A run of so many files, one after the other, each with a long and awkward name.
    fn many(count: u32, each: f64) -> String {
        let file = |n: u32| {
            let from = 10.0 + f64::from(n) * each;
            let name = format!("file:/srv/<&\"{}\u{1b}/number-{n}", "long/".repeat(12));
            Entry { table: format!("table{}", n % 3), ..changed(&name, &[], 10.0, from, from + each) }
        };
        let mut report = run(10.0 + f64::from(count) * each, (0..count).map(file).collect());
        report.recipe = "/etc/a/very/long/path".repeat(12);
        draw(&History::of(&report))
    }

    #[test]
    fn no_text_overlaps_another_however_many_and_long() {
        for (count, each) in [(0, 1.0), (1, 0.002), (10, 0.3), (40, 2000.0), (41, 11.0), (500, 40.0), (500, 90_000.0)] {
            is_clear(&many(count, each));
        }
    }

    #[test]
    fn in_a_large_run_what_took_nothing_is_one_row_a_table() {
        let rows = |svg: &str| svg.matches("<g class=\"lane\"").count();
        assert_eq!(rows(&many(40, 1.0)), 2 + 40);
        let large = many(500, 1.0);
        assert_eq!(rows(&large), 2 + 3);
        assert!(large.contains(">167 resources changed</text>"), "{large}");

        let mut report = run(1000.0, (0..60).map(|n| right(&format!("file:{n}"), &[], 10.0, 11.0)).collect());
        report.resources.push(changed("file:slow", &[], 10.0, 11.0, 1000.0));
        let svg = draw(&History::of(&report));
        assert!(svg.contains(">60 more as they were</text>") && svg.contains(">file:slow</text>"), "{svg}");
    }

    #[test]
    fn the_critical_path_is_drawn_from_link_to_link() {
        let report = run(
            900.0,
            vec![changed("file:a", &[], 10.0, 10.0, 400.0), changed("file:b", &["file:a"], 400.0, 400.0, 900.0)],
        );
        let svg = draw(&History::of(&report));
        assert_eq!(svg.matches("<circle class=\"mark\"").count(), 4, "start, survey, a, b");
        for edge in ["survey waited for start", "file:a waited for survey", "file:b waited for file:a"] {
            assert!(svg.contains(&format!("<title>{edge}</title>")), "{edge}: {svg}");
        }
    }

    #[test]
    fn names_that_are_too_long_keep_both_ends() {
        assert_eq!(cut_middle("file:/etc/x", 11), "file:/etc/x");
        assert_eq!(cut_middle("file:/etc/nginx/sites/api.conf", 20), "file:/etc…s/api.conf");
        assert_eq!(cut_middle("file:/etc/nginx/sites/api.conf", 20).chars().count(), 20);
    }
}
