//! What Nightfold promises against its peers, figure by figure and kind by kind.

use serde::Serialize;

use crate::corpus::Kind;
use crate::figures::Summary;

/// A figure that is promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// MB/s of the first backup, against a peer's.
    FirstSpeed,
    /// The repository after the first night, against a peer's.
    FirstSize,
    /// MB/s of a changed night's backup, against a peer's.
    ChangedSpeed,
    /// What a changed night adds, against a peer's.
    Growth,
    /// Seconds of an unchanged night's backup, against a peer's.
    UnchangedTime,
    /// MB/s of restoring the last night, against a peer's.
    RestoreNewest,
    /// MB/s of restoring the first night, against a peer's. Nothing is promised.
    RestoreOldest,
    /// Growth over the floor.
    Floor,
    /// MB of memory of the hungriest backup.
    BackupMemory,
    /// MB of memory of the hungriest restore.
    RestoreMemory,
}

/// Which way is better, and what a figure is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// The ratio to the fastest peer must be at least the target.
    SpeedRatio,
    /// The ratio to the fastest peer must be at most the target.
    TimeRatio,
    /// The ratio to the smallest peer must be at most the target.
    SizeRatio,
    /// The value itself must be at most the target.
    Absolute,
}

impl Figure {
    /// In the order of the tables.
    pub const ALL: [Self; 10] = [
        Self::FirstSpeed,
        Self::FirstSize,
        Self::ChangedSpeed,
        Self::Growth,
        Self::UnchangedTime,
        Self::RestoreNewest,
        Self::RestoreOldest,
        Self::Floor,
        Self::BackupMemory,
        Self::RestoreMemory,
    ];

    /// What people call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::FirstSpeed => "first night, speed",
            Self::FirstSize => "first night, size",
            Self::ChangedSpeed => "changed night, speed",
            Self::Growth => "changed night, growth",
            Self::UnchangedTime => "unchanged night, time",
            Self::RestoreNewest => "restore of the newest, speed",
            Self::RestoreOldest => "restore of the oldest, speed",
            Self::Floor => "growth over `zstd --patch-from`",
            Self::BackupMemory => "peak memory, backup",
            Self::RestoreMemory => "peak memory, restore",
        }
    }

    /// How it is compared.
    pub fn measure(self) -> Measure {
        match self {
            Self::FirstSpeed | Self::ChangedSpeed | Self::RestoreNewest | Self::RestoreOldest => {
                Measure::SpeedRatio
            }
            Self::UnchangedTime => Measure::TimeRatio,
            Self::FirstSize | Self::Growth => Measure::SizeRatio,
            Self::Floor | Self::BackupMemory | Self::RestoreMemory => Measure::Absolute,
        }
    }

    /// A tool's value, where it has one.
    pub fn value(self, row: &Summary) -> Option<f64> {
        let value = match self {
            Self::FirstSpeed => row.first_speed,
            Self::FirstSize => row.first_night_bytes,
            Self::ChangedSpeed => row.changed_speed,
            Self::Growth => row.growth_bytes,
            Self::UnchangedTime => row.unchanged_seconds,
            Self::RestoreNewest => row.restore_newest_speed,
            Self::RestoreOldest => row.restore_oldest_speed,
            Self::Floor => row.growth_over_floor?,
            Self::BackupMemory => row.backup_peak_bytes as f64 / 1e6,
            Self::RestoreMemory => row.restore_peak_bytes as f64 / 1e6,
        };
        value.is_finite().then_some(value)
    }

    /// What is promised of a kind.
    pub fn target(self, kind: Kind) -> Option<f64> {
        let column = match kind {
            Kind::Postgres => 0,
            Kind::Mariadb => 1,
            Kind::Sqlite => 2,
            Kind::Basebackup => 3,
            Kind::Settings => 4,
        };
        let row: [f64; 5] = match self {
            Self::FirstSpeed => [1.4, 1.8, 1.3, 1.3, 1.0],
            Self::FirstSize => [0.9, 0.8, 1.05, 1.04, 0.9],
            Self::ChangedSpeed => [2.0, 3.0, 2.0, 1.5, 1.0],
            Self::Growth => [1.0 / 10.0, 1.0 / 50.0, 1.0 / 15.0, 1.0 / 7.0, 1.0 / 8.0],
            Self::UnchangedTime => [1.2; 5],
            Self::RestoreNewest => [1.1, 1.2, 1.1, 1.0, 1.0],
            Self::RestoreOldest => return None,
            // A night that is a folder has no floor to be compared with.
            Self::Floor => [2.2, 2.2, 2.2, 2.2, f64::NAN],
            Self::BackupMemory | Self::RestoreMemory => [200.0, 200.0, 200.0, 250.0, 120.0],
        };
        row[column].is_finite().then_some(row[column])
    }

    /// Whether a ratio, or an absolute value, keeps a promise.
    pub fn is_met(self, found: f64, target: f64) -> bool {
        match self.measure() {
            Measure::SpeedRatio => found >= target,
            Measure::TimeRatio | Measure::SizeRatio | Measure::Absolute => found <= target,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Figure, Kind};

    #[test]
    fn more_speed_and_less_of_all_else_keeps_a_promise() {
        assert!(Figure::ChangedSpeed.is_met(2.0, 2.0) && !Figure::ChangedSpeed.is_met(1.9, 2.0));
        for figure in [Figure::Growth, Figure::UnchangedTime, Figure::BackupMemory] {
            assert!(
                figure.is_met(1.0, 1.0) && !figure.is_met(1.1, 1.0),
                "{figure:?}"
            );
        }
    }

    #[test]
    fn what_is_promised_depends_on_the_kind() {
        assert_eq!(Figure::FirstSpeed.target(Kind::Mariadb), Some(1.8));
        assert_eq!(Figure::BackupMemory.target(Kind::Basebackup), Some(250.0));
        assert_eq!(Figure::BackupMemory.target(Kind::Settings), Some(120.0));
        // A folder has no floor, and old nights have no promise.
        assert_eq!(Figure::Floor.target(Kind::Settings), None);
        assert_eq!(Figure::RestoreOldest.target(Kind::Postgres), None);
    }
}
