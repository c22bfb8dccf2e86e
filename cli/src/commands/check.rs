//! `nightfold check`.

use std::time::Duration;

use clap::Args;
use jiff::SignedDuration;
use nightfold_repo::check::{CheckOptions, CheckReport, ReadData};

use crate::args::JsonFlag;
use crate::context::Context;
use crate::exit::{self, Outcome};
use crate::output::{Output, count, size};
use crate::progress;

/// Options of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Read every byte and decode every chunk, not only the structure
    #[arg(long)]
    read_data: bool,
    /// Read every byte of a part: group n of m (n/m), or a share of all bytes (5%), what was read longest ago first
    #[arg(long, value_name = "n/m|PERCENT", value_parser = subset, conflicts_with = "read_data")]
    read_data_subset: Option<ReadData>,
    /// With --read-data: begin no pack after this time (90s, 20m, 2h); what was read longest ago comes first
    #[arg(long = "for", value_name = "TIME", value_parser = budget, requires = "read_data")]
    budget: Option<Duration>,
    #[command(flatten)]
    json: JsonFlag,
}

impl CheckArgs {
    /// Which packs to read whole.
    fn packs(&self) -> ReadData {
        match (self.read_data_subset, self.budget, self.read_data) {
            (Some(subset), _, _) => subset,
            (None, Some(budget), _) => ReadData::For(budget),
            (None, None, true) => ReadData::All,
            (None, None, false) => ReadData::None,
        }
    }
}

/// `5%` or `n/m`.
fn subset(text: &str) -> Result<ReadData, String> {
    let unclear = || "write a share such as 5%, or n/m for group n of m".to_owned();
    if let Some(number) = text.strip_suffix('%') {
        let percent: f64 = number.trim().parse().map_err(|_| unclear())?;
        return if percent > 0.0 && percent <= 100.0 {
            Ok(ReadData::Percent(percent))
        } else {
            Err("the share must be above 0% and at most 100%".to_owned())
        };
    }
    let (number, of) = text.split_once('/').ok_or_else(unclear)?;
    let parse = |digits: &str| digits.parse::<u32>().map_err(|_| unclear());
    let (number, of) = (parse(number)?, parse(of)?);
    if number == 0 || number > of {
        return Err(format!(
            "there is no group {number} of {of}: n counts from 1 to m"
        ));
    }
    Ok(ReadData::Group { number, of })
}

/// `90s`, `20m`, `2h`, `1h30m`.
fn budget(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<SignedDuration>().ok();
    let budget = parsed.and_then(|time| Duration::try_from(time).ok());
    budget
        .filter(|budget| !budget.is_zero())
        .ok_or_else(|| "write a time such as 90s, 20m or 2h".to_owned())
}

/// Looks for damage.
pub fn run(context: &Context, args: &CheckArgs) -> exit::Result<Outcome> {
    let repository = context.open()?;
    let options = CheckOptions {
        read_data: args.packs(),
    };
    // What is about to be read is not deleted meanwhile, if the storage can be written.
    let _lease = (options.read_data != ReadData::None)
        .then(|| repository.reading_lease("check"))
        .flatten();
    let report = progress::metered(context, args.json.json, |told| {
        repository.check(&options, told)
    })?;
    // Who pipes us into `head` still gets the right exit code.
    match print(context, args, &report) {
        Err(error) if !error.is_broken_pipe() => return Err(error),
        _ => {}
    }
    Ok(if report.problems.is_empty() {
        Outcome::Done
    } else {
        Outcome::Failed
    })
}

fn print(context: &Context, args: &CheckArgs, report: &CheckReport) -> exit::Result<()> {
    let mut out = Output::open();
    if args.json.json {
        out.json(report)?;
        return out.finish();
    }
    for problem in &report.problems {
        out.line(format_args!("damaged: {problem}"))?;
    }
    if !context.quiet {
        for note in &report.notes {
            out.line(format_args!("note: {note}"))?;
        }
        out.line(format_args!(
            "checked {}, {} and {}; read {}{}",
            count(report.snapshots, "snapshot"),
            count(report.packs, "pack"),
            count(report.chunks, "chunk"),
            size(report.bytes_read),
            match args.packs() {
                ReadData::None => " (--read-data reads every byte)".to_owned(),
                ReadData::All => ", every byte".to_owned(),
                _ => format!(", every byte of {}", count(report.packs_read, "pack")),
            },
        ))?;
    }
    if !report.problems.is_empty() {
        out.line(format_args!(
            "{} found: do not delete anything in the repository; restore what you need from a sound copy",
            count(report.problems.len() as u64, "problem")
        ))?;
    } else if !context.quiet {
        out.line("no damage found")?;
    }
    out.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subsets_are_shares_or_groups() {
        assert_eq!(subset("5%"), Ok(ReadData::Percent(5.0)));
        assert_eq!(subset("2.5 %"), Ok(ReadData::Percent(2.5)));
        assert_eq!(subset("100%"), Ok(ReadData::Percent(100.0)));
        let (number, of) = (7, 7);
        assert_eq!(subset("7/7"), Ok(ReadData::Group { number, of }));
        for (text, reason) in [
            ("0%", "above 0%"),
            ("-3%", "above 0%"),
            ("101%", "at most 100%"),
            ("nan%", "above 0%"),
            ("%", "such as 5%"),
            ("abc", "such as 5%"),
            ("5", "such as 5%"),
            ("1/x", "such as 5%"),
            ("7/5", "no group 7 of 5"),
            ("0/5", "no group 0 of 5"),
            ("0/0", "no group 0 of 0"),
        ] {
            let error = subset(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn budgets_are_times() {
        for (text, seconds) in [("90s", 90), ("20m", 1200), ("2h", 7200), ("1h30m", 5400)] {
            assert_eq!(budget(text), Ok(Duration::from_secs(seconds)));
        }
        for text in ["", "0s", "20", "-5m", "soon", "5 bananas"] {
            assert!(budget(text).unwrap_err().contains("such as 90s"), "{text}");
        }
    }
}
