//! Plots as SVG: lines over two logarithmic axes, readable on light and on dark pages.
//!
//! Knows points and labels; must not know what was measured.

use std::fmt::Write;

/// A line of a plot.
pub struct Line {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

/// A plot.
pub struct Plot<'p> {
    pub title: &'p str,
    /// The label of the horizontal axis, with its unit.
    pub x: &'p str,
    /// The label of the vertical axis, with its unit.
    pub y: &'p str,
    pub lines: &'p [Line],
}

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
/// Where the axes are: left, right, top, bottom.
const AREA: [f64; 4] = [70.0, 540.0, 50.0, 360.0];

/// Told apart by hue and by brightness, and by the shape of the line.
const STYLE: &str = "
    text { font: 13px sans-serif; fill: #1f2328; }
    .title { font-weight: bold; font-size: 15px; }
    .grid { stroke: #d1d9e0; }
    .line { fill: none; stroke-width: 2; }
    .s0 { stroke: #0550ae; } .s1 { stroke: #bc4c00; stroke-dasharray: 8 3; } .s2 { stroke: #1a7f37; stroke-dasharray: 2 3; }
    .s3 { stroke: #8250df; stroke-dasharray: 10 3 2 3; } .s4 { stroke: #6e7781; stroke-dasharray: 5 5; }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3; }
      .grid { stroke: #3d444d; }
      .s0 { stroke: #79c0ff; } .s1 { stroke: #ffa657; } .s2 { stroke: #7ee787; } .s3 { stroke: #d2a8ff; } .s4 { stroke: #9ea7b3; }
    }
";

impl Plot<'_> {
    /// The text of the SVG.
    pub fn svg(&self) -> String {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let x = Axis::new(points().map(|point| point.0), AREA[0], AREA[1]);
        let y = Axis::new(points().map(|point| point.1), AREA[3], AREA[2]);
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
             aria-label=\"{}\">\n  <style>{STYLE}  </style>\n",
            escaped(self.title)
        );
        text(&mut out, (AREA[0], 26.0), "class=\"title\"", self.title);
        for tick in x.ticks() {
            let at = x.at(tick);
            grid(&mut out, (at, AREA[2]), (at, AREA[3]));
            text(&mut out, (at, AREA[3] + 20.0), "text-anchor=\"middle\"", &short(tick));
        }
        for tick in y.ticks() {
            let at = y.at(tick);
            grid(&mut out, (AREA[0], at), (AREA[1], at));
            text(&mut out, (AREA[0] - 8.0, at + 4.0), "text-anchor=\"end\"", &short(tick));
        }
        let middle = (AREA[0] + AREA[1]) / 2.0;
        text(&mut out, (middle, AREA[3] + 46.0), "text-anchor=\"middle\"", self.x);
        let middle = (AREA[2] + AREA[3]) / 2.0;
        let turned = format!("text-anchor=\"middle\" transform=\"rotate(-90 18 {middle})\"");
        text(&mut out, (18.0, middle), &turned, self.y);
        for (number, line) in self.lines.iter().enumerate() {
            let class = format!("class=\"line s{}\"", number % 5);
            let points: Vec<_> = line
                .points
                .iter()
                .map(|&(px, py)| format!("{:.1},{:.1}", x.at(px), y.at(py)))
                .collect();
            let _ = writeln!(out, "  <polyline {class} points=\"{}\"/>", points.join(" "));
            for &(px, py) in &line.points {
                let (x, y) = (x.at(px), y.at(py));
                let _ = writeln!(
                    out,
                    "  <circle {class} style=\"stroke-width: 4; stroke-dasharray: none\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2\"/>"
                );
            }
            let at = AREA[2] + 12.0 + 22.0 * number as f64;
            let from = AREA[1] + 16.0;
            let _ =
                writeln!(out, "  <polyline {class} points=\"{from},{at} {},{at}\"/>", from + 32.0);
            text(&mut out, (from + 40.0, at + 4.0), "", &line.name);
        }
        out + "</svg>\n"
    }
}

/// A logarithmic axis.
struct Axis {
    least: f64,
    most: f64,
    from: f64,
    to: f64,
}

impl Axis {
    fn new(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Axis {
        let (least, most) = values.fold((f64::MAX, f64::MIN), |(l, m), v| (l.min(v), m.max(v)));
        assert!(least > 0.0, "a logarithmic axis has no {least}");
        // Something on both sides of one value alone, too.
        let (least, most) = (least / 1.15, most * 1.15);
        Axis { least, most, from, to }
    }

    fn at(&self, value: f64) -> f64 {
        let part = (value / self.least).ln() / (self.most / self.least).ln();
        self.from + part * (self.to - self.from)
    }

    /// 1, 2 and 5 of each power of ten, or the powers alone where these are many.
    fn ticks(&self) -> Vec<f64> {
        let powers = (self.least.log10().floor() as i32)..=(self.most.log10().ceil() as i32);
        let factors: &[f64] =
            if self.most / self.least > 300.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let ticks =
            powers.flat_map(|power| factors.iter().map(move |factor| factor * 10_f64.powi(power)));
        ticks.filter(|tick| (self.least..=self.most).contains(tick)).collect()
    }
}

fn grid(out: &mut String, from: (f64, f64), to: (f64, f64)) {
    let _ = writeln!(
        out,
        "  <line class=\"grid\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>",
        from.0, from.1, to.0, to.1
    );
}

fn text(out: &mut String, (x, y): (f64, f64), attributes: &str, text: &str) {
    let text = escaped(text);
    let _ = writeln!(out, "  <text x=\"{x:.1}\" y=\"{y:.1}\" {attributes}>{text}</text>");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

/// A number as an axis has it: 0.05, 2, 10k, 1M.
fn short(number: f64) -> String {
    match number {
        1e6.. => format!("{}M", (number / 1e6 * 100.0).round() / 100.0),
        1e3.. => format!("{}k", (number / 1e3 * 100.0).round() / 100.0),
        _ => format!("{}", (number * 1e4).round() / 1e4),
    }
}
