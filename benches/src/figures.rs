//! What was measured, and what is made of it. Pure: nothing here runs or reads anything.

use serde::{Deserialize, Serialize};

use crate::corpus::Kind;
use crate::measure::Cost;
use crate::tool::ToolName;

/// What a tool was told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolFacts {
    /// The tool.
    pub tool: ToolName,
    /// What it prints as its version.
    pub version: String,
    /// What was chosen for it.
    pub parameters: String,
}

/// What `zstd` needs for each changed night of a kind, given the whole night before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Floor {
    /// The corpus.
    pub kind: Kind,
    /// Bytes of the second night, the third, …
    pub bytes: Vec<u64>,
}

/// One kind with one tool: medians over nights and rounds.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// The corpus.
    pub kind: Kind,
    /// The tool.
    pub tool: ToolName,
    /// The repository after every night.
    pub repository_bytes: Vec<f64>,
    /// The repository after the first night.
    pub first_night_bytes: f64,
    /// What a later night adds to the repository.
    pub growth_bytes: f64,
    /// All later nights' growth over what `zstd --patch-from` needs for them.
    pub growth_over_floor: Option<f64>,
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
    /// Wall time of the first backup.
    pub first_seconds: f64,
    /// Wall time of a changed night's backup.
    pub changed_seconds: f64,
    /// Processor seconds of the first backup.
    pub first_cpu_seconds: f64,
    /// Processor seconds of a changed night's backup.
    pub changed_cpu_seconds: f64,
    /// Processor seconds of restoring the last night.
    pub restore_cpu_seconds: f64,
    /// The highest of all backups.
    pub backup_peak_bytes: u64,
    /// The highest of all restores.
    pub restore_peak_bytes: u64,
}

/// One row for every kind and tool.
pub fn summarize(records: &[Record], floors: &[Floor]) -> Vec<Summary> {
    let mut pairs: Vec<(Kind, ToolName)> = records
        .iter()
        .map(|record| (record.kind, record.tool))
        .collect();
    pairs.sort_unstable();
    pairs.dedup();
    pairs
        .into_iter()
        .map(|(kind, tool)| {
            let floor = floors.iter().find(|floor| floor.kind == kind);
            summarize_pair(records, kind, tool, floor)
        })
        .collect()
}

fn summarize_pair(
    records: &[Record],
    kind: Kind,
    tool: ToolName,
    floor: Option<&Floor>,
) -> Summary {
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
    let restores = |night: usize| steps(Action::Restore).filter(move |step| step.night == night);
    let first = || backups.iter().filter(|step| step.night == 1);
    let changed = || backups.iter().filter(|step| step.night > 1);
    let repository_bytes: Vec<f64> = (1..=nights)
        .map(|night| {
            let stored = backups.iter().filter(|step| step.night == night);
            median(stored.map(|step| step.repository_bytes as f64))
        })
        .collect();
    // A round's nights follow one another, so neighbours are consecutive nights of one repository.
    let growths = backups
        .windows(2)
        .filter(|pair| pair[1].night == pair[0].night + 1)
        .map(|pair| pair[1].repository_bytes as f64 - pair[0].repository_bytes as f64);
    let peak = |actions: [Action; 2]| {
        let used = own.iter().map(|record| &record.step);
        used.filter(|step| actions.contains(&step.action))
            .map(|step| step.cost.peak_rss_bytes)
            .max()
            .unwrap_or(0)
    };
    Summary {
        kind,
        tool,
        first_night_bytes: repository_bytes.first().copied().unwrap_or(f64::NAN),
        growth_bytes: median(growths),
        growth_over_floor: floor.and_then(|floor| over_floor(&repository_bytes, floor)),
        first_speed: median(first().map(|step| step.speed())),
        changed_speed: median(changed().map(|step| step.speed())),
        unchanged_seconds: median(steps(Action::Unchanged).map(|step| step.cost.wall_seconds)),
        restore_newest_speed: median(restores(nights).map(Step::speed)),
        restore_oldest_speed: median(restores(1).map(Step::speed)),
        check_seconds: median(steps(Action::Check).map(|step| step.cost.wall_seconds)),
        first_seconds: median(first().map(|step| step.cost.wall_seconds)),
        changed_seconds: median(changed().map(|step| step.cost.wall_seconds)),
        first_cpu_seconds: median(first().map(|step| step.cost.cpu_seconds())),
        changed_cpu_seconds: median(changed().map(|step| step.cost.cpu_seconds())),
        restore_cpu_seconds: median(restores(nights).map(|step| step.cost.cpu_seconds())),
        backup_peak_bytes: peak([Action::Backup, Action::Unchanged]),
        restore_peak_bytes: peak([Action::Restore, Action::RestoreUnchanged]),
        repository_bytes,
    }
}

