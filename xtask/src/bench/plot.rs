//! Plots as SVG. Only lines and bars are needed. A plotting crate brings more code than this
//! whole tool, or needs installed fonts.

use std::fmt::Write as _;

/// A line of a plot: its name and its points.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) name: &'static str,
    pub(crate) points: Vec<(f64, f64)>,
}

const COLOURS: [&str; 6] = [
    "#c0392b", "#2471a3", "#1e8449", "#b7950b", "#7d3c98", "#808b96",
];
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 570.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 350.0;

/// How the positions on an axis grow with the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scale {
    Linear,
    Logarithmic,
}

impl Scale {
    fn of(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            Self::Logarithmic => value.max(1e-9).ln(),
        }
    }
}

/// The positions of values on an axis of the plot.
struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Axis {
    /// A logarithmic axis from the lowest value to the highest.
    fn new(values: impl Iterator<Item = f64> + Clone, (from, to): (f64, f64)) -> Self {
        let scale = Scale::Logarithmic;
        let low = values.clone().fold(f64::INFINITY, f64::min);
        let high = values.fold(f64::NEG_INFINITY, f64::max);
        Self {
            scale,
            low: scale.of(low),
            high: scale.of(high),
            from,
            to,
        }
    }

    /// A linear axis from 0 to a little more than the highest value.
    fn linear(values: impl Iterator<Item = f64>, (from, to): (f64, f64)) -> Self {
        Self {
            scale: Scale::Linear,
            low: 0.0,
            high: values.fold(0.0, f64::max) * 1.05,
            from,
            to,
        }
    }

    fn place(&self, value: f64) -> f64 {
        let span = (self.high - self.low).max(1e-9);
        self.from + (self.scale.of(value) - self.low) / span * (self.to - self.from)
    }

    /// Values to be marked: the powers of ten in the range, with their halves and fifths; on a linear axis, some ten
    /// multiples of such a value.
    fn ticks(&self) -> Vec<f64> {
        let round =
            (-3..12).flat_map(|power| [1.0, 2.0, 5.0].map(|digit: f64| digit * 10_f64.powi(power)));
        match self.scale {
            Scale::Logarithmic => round
                .filter(|value| (self.low - 0.01..=self.high + 0.01).contains(&value.ln()))
                .collect(),
            Scale::Linear => {
                let step = round
                    .into_iter()
                    .find(|step| self.high / step <= 10.0)
                    .unwrap_or(self.high);
                (0..=10)
                    .map(|count| f64::from(count) * step)
                    .filter(|value| *value <= self.high)
                    .collect()
            }
        }
    }
}

/// A plot of lines, both axes logarithmic; `ticks` are the values to be marked on the horizontal one.
pub(super) fn lines(
    title: &str,
    (across, up): (&str, &str),
    ticks: &[f64],
    series: &[Series],
) -> String {
    let points = || series.iter().flat_map(|line| line.points.iter().copied());
    let x = Axis::new(points().map(|(x, _)| x), (LEFT, RIGHT));
    let y = Axis::new(points().map(|(_, y)| y), (BOTTOM, TOP));
    on_axes(title, (across, up), ticks, series, (&x, &y))
}

/// A plot of lines from 0 on, both axes linear.
pub(crate) fn linear(title: &str, words: (&str, &str), series: &[Series]) -> String {
    let points = || series.iter().flat_map(|line| line.points.iter().copied());
    let x = Axis::linear(points().map(|(x, _)| x), (LEFT, RIGHT));
    let y = Axis::linear(points().map(|(_, y)| y), (BOTTOM, TOP));
    on_axes(title, words, &x.ticks(), series, (&x, &y))
}

fn on_axes(
    title: &str,
    (across, up): (&str, &str),
    ticks: &[f64],
    series: &[Series],
    (x, y): (&Axis, &Axis),
) -> String {
    let mut svg = begin(title);
    for value in y.ticks() {
        let at = y.place(value);
        rule(&mut svg, (LEFT, at), (RIGHT, at));
        text(&mut svg, (LEFT - 8.0, at + 4.0), "end", &number(value));
    }
    for &value in ticks {
        let at = x.place(value);
        rule(&mut svg, (at, TOP), (at, BOTTOM));
        text(&mut svg, (at, BOTTOM + 18.0), "middle", &number(value));
    }
    text(
        &mut svg,
        (f64::midpoint(LEFT, RIGHT), BOTTOM + 40.0),
        "middle",
        across,
    );
    text(&mut svg, (LEFT, TOP - 8.0), "start", up);
    for (line, colour) in series.iter().zip(COLOURS) {
        draw(&mut svg, line, colour, x, y);
    }
    labels(&mut svg, series, y);
    svg.push_str("</svg>\n");
    svg
}

/// A horizontal bar: its name, its value, and the value that it should not exceed, if there is one.
#[derive(Debug)]
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) value: f64,
    pub(super) limit: Option<f64>,
}

