//! What was measured, and what is made of it. Pure: nothing here runs or reads anything.

use serde::Serialize;

use crate::corpus::Kind;
use crate::measure::Cost;
use crate::tool::ToolName;

/// What a tool was told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Back up a night that was just written.
    Backup,
    /// Back up the last night once more.
    Unchanged,
    /// Restore a night into an empty folder.
    Restore,
    /// Restore what `Unchanged` stored.
    RestoreUnchanged,
    /// Verify all data.
    Check,
}

/// One measured command.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// What it did.
    pub action: Action,
    /// Which night it is about, from 1.
    pub night: usize,
    /// The size of that night.
    pub input_bytes: u64,
    /// The size of the whole repository afterwards.
    pub repository_bytes: u64,
    /// What it took.
    pub cost: Cost,
}

impl Step {
    /// MB of the night's data per second.
    fn speed(&self) -> f64 {
        self.input_bytes as f64 / 1e6 / self.cost.wall_seconds
    }
}

/// A step, and whose.
#[derive(Debug, Clone, Serialize)]
pub struct Record {
    /// The corpus.
    pub kind: Kind,
    /// The tool.
    pub tool: ToolName,
    /// The repetition, from 1.
    pub round: u32,
    /// The command.
    #[serde(flatten)]
    pub step: Step,
}

/// Which release of a tool ran, and how.
#[derive(Debug, Clone, Serialize)]
pub struct ToolFacts {
    /// The tool.
    pub tool: ToolName,
    /// What it prints as its version.
    pub version: String,
    /// What was chosen for it.
    pub parameters: &'static str,
}

/// One kind with one tool: medians over nights and rounds.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// The corpus.
    pub kind: Kind,
    /// The tool.
    pub tool: ToolName,
    /// The repository after the first night.
    pub first_night_bytes: f64,
    /// What a later night adds to the repository.
    pub growth_bytes: f64,
    /// MB/s of the first backup.
    pub first_speed: f64,
    /// MB/s of a changed night's backup.
    pub changed_speed: f64,
    /// Backup of an unchanged night.
    pub unchanged_seconds: f64,
    /// MB/s of restoring the last night.
    pub restore_newest_speed: f64,
    /// MB/s of restoring the first night.
    pub restore_oldest_speed: f64,
    /// Check of all data.
    pub check_seconds: f64,
    /// Processor seconds of a changed night's backup.
    pub changed_cpu_seconds: f64,
    /// The highest of all backups and restores.
    pub peak_rss_bytes: u64,
}

/// One row for every kind and tool, in the order they were measured in.
pub fn summarize(records: &[Record]) -> Vec<Summary> {
    let mut pairs: Vec<(Kind, ToolName)> = Vec::new();
    for record in records {
        if !pairs.contains(&(record.kind, record.tool)) {
            pairs.push((record.kind, record.tool));
        }
    }
    pairs.sort_by_key(|(kind, tool)| (*kind as u8, *tool as u8));
    pairs
        .into_iter()
        .map(|(kind, tool)| summarize_pair(records, kind, tool))
        .collect()
}

fn summarize_pair(records: &[Record], kind: Kind, tool: ToolName) -> Summary {
    let own: Vec<&Record> = records
        .iter()
        .filter(|record| record.kind == kind && record.tool == tool)
        .collect();
    let steps = |action: Action| {
        own.iter()
            .map(|record| &record.step)
            .filter(move |step| step.action == action)
    };
    let nights = own
        .iter()
        .map(|record| record.step.night)
        .max()
        .unwrap_or(0);
    let backups: Vec<&Step> = steps(Action::Backup).collect();
    let of_night = |night: usize| steps(Action::Restore).filter(move |step| step.night == night);
    let first = || backups.iter().filter(|step| step.night == 1);
    let changed = || backups.iter().filter(|step| step.night > 1);
    // A round's nights follow one another, so neighbours are consecutive nights of one repository.
    let growths = backups
        .windows(2)
        .filter(|pair| pair[1].night == pair[0].night + 1);
    Summary {
        kind,
        tool,
        first_night_bytes: median(first().map(|step| step.repository_bytes as f64)),
        growth_bytes: median(
            growths.map(|pair| pair[1].repository_bytes as f64 - pair[0].repository_bytes as f64),
        ),
        first_speed: median(first().map(|step| step.speed())),
        changed_speed: median(changed().map(|step| step.speed())),
        unchanged_seconds: median(steps(Action::Unchanged).map(|step| step.cost.wall_seconds)),
        restore_newest_speed: median(of_night(nights).map(Step::speed)),
        restore_oldest_speed: median(of_night(1).map(Step::speed)),
        check_seconds: median(steps(Action::Check).map(|step| step.cost.wall_seconds)),
        changed_cpu_seconds: median(
            changed().map(|step| step.cost.user_seconds + step.cost.system_seconds),
        ),
        peak_rss_bytes: own
            .iter()
            .filter(|record| record.step.action != Action::Check)
            .map(|record| record.step.cost.peak_rss_bytes)
            .max()
            .unwrap_or(0),
    }
}

/// The middle value; of an even number, the mean of the middle two. Not a number of nothing.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn median_of_an_even_number_is_between_the_middle_two() {
        assert!((median([4.0, 1.0, 3.0, 2.0].into_iter()) - 2.5).abs() < 1e-9);
        assert!((median([9.0, 1.0, 3.0].into_iter()) - 3.0).abs() < 1e-9);
        assert!(median(std::iter::empty()).is_nan());
    }
}
