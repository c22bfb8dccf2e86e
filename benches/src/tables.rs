//! Markdown tables of a comparison.

use std::fmt::Write as _;

use crate::corpus::Kind;
use crate::figures::Summary;
use crate::ratios::{Against, Ratio};
use crate::targets::{Figure, Measure};

/// Every kind with every tool.
pub fn figures(summaries: &[Summary]) -> String {
    let mut text = header(&[
        "corpus",
        "tool",
        "first night MB",
        "growth a night MB",
        "growth over floor",
        "first MB/s",
        "changed MB/s",
        "unchanged s",
        "restore newest MB/s",
        "restore oldest MB/s",
        "check s",
        "processor s: first, changed, restore",
        "peak memory MB: backup, restore",
    ]);
    for row in summaries {
        let floor = row
            .growth_over_floor
            .map_or_else(String::new, |ratio| format!("{ratio:.2}"));
        let _ = writeln!(
            text,
            "| {} | {} | {:.2} | {:.3} | {floor} | {:.0} | {:.0} | {:.2} | {:.0} | {:.0} | {:.2} \
             | {:.2}, {:.2}, {:.2} | {:.0}, {:.0} |",
            row.kind,
            row.tool,
            row.first_night_bytes / 1e6,
            row.growth_bytes / 1e6,
            row.first_speed,
            row.changed_speed,
            row.unchanged_seconds,
            row.restore_newest_speed,
            row.restore_oldest_speed,
            row.check_seconds,
            row.first_cpu_seconds,
            row.changed_cpu_seconds,
            row.restore_cpu_seconds,
            row.backup_peak_bytes as f64 / 1e6,
            row.restore_peak_bytes as f64 / 1e6,
        );
    }
    text
}

/// The repository's size, night by night.
pub fn nights(summaries: &[Summary]) -> String {
    let count = summaries
        .iter()
        .map(|row| row.repository_bytes.len())
        .max()
        .unwrap_or(0);
    let titles: Vec<String> = (1..=count).map(|night| format!("night {night}")).collect();
    let mut columns = vec!["corpus", "tool"];
    columns.extend(titles.iter().map(String::as_str));
    let mut text = header(&columns);
    for row in summaries {
        let _ = write!(text, "| {} | {} |", row.kind, row.tool);
        for night in 0..count {
            match row.repository_bytes.get(night) {
                Some(bytes) => {
                    let _ = write!(text, " {:.2} |", bytes / 1e6);
                }
                None => text.push_str("  |"),
            }
        }
        text.push('\n');
    }
    text
}