/// A plot of horizontal bars with a line at 1, the difference in percent, and a mark at each bar's limit. Red means
/// more than 1, yellow more than the limit.
pub(super) fn bars(title: &str, bars: &[Bar]) -> String {
    const ROW: f64 = 20.0;
    const SCALE: f64 = 240.0;
    const START: f64 = 340.0;
    let height = TOP + ROW * bars.len() as f64 + 20.0;
    let mut svg = begin_sized(title, height);
    let one = START + SCALE;
    text(&mut svg, (one, TOP - 10.0), "middle", "1 = best peer");
    rule(&mut svg, (one, TOP - 6.0), (one, height - 14.0));
    for (index, Bar { name, value, limit }) in bars.iter().enumerate() {
        let top = TOP + ROW * index as f64;
        let width = value.min(1.4) * SCALE;
        let colour = match limit {
            _ if *value > 1.0 => COLOURS[0],
            Some(limit) if value > limit => COLOURS[3],
            _ => COLOURS[2],
        };
        text(&mut svg, (START - 8.0, top + 12.0), "end", name);
        // Writing to a string does not fail, here and below.
        let _ = writeln!(
            svg,
            r#"<rect x="{START}" y="{top:.1}" width="{width:.1}" height="14" fill="{colour}"/>"#
        );
        if let Some(limit) = limit {
            let at = START + limit * SCALE - 1.0;
            let _ = writeln!(
                svg,
                r#"<rect x="{at:.1}" y="{:.1}" width="2" height="18" fill="black"/>"#,
                top - 2.0
            );
        }
        // After the bar, and after its limit if that is close.
        let end = match limit {
            Some(limit) if (0.0..0.2).contains(&(limit - value)) => limit * SCALE,
            _ => width,
        };
        let words = format!("{value:.2}");
        halo(&mut svg, (START + end + 5.0, top + 12.0), &words);
    }
    svg.push_str("</svg>\n");
    svg
}

/// Text that stays readable on a line.
fn halo(svg: &mut String, (x, y): (f64, f64), words: &str) {
    let _ = writeln!(
        svg,
        r#"<text x="{x:.1}" y="{y:.1}" stroke="white" stroke-width="3" paint-order="stroke">{}</text>"#,
        escape(words)
    );
}

fn begin(title: &str) -> String {
    begin_sized(title, HEIGHT)
}

fn begin_sized(title: &str, height: f64) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    let _ = writeln!(
        svg,
        r#"<text x="16" y="20" font-size="14" font-weight="bold">{}</text>"#,
        escape(title)
    );
    svg
}

fn draw(svg: &mut String, line: &Series, colour: &str, x: &Axis, y: &Axis) {
    let mut places = String::new();
    for &(across, up) in &line.points {
        let _ = write!(places, "{:.1},{:.1} ", x.place(across), y.place(up));
    }
    let _ = writeln!(
        svg,
        r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2"/>"#,
        places.trim_end()
    );
}

/// The names of the lines beside their ends, moved apart if they would overlap.
fn labels(svg: &mut String, series: &[Series], y: &Axis) {
    let mut ends: Vec<(f64, &str, &str)> = series
        .iter()
        .zip(COLOURS)
        .filter_map(|(line, colour)| {
            let (_, last) = line.points.last()?;
            Some((y.place(*last), line.name, colour))
        })
        .collect();
    ends.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut free = f64::NEG_INFINITY;
    for (at, name, colour) in ends {
        let at = at.max(free);
        free = at + 14.0;
        let _ = writeln!(
            svg,
            r#"<text x="{}" y="{:.1}" fill="{colour}">{}</text>"#,
            RIGHT + 8.0,
            at + 4.0,
            escape(name)
        );
    }
}

fn rule(svg: &mut String, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
    let _ = writeln!(
        svg,
        r##"<line x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}" stroke="#d5d8dc"/>"##
    );
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, words: &str) {
    let _ = writeln!(
        svg,
        r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{}</text>"#,
        escape(words)
    );
}

fn number(value: f64) -> String {
    if value >= 1.0 {
        super::format::grouped(value)
    } else {
        format!("{value}")
    }
}

fn escape(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_places_its_ends_at_its_ends() {
        let axis = Axis::new([1.0, 100.0].into_iter(), (0.0, 200.0));
        assert_eq!(axis.place(1.0), 0.0);
        assert_eq!(axis.place(10.0).round(), 100.0);
        assert_eq!(axis.place(100.0), 200.0);
        assert_eq!(axis.ticks(), [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]);
    }

    #[test]
    fn a_linear_axis_begins_at_0_and_is_marked_at_round_values() {
        let axis = Axis::linear([30.0, 100.0].into_iter(), (350.0, 35.0));
        assert_eq!(axis.place(0.0), 350.0);
        assert_eq!(axis.place(100.0).round(), 50.0);
        assert_eq!(axis.ticks(), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
    }

    #[test]
    fn words_are_escaped() {
        let svg = bars("a < b & c", &[]);
        assert!(svg.contains("a &lt; b &amp; c"));
    }

    #[test]
    fn a_bar_has_a_mark_at_its_limit() {
        let bar = |limit| Bar {
            name: "one".to_owned(),
            value: 0.5,
            limit,
        };
        let marks = |limit| bars("", &[bar(limit)]).matches("black").count();
        assert_eq!((marks(None), marks(Some(0.75))), (0, 1));
    }
}
