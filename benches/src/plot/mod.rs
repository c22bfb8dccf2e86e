//! Pictures of a comparison, as SVG written by hand: small, and legible on light and dark pages.

mod growth;
mod scale;
mod svg;
mod throughput;

pub use growth::growth;
pub use throughput::throughput;

use crate::tool::ToolName;
use svg::Svg;

/// Neither too dark for a black page nor too light for a white one.
fn colour(tool: ToolName) -> &'static str {
    match tool {
        ToolName::Nightfold => "#2f81f7",
        ToolName::Restic => "#c69026",
        ToolName::Rustic => "#e0643c",
        ToolName::Vykar => "#a371f7",
        ToolName::Borg => "#3a9a4b",
        ToolName::Kopia => "#d65389",
    }
}

/// What floors and axes are drawn in.
const GREY: &str = "#8b949e";

/// The tools' names beside their colours, from `x` on; returns where it ends.
fn legend(svg: &mut Svg, x: f64, y: f64, tools: &[ToolName]) -> f64 {
    let mut x = x;
    for tool in tools {
        svg.rectangle(x, y - 9.0, 11.0, 11.0, colour(*tool));
        let name = tool.to_string();
        svg.text(x + 16.0, y, "start", "label", &name);
        x += 32.0 + 7.0 * name.len() as f64;
    }
    x
}

/// Every tool of some rows, in the order of the tables.
fn tools(summaries: &[crate::figures::Summary]) -> Vec<ToolName> {
    let mut tools: Vec<ToolName> = summaries.iter().map(|row| row.tool).collect();
    tools.sort_unstable();
    tools.dedup();
    tools
}

#[cfg(test)]
mod tests {
    use super::{growth, svg, throughput};
    use crate::corpus::Kind;
    use crate::figures::tests::two_nights;
    use crate::figures::{Floor, summarize};
    use crate::tool::ToolName;

    #[test]
    fn pictures_are_well_formed_and_name_every_tool() {
        let mut records = two_nights(ToolName::Nightfold, 1, 1.0, [1000, 1010]);
        records.extend(two_nights(ToolName::Restic, 1, 2.0, [1000, 1900]));
        let floors = [Floor {
            kind: Kind::Sqlite,
            bytes: vec![5],
        }];
        let summaries = summarize(&records, &floors);
        for picture in [growth(&summaries, &floors), throughput(&summaries)] {
            svg::assert_well_formed(&picture);
            assert!(picture.contains("nightfold") && picture.contains("restic"));
            assert!(!picture.contains("NaN") && !picture.contains("inf"));
        }
    }

    #[test]
    fn pictures_of_nothing_are_well_formed() {
        svg::assert_well_formed(&growth(&[], &[]));
        svg::assert_well_formed(&throughput(&[]));
    }
}
