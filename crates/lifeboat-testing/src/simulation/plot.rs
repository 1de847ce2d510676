//! A drawing of simulations, as SVG that any browser shows.

use std::fmt::Write;

use super::{Moment, Outcome};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 200.0;
const LEFT: f64 = 60.0;
const GAP: f64 = 50.0;
/// Points of a line: more than this cannot be seen.
const POINTS: usize = 300;
const COLOURS: [&str; 6] = ["#0b6e99", "#c0392b", "#2e7d32", "#8e44ad", "#b9770e", "#34495e"];

/// A quantity over time: its name, and how it is read off the snapshots so far.
type Panel = (&'static str, fn(&Outcome, usize) -> f64);

const PANELS: [Panel; 3] = [
    ("pages sent for each page that changed, so far", |outcome, at| {
        let sum = |pick: fn(&Moment) -> u32| {
            outcome.course[..=at].iter().map(|moment| f64::from(pick(moment))).sum::<f64>()
        };
        sum(|moment| moment.sent) / sum(|moment| moment.changed).max(1.0)
    }),
    ("pages in the packs listed, for each page of the database", |outcome, at| {
        outcome.course[at].space
    }),
    ("packs listed", |outcome, at| outcome.course[at].list as f64),
];

/// Draws several simulations of equal duration, one line each.
pub fn plot(outcomes: &[(&str, &Outcome)], duration: &str) -> String {
    let height = (HEIGHT + GAP) * PANELS.len() as f64 + 20.0 * outcomes.len() as f64 + 30.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        WIDTH + LEFT + 20.0
    );
    for (number, (title, value)) in PANELS.iter().enumerate() {
        let top = 30.0 + (HEIGHT + GAP) * number as f64;
        panel(&mut svg, top, title, duration, outcomes, *value);
    }
    let legend = 30.0 + (HEIGHT + GAP) * PANELS.len() as f64;
    for (number, (name, _)) in outcomes.iter().enumerate() {
        let (y, colour) = (legend + 20.0 * number as f64, COLOURS[number % COLOURS.len()]);
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\">{name}</text>\
             <rect x=\"{LEFT}\" y=\"{}\" width=\"24\" height=\"4\" fill=\"{colour}\"/>",
            LEFT + 32.0,
            y + 4.0,
            y - 2.0
        );
    }
    svg + "</svg>\n"
}

fn panel(
    svg: &mut String,
    top: f64,
    title: &str,
    duration: &str,
    outcomes: &[(&str, &Outcome)],
    value: fn(&Outcome, usize) -> f64,
) {
    let lines: Vec<Vec<f64>> = outcomes.iter().map(|(_, outcome)| line(outcome, value)).collect();
    let most = lines.iter().flatten().copied().fold(f64::EPSILON, f64::max) * 1.05;
    let bottom = top + HEIGHT;
    let _ =
        writeln!(svg, "<text x=\"{LEFT}\" y=\"{}\" font-weight=\"bold\">{title}</text>", top - 8.0);
    for step in 0..=4 {
        let share = f64::from(step) / 4.0;
        let y = bottom - HEIGHT * share;
        let label = most * share;
        let label = if most > 20.0 { format!("{label:.0}") } else { format!("{label:.1}") };
        let _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
            LEFT + WIDTH,
            LEFT - 6.0,
            y + 4.0
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{duration}</text>",
        LEFT + WIDTH,
        bottom + 16.0
    );
    for (number, values) in lines.iter().enumerate() {
        let step = WIDTH / (values.len().max(2) - 1) as f64;
        let points: Vec<String> = values
            .iter()
            .zip(0..)
            .map(|(value, at)| {
                let (x, y) = (LEFT + step * f64::from(at), bottom - HEIGHT * value / most);
                format!("{x:.1},{y:.1}")
            })
            .collect();
        let _ = writeln!(
            svg,
            "<polyline fill=\"none\" stroke-width=\"1.5\" stroke=\"{}\" points=\"{}\"/>",
            COLOURS[number % COLOURS.len()],
            points.join(" ")
        );
    }
}

fn line(outcome: &Outcome, value: fn(&Outcome, usize) -> f64) -> Vec<f64> {
    let len = outcome.course.len();
    (0..POINTS.min(len)).map(|at| value(outcome, (at + 1) * len / POINTS.min(len) - 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_for_each_simulation_and_panel() {
        let moment = |sent| Moment { changed: 10, sent, space: 1.5, list: 7 };
        let outcome = Outcome { course: (0..1000).map(moment).collect(), ..Outcome::default() };
        let svg = plot(&[("one", &outcome), ("two", &outcome)], "3 years");
        assert_eq!(svg.matches("<polyline").count(), 6);
        assert!(svg.contains(">one</text>") && svg.ends_with("</svg>\n"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }
}
