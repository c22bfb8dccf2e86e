//! How repositories grow after the first night, a panel for every kind.

use super::scale::Decades;
use super::svg::Svg;
use super::{GREY, colour, legend, tools};
use crate::corpus::Kind;
use crate::figures::{Floor, Summary};
use crate::tool::ToolName;

const COLUMNS: usize = 3;
const PANEL_WIDTH: f64 = 310.0;
const PANEL_HEIGHT: f64 = 230.0;
const TOP: f64 = 58.0;
const PLOT_LEFT: f64 = 52.0;
const PLOT_TOP: f64 = 26.0;
const PLOT_WIDTH: f64 = 190.0;
const PLOT_HEIGHT: f64 = 160.0;

/// One line of a panel: what was added since the first night, in MB, from the second night on.
struct Line {
    tool: Option<ToolName>,
    added: Vec<f64>,
}

/// The picture.
pub fn growth(summaries: &[Summary], floors: &[Floor]) -> String {
    let mut kinds: Vec<Kind> = summaries.iter().map(|row| row.kind).collect();
    kinds.dedup();
    let rows = kinds.len().div_ceil(COLUMNS).max(1);
    let width = PANEL_WIDTH * COLUMNS.min(kinds.len().max(2)) as f64;
    let mut svg = Svg::new(
        width,
        TOP + rows as f64 * PANEL_HEIGHT,
        "Growth of repositories after the first night",
    );
    let title = "What the nights after the first add to the repository, MB (logarithmic)";
    svg.text(8.0, 18.0, "start", "title", title);
    let end = legend(&mut svg, 8.0, 40.0, &tools(summaries));
    if !floors.is_empty() {
        svg.path(&[(end, 36.0), (end + 22.0, 36.0)], GREY, 2.0, true);
        svg.text(end + 28.0, 40.0, "start", "label", "zstd --patch-from");
    }
    for (index, kind) in kinds.iter().enumerate() {
        let left = (index % COLUMNS) as f64 * PANEL_WIDTH + PLOT_LEFT;
        let top = TOP + (index / COLUMNS) as f64 * PANEL_HEIGHT + PLOT_TOP;
        panel(&mut svg, left, top, *kind, &lines(*kind, summaries, floors));
    }
    svg.finish()
}

fn lines(kind: Kind, summaries: &[Summary], floors: &[Floor]) -> Vec<Line> {
    let floor = floors.iter().filter(|floor| floor.kind == kind);
    let mut lines: Vec<Line> = floor
        .map(|floor| Line {
            tool: None,
            added: running_sum(&floor.bytes),
        })
        .collect();
    let rows = summaries.iter().filter(|row| row.kind == kind);
    // Ours is drawn last, over all others.
    lines.extend(rows.rev().map(|row| {
        let later = row.repository_bytes.iter().skip(1);
        Line {
            tool: Some(row.tool),
            added: later
                .map(|bytes| (bytes - row.first_night_bytes) / 1e6)
                .collect(),
        }
    }));
    lines
}

fn running_sum(bytes: &[u64]) -> Vec<f64> {
    let sum = |sum: &mut f64, bytes: &u64| {
        *sum += *bytes as f64 / 1e6;
        Some(*sum)
    };
    bytes.iter().scan(0.0, sum).collect()
}

fn panel(svg: &mut Svg, left: f64, top: f64, kind: Kind, lines: &[Line]) {
    svg.text(left, top - 9.0, "start", "title", kind.title());
    let axis = Decades::spanning(lines.iter().flat_map(|line| line.added.iter().copied()));
    let y = |value: f64| top + PLOT_HEIGHT * (1.0 - axis.position(value));
    for tick in axis.ticks() {
        svg.grid((left, y(tick)), (left + PLOT_WIDTH, y(tick)));
        svg.text(left - 6.0, y(tick) + 3.5, "end", "tick", &tick.to_string());
    }
    let nights = lines.iter().map(|line| line.added.len()).max().unwrap_or(0);
    let gaps = nights.saturating_sub(1).max(1) as f64;
    let x = |index: usize| left + PLOT_WIDTH * index as f64 / gaps;
    for index in 0..nights {
        let night = format!("{}{}", if index == 0 { "night " } else { "" }, index + 2);
        svg.text(x(index), top + PLOT_HEIGHT + 16.0, "middle", "tick", &night);
    }
    for line in lines {
        let points: Vec<(f64, f64)> = line
            .added
            .iter()
            .enumerate()
            .filter(|(_, value)| **value > 0.0)
            .map(|(index, value)| (x(index), y(*value)))
            .collect();
        match line.tool {
            None => svg.path(&points, GREY, 2.0, true),
            Some(tool) => {
                let ours = tool == ToolName::Nightfold;
                svg.path(&points, colour(tool), if ours { 3.0 } else { 1.8 }, false);
                for point in &points {
                    svg.dot(*point, if ours { 3.5 } else { 2.2 }, colour(tool));
                }
            }
        }
    }
    ends(svg, lines, left + PLOT_WIDTH + 8.0, y);
}

/// What our line and the lowest of the others end at, in numbers.
fn ends(svg: &mut Svg, lines: &[Line], x: f64, y: impl Fn(f64) -> f64) {
    let last = |line: &Line| line.added.last().copied().filter(|value| *value > 0.0);
    let of = |ours: bool| {
        lines
            .iter()
            .filter(move |line| {
                line.tool
                    .is_some_and(|tool| (tool == ToolName::Nightfold) == ours)
            })
            .filter_map(last)
            .min_by(f64::total_cmp)
    };
    for (value, class) in [(of(true), "strong"), (of(false), "label")] {
        if let Some(value) = value {
            svg.text(x, y(value) + 4.0, "start", class, &megabytes(value));
        }
    }
}

/// Two digits or more, in MB or in kB.
fn megabytes(value: f64) -> String {
    let (value, unit) = if value < 0.1 {
        (value * 1e3, "kB")
    } else {
        (value, "MB")
    };
    let decimals = (1.0 - value.log10().floor()).clamp(0.0, 3.0) as usize;
    format!("{value:.decimals$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::{megabytes, running_sum};

    #[test]
    fn floors_add_up() {
        assert_eq!(running_sum(&[1_000_000, 2_500_000]), [1.0, 3.5]);
    }

    #[test]
    fn numbers_keep_two_digits() {
        assert_eq!(megabytes(123.4), "123 MB");
        assert_eq!(megabytes(3.71), "3.7 MB");
        assert_eq!(megabytes(0.0164), "16 kB");
    }
}
