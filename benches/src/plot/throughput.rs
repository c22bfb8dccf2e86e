//! How fast backups and restores are, as bars: a panel for every step, a group for every kind.

use super::scale::step;
use super::svg::Svg;
use super::{colour, legend, tools};
use crate::corpus::Kind;
use crate::figures::Summary;
use crate::targets::Figure;
use crate::tool::ToolName;

const WIDTH: f64 = 930.0;
const TOP: f64 = 58.0;
const PANEL_HEIGHT: f64 = 200.0;
const PLOT_TOP: f64 = 24.0;
const PLOT_HEIGHT: f64 = 140.0;
const LEFT: f64 = 46.0;
const GAP: f64 = 26.0;

const PANELS: [(Figure, &str); 3] = [
    (Figure::FirstSpeed, "Backup of the first night, MB/s"),
    (Figure::ChangedSpeed, "Backup of a changed night, MB/s"),
    (Figure::RestoreNewest, "Restore of the newest night, MB/s"),
];

/// The picture.
pub fn throughput(summaries: &[Summary]) -> String {
    let height = TOP + PANEL_HEIGHT * PANELS.len() as f64;
    let mut svg = Svg::new(WIDTH, height, "Speed of backups and restores");
    svg.text(8.0, 18.0, "start", "title", "Speed, MB of source a second");
    legend(&mut svg, 8.0, 40.0, &tools(summaries));
    for (index, (figure, title)) in PANELS.into_iter().enumerate() {
        let top = TOP + PANEL_HEIGHT * index as f64 + PLOT_TOP;
        panel(&mut svg, top, figure, title, summaries);
    }
    svg.finish()
}

fn panel(svg: &mut Svg, top: f64, figure: Figure, title: &str, summaries: &[Summary]) {
    svg.text(LEFT, top - 9.0, "start", "title", title);
    let value = |row: &Summary| figure.value(row).unwrap_or(0.0);
    let step = step(summaries.iter().map(value).fold(0.0, f64::max));
    // Room for the figure above the highest bar.
    let high = 1.14 * summaries.iter().map(value).fold(step, f64::max);
    let y = |value: f64| top + PLOT_HEIGHT * (1.0 - value / high);
    for tick in 0..=(high / step).floor() as u32 {
        let value = f64::from(tick) * step;
        svg.grid((LEFT, y(value)), (WIDTH - 8.0, y(value)));
        svg.text(
            LEFT - 6.0,
            y(value) + 3.5,
            "end",
            "tick",
            &value.to_string(),
        );
    }
    let mut kinds: Vec<Kind> = summaries.iter().map(|row| row.kind).collect();
    kinds.dedup();
    let group_width = (WIDTH - LEFT - 8.0) / kinds.len().max(1) as f64;
    for (index, kind) in kinds.into_iter().enumerate() {
        let rows: Vec<&Summary> = summaries.iter().filter(|row| row.kind == kind).collect();
        let left = LEFT + group_width * index as f64 + GAP / 2.0;
        let width = (group_width - GAP) / rows.len().max(1) as f64;
        for (place, row) in rows.iter().enumerate() {
            let (x, height) = (left + width * place as f64, PLOT_HEIGHT * value(row) / high);
            svg.rectangle(
                x + 1.0,
                y(value(row)),
                width - 2.0,
                height,
                colour(row.tool),
            );
            let class = if row.tool == ToolName::Nightfold {
                "tick strong"
            } else {
                "tick"
            };
            let text = format!("{:.0}", value(row));
            svg.text(x + width / 2.0, y(value(row)) - 3.0, "middle", class, &text);
        }
        let middle = left + (group_width - GAP) / 2.0;
        svg.text(
            middle,
            top + PLOT_HEIGHT + 16.0,
            "middle",
            "label",
            kind.title(),
        );
    }
}