/// Nothing unless every changed night is known on both sides.
fn over_floor(repository_bytes: &[f64], floor: &Floor) -> Option<f64> {
    let growth = repository_bytes.last()? - repository_bytes.first()?;
    let least: u64 = floor.bytes.iter().sum();
    (least > 0 && floor.bytes.len() + 1 == repository_bytes.len()).then(|| growth / least as f64)
}

/// The middle value; of an even number, the mean of the middle two. Not a number of nothing.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
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
pub mod tests {
    use super::{Action, Cost, Floor, Kind, Record, Step, ToolName, median, summarize};

    /// Two nights of a tool, each `input` MB: `seconds` for the first backup and half for the second.
    pub fn two_nights(tool: ToolName, round: u32, seconds: f64, stored: [u64; 2]) -> Vec<Record> {
        let step = |action, night, wall_seconds, repository_bytes| Step {
            action,
            night,
            input_bytes: 100_000_000,
            repository_bytes,
            cost: Cost {
                wall_seconds,
                user_seconds: wall_seconds,
                system_seconds: 0.5,
                peak_rss_bytes: 50_000_000 * night as u64,
            },
        };
        [
            step(Action::Backup, 1, seconds, stored[0]),
            step(Action::Backup, 2, seconds / 2.0, stored[1]),
            step(Action::Unchanged, 2, 0.25, stored[1]),
            step(Action::Restore, 2, 0.5, stored[1]),
            step(Action::Restore, 1, 0.4, stored[1]),
        ]
        .into_iter()
        .map(|step| Record {
            kind: Kind::Sqlite,
            tool,
            round,
            step,
        })
        .collect()
    }

    fn same(left: f64, right: f64) -> bool {
        (left - right).abs() < 1e-9
    }

    #[test]
    fn median_of_an_even_number_is_between_the_middle_two() {
        assert!(same(median([4.0, 1.0, 3.0, 2.0].into_iter()), 2.5));
        assert!(same(median([9.0, 1.0, 3.0].into_iter()), 3.0));
        assert!(median(std::iter::empty()).is_nan());
    }

    #[test]
    fn a_summary_takes_medians_over_rounds_and_peaks_over_all() {
        let mut records = two_nights(ToolName::Restic, 1, 1.0, [1000, 1300]);
        records.extend(two_nights(ToolName::Restic, 2, 3.0, [1200, 1400]));
        let floor = Floor {
            kind: Kind::Sqlite,
            bytes: vec![100],
        };
        let rows = summarize(&records, &[floor]);
        let [row] = rows.as_slice() else {
            panic!("one row, not {}", rows.len());
        };
        assert!(same(row.first_night_bytes, 1100.0));
        assert!(same(row.growth_bytes, 250.0));
        // 1350 - 1100, over 100.
        assert!(row.growth_over_floor.is_some_and(|ratio| same(ratio, 2.5)));
        assert!(same(row.first_seconds, 2.0) && same(row.changed_seconds, 1.0));
        assert!(same(row.first_cpu_seconds, 2.5));
        assert!(same(row.restore_newest_speed, 200.0));
        assert_eq!(row.restore_peak_bytes, 100_000_000);
    }

    #[test]
    fn a_floor_of_other_nights_is_no_floor() {
        let records = two_nights(ToolName::Restic, 1, 1.0, [1000, 1300]);
        let floor = Floor {
            kind: Kind::Sqlite,
            bytes: vec![100, 100],
        };
        assert_eq!(summarize(&records, &[floor])[0].growth_over_floor, None);
    }
}