/// A row for every figure and a column for every kind: what fits into a README.
pub fn promises(ratios: &[Ratio]) -> String {
    let mut kinds: Vec<Kind> = ratios.iter().map(|ratio| ratio.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let titles: Vec<String> = kinds.iter().map(Kind::to_string).collect();
    let mut columns = vec!["Nightfold against the best peer"];
    columns.extend(titles.iter().map(String::as_str));
    let mut text = header(&columns);
    for figure in Figure::ALL {
        let of = |kind: &Kind| {
            ratios
                .iter()
                .find(|ratio| ratio.figure == figure && ratio.kind == *kind)
        };
        let cells: Vec<String> = kinds
            .iter()
            .map(|kind| of(kind).map_or_else(String::new, cell))
            .collect();
        if cells.iter().any(|cell| !cell.is_empty()) {
            let _ = writeln!(text, "| {} | {} |", figure.title(), cells.join(" | "));
        }
    }
    text
}

/// `**1.52** vykar (≥ 1.4, met)`.
fn cell(ratio: &Ratio) -> String {
    let Some(found) = ratio.found() else {
        return String::new();
    };
    let mut text = format!("**{}**", amount(ratio.figure, found));
    if let Some(best) = ratio.best {
        let _ = write!(text, " {}", best.tool);
    }
    if let Some(target) = ratio.target {
        let mark = if ratio.met == Some(true) {
            "✓"
        } else {
            "✗"
        };
        let _ = write!(text, " ({} {mark})", bound(ratio.figure, target));
    }
    text
}

/// One row for every figure of every kind, with the values that the ratios are made of.
pub fn ratios(ratios: &[Ratio]) -> String {
    let mut text = header(&[
        "corpus",
        "figure",
        "nightfold",
        "best peer of this figure",
        "ratio",
        "fastest peer overall",
        "ratio",
        "target",
        "met",
    ]);
    for ratio in ratios {
        let peer = |against: Option<Against>| {
            against.map_or_else(
                || " | ".to_owned(),
                |against| {
                    format!(
                        "{} {} | {}",
                        against.tool,
                        value(ratio.figure, against.value),
                        amount(ratio.figure, against.ratio)
                    )
                },
            )
        };
        let target = ratio
            .target
            .map_or_else(String::new, |target| bound(ratio.figure, target));
        let met = match ratio.met {
            Some(true) => "yes",
            Some(false) => "no",
            None => "",
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {target} | {met} |",
            ratio.kind,
            ratio.figure.title(),
            value(ratio.figure, ratio.ours),
            peer(ratio.best),
            peer(ratio.fastest),
        );
    }
    text
}

/// In the figure's own unit.
fn value(figure: Figure, value: f64) -> String {
    match figure {
        Figure::FirstSize | Figure::Growth => format!("{:.3} MB", value / 1e6),
        Figure::UnchangedTime => format!("{value:.2} s"),
        Figure::Floor => format!("{value:.2}"),
        Figure::BackupMemory | Figure::RestoreMemory => format!("{value:.0} MB"),
        _ => format!("{value:.0} MB/s"),
    }
}

/// A ratio, or an absolute value in its unit.
fn amount(figure: Figure, ratio: f64) -> String {
    if figure == Figure::Growth && ratio > 0.0 && ratio < 0.5 {
        return format!("1/{:.1}", 1.0 / ratio);
    }
    match (figure, figure.measure()) {
        (Figure::Floor, _) => format!("{ratio:.2}"),
        (_, Measure::Absolute) => value(figure, ratio),
        _ => format!("{ratio:.2}"),
    }
}

fn bound(figure: Figure, target: f64) -> String {
    match (figure, figure.measure()) {
        (Figure::Growth, _) => format!("≤ 1/{:.0}", 1.0 / target),
        (_, Measure::SpeedRatio) => format!("≥ {target}"),
        _ => format!("≤ {target}"),
    }
}

/// The head of a table.
pub fn header(columns: &[&str]) -> String {
    let mut text = String::new();
    for column in columns {
        let _ = write!(text, "| {column} ");
    }
    text.push_str("|\n");
    text.push_str(&"|---".repeat(columns.len()));
    text.push_str("|\n");
    text
}

#[cfg(test)]
mod tests {
    use super::{amount, bound, figures, promises, ratios};
    use crate::figures::summarize;
    use crate::figures::tests::two_nights;
    use crate::targets::Figure;
    use crate::tool::ToolName;

    #[test]
    fn every_row_has_as_many_cells_as_the_head() {
        let mut records = two_nights(ToolName::Nightfold, 1, 1.0, [1000, 1010]);
        records.extend(two_nights(ToolName::Restic, 1, 2.0, [1000, 1900]));
        let summaries = summarize(&records, &[]);
        let compared = crate::ratios::ratios(&summaries);
        for table in [
            figures(&summaries),
            super::nights(&summaries),
            promises(&compared),
            ratios(&compared),
        ] {
            let cells = |line: &str| line.matches('|').count();
            let expected = table.lines().next().map_or(0, cells);
            assert!(table.lines().count() > 2, "{table}");
            assert!(table.lines().all(|line| cells(line) == expected), "{table}");
        }
    }

    #[test]
    fn growth_is_told_as_a_fraction() {
        assert_eq!(amount(Figure::Growth, 0.1), "1/10.0");
        assert_eq!(amount(Figure::Growth, 0.9), "0.90");
        assert_eq!(bound(Figure::Growth, 1.0 / 15.0), "≤ 1/15");
        assert_eq!(amount(Figure::BackupMemory, 180.2), "180 MB");
        assert_eq!(bound(Figure::FirstSpeed, 1.4), "≥ 1.4");
    }
}
