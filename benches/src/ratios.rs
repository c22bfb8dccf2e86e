//! Nightfold against the best of its peers, with what was promised.

use serde::Serialize;

use crate::corpus::Kind;
use crate::figures::Summary;
use crate::targets::{Figure, Measure};
use crate::tool::ToolName;

/// A peer's value, and ours over it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Against {
    /// Whose.
    pub tool: ToolName,
    /// In the figure's own unit.
    pub value: f64,
    /// Ours over theirs.
    pub ratio: f64,
}

/// One figure of one kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ratio {
    /// The corpus.
    pub kind: Kind,
    /// What is compared.
    pub figure: Figure,
    /// Ours, in the figure's own unit.
    pub ours: f64,
    /// Of a time or a speed: the peer that is fastest over the first and a changed night together.
    pub fastest: Option<Against>,
    /// The peer that is best in this very figure.
    pub best: Option<Against>,
    /// What was promised.
    pub target: Option<f64>,
    /// Whether it was kept, against the best peer in this very figure.
    pub met: Option<bool>,
}

impl Ratio {
    /// What the target is about: the ratio to the best peer, or our own value.
    pub fn found(&self) -> Option<f64> {
        match self.figure.measure() {
            Measure::Absolute => Some(self.ours),
            _ => self.best.map(|best| best.ratio),
        }
    }
}

/// Every figure that Nightfold and, where it is a ratio, a peer has.
pub fn ratios(summaries: &[Summary]) -> Vec<Ratio> {
    let ours = summaries
        .iter()
        .filter(|row| row.tool == ToolName::Nightfold);
    ours.flat_map(|ours| {
        let peers: Vec<&Summary> = summaries
            .iter()
            .filter(|row| row.kind == ours.kind && row.tool != ToolName::Nightfold)
            .collect();
        Figure::ALL
            .into_iter()
            .filter_map(move |figure| ratio(figure, ours, &peers))
    })
    .collect()
}

fn ratio(figure: Figure, ours: &Summary, peers: &[&Summary]) -> Option<Ratio> {
    let own = figure.value(ours)?;
    let against = |peer: &Summary| {
        let value = figure.value(peer)?;
        Some(Against {
            tool: peer.tool,
            value,
            ratio: own / value,
        })
    };
    let all = peers.iter().filter_map(|peer| against(peer));
    let by_value = |left: &Against, right: &Against| left.value.total_cmp(&right.value);
    let best = match figure.measure() {
        Measure::SpeedRatio => all.max_by(by_value),
        Measure::TimeRatio | Measure::SizeRatio => all.min_by(by_value),
        Measure::Absolute => None,
    };
    let fastest = match figure.measure() {
        Measure::SpeedRatio | Measure::TimeRatio => fastest(peers).and_then(against),
        Measure::SizeRatio | Measure::Absolute => None,
    };
    if best.is_none() && figure.measure() != Measure::Absolute {
        return None;
    }
    let target = figure.target(ours.kind);
    let mut ratio = Ratio {
        kind: ours.kind,
        figure,
        ours: own,
        fastest,
        best,
        target,
        met: None,
    };
    ratio.met = ratio
        .found()
        .zip(target)
        .map(|(found, target)| figure.is_met(found, target));
    Some(ratio)
}

/// By the wall time of the first and of a changed night together.
fn fastest<'a>(peers: &[&'a Summary]) -> Option<&'a Summary> {
    let seconds = |peer: &Summary| peer.first_seconds + peer.changed_seconds;
    peers
        .iter()
        .copied()
        .filter(|peer| seconds(peer).is_finite())
        .min_by(|left, right| seconds(left).total_cmp(&seconds(right)))
}

#[cfg(test)]
mod tests {
    use super::{Figure, Ratio, ToolName, ratios};
    use crate::corpus::Kind;
    use crate::figures::tests::two_nights;
    use crate::figures::{Floor, summarize};

    fn measured() -> Vec<Ratio> {
        let mut records = two_nights(ToolName::Nightfold, 1, 1.0, [1000, 1010]);
        records.extend(two_nights(ToolName::Restic, 1, 2.0, [1000, 1900]));
        records.extend(two_nights(ToolName::Vykar, 1, 1.5, [1100, 1900]));
        let floor = Floor {
            kind: Kind::Sqlite,
            bytes: vec![5],
        };
        ratios(&summarize(&records, &[floor]))
    }

    fn of(figure: Figure) -> Ratio {
        let all = measured();
        let found = all.into_iter().find(|ratio| ratio.figure == figure);
        found.unwrap_or_else(|| panic!("no {figure:?}"))
    }

    fn is_against(ratio: &Ratio, tool: ToolName, expected: f64) -> bool {
        ratio
            .best
            .is_some_and(|best| best.tool == tool && (best.ratio - expected).abs() < 1e-9)
    }

    #[test]
    fn speed_is_compared_with_the_fastest_and_size_with_the_smallest() {
        let first = of(Figure::FirstSpeed);
        assert!(is_against(&first, ToolName::Vykar, 1.5), "{first:?}");
        assert_eq!(first.met, Some(true));
        let size = of(Figure::FirstSize);
        assert!(is_against(&size, ToolName::Restic, 1.0), "{size:?}");
        assert_eq!(size.fastest, None);
        let growth = of(Figure::Growth);
        assert!(is_against(&growth, ToolName::Vykar, 10.0 / 800.0));
        assert_eq!(growth.met, Some(true));
    }

    #[test]
    fn a_missed_target_is_told() {
        let changed = of(Figure::ChangedSpeed);
        assert!(is_against(&changed, ToolName::Vykar, 1.5), "{changed:?}");
        assert_eq!((changed.target, changed.met), (Some(2.0), Some(false)));
    }

    #[test]
    fn memory_and_floor_stand_for_themselves() {
        let memory = of(Figure::BackupMemory);
        assert_eq!((memory.best, memory.met), (None, Some(true)));
        let floor = of(Figure::Floor);
        assert!((floor.ours - 2.0).abs() < 1e-9 && floor.met == Some(true));
    }

    #[test]
    fn without_peers_only_absolute_figures_are_left() {
        let alone = summarize(&two_nights(ToolName::Nightfold, 1, 1.0, [9, 9]), &[]);
        let figures: Vec<Figure> = ratios(&alone).iter().map(|ratio| ratio.figure).collect();
        assert_eq!(figures, [Figure::BackupMemory, Figure::RestoreMemory]);
    }
}
