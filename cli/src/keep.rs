//! Retention policies: from options, or from nightfold.toml.

use std::collections::BTreeMap;

use clap::Args;
use nightfold_repo::format::ObjectId;
use nightfold_repo::retention::{Age, Policy};
use serde::Deserialize;

use crate::config::Config;
use crate::exit::{Error, Result};

const HEADING: &str = "What to keep (a snapshot stays if any of these keeps it)";

/// A policy as options.
#[expect(
    clippy::struct_field_names,
    reason = "they are the names of the options"
)]
#[derive(Debug, Args)]
pub struct KeepArgs {
    /// The newest N snapshots
    #[arg(long, value_name = "N", help_heading = HEADING)]
    keep_last: Option<u32>,
    /// The newest of each of the last N hours that hold a snapshot
    #[arg(long, value_name = "N", help_heading = HEADING)]
    keep_hourly: Option<u32>,
    /// The newest of each of the last N days
    #[arg(long, value_name = "N", help_heading = HEADING)]
    keep_daily: Option<u32>,
    /// The newest of each of the last N weeks, Monday to Sunday
    #[arg(long, value_name = "N", help_heading = HEADING)]
    keep_weekly: Option<u32>,
    /// The newest of each of the last N months
    #[arg(long, value_name = "N", help_heading = HEADING)]
    keep_monthly: Option<u32>,
    /// The newest of each of the last N quarters
    #[arg(long, value_name = "N", help_heading = HEADING)]
    keep_quarterly: Option<u32>,
    /// The newest of each of the last N years
    #[arg(long, value_name = "N", help_heading = HEADING)]
    keep_yearly: Option<u32>,
    /// All that are less than this older than the newest: 30d, or 2y5m7d3h
    #[arg(long, value_name = "AGE", help_heading = HEADING)]
    keep_within: Option<String>,
    /// All with this tag; may be given several times
    #[arg(long = "keep-tag", value_name = "TAG", help_heading = HEADING)]
    keep_tags: Vec<String>,
    /// This snapshot; may be given several times
    #[arg(long = "keep-id", value_name = "ID", help_heading = HEADING)]
    pub keep_ids: Vec<String>,
}

impl KeepArgs {
    /// The policy, if any of the options was given; `ids` are those of [`KeepArgs::keep_ids`].
    pub fn policy(&self, ids: Vec<ObjectId>) -> Result<Option<Policy>> {
        let policy = Policy {
            last: self.keep_last,
            hourly: self.keep_hourly,
            daily: self.keep_daily,
            weekly: self.keep_weekly,
            monthly: self.keep_monthly,
            quarterly: self.keep_quarterly,
            yearly: self.keep_yearly,
            within: age(self.keep_within.as_deref()).map_err(|text| Error::usage(text, ""))?,
            tags: self.keep_tags.clone(),
            ids,
        };
        if policy.is_empty() {
            return Ok(None);
        }
        policy
            .validate()
            .map_err(|error| Error::usage(error.to_string(), ""))?;
        Ok(Some(policy))
    }

    /// Whether any of the options was given.
    pub fn is_given(&self) -> bool {
        !self.keep_ids.is_empty() || !matches!(self.policy(Vec::new()), Ok(None))
    }
}

/// `[keep]`, `[sources.NAME.keep]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct KeepConfig {
    last: Option<u32>,
    hourly: Option<u32>,
    daily: Option<u32>,
    weekly: Option<u32>,
    monthly: Option<u32>,
    quarterly: Option<u32>,
    yearly: Option<u32>,
    within: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
}

impl KeepConfig {
    fn policy(&self) -> std::result::Result<Policy, String> {
        let policy = Policy {
            last: self.last,
            hourly: self.hourly,
            daily: self.daily,
            weekly: self.weekly,
            monthly: self.monthly,
            quarterly: self.quarterly,
            yearly: self.yearly,
            within: age(self.within.as_deref())?,
            tags: self.tags.clone(),
            ids: Vec::new(),
        };
        policy.validate().map_err(|error| error.to_string())?;
        Ok(policy)
    }
}

fn age(text: Option<&str>) -> std::result::Result<Option<Age>, String> {
    let age = text.map(str::parse).transpose();
    age.map_err(|error: nightfold_repo::Error| error.to_string())
}

/// Which policy holds for which source.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Policies {
    /// Of sources that have one of their own.
    sources: BTreeMap<String, Policy>,
    /// Of all others.
    default: Option<Policy>,
}

impl Policies {
    /// One for all.
    pub fn one(policy: Policy) -> Self {
        Self {
            sources: BTreeMap::new(),
            default: Some(policy),
        }
    }

    /// Those of nightfold.toml; `None` if it has none.
    pub fn configured(config: &Config) -> Result<Option<Self>> {
        let read = |keep: &KeepConfig, table: &str| {
            keep.policy().map_err(|reason| {
                let file = config.file.as_deref().unwrap_or("nightfold.toml".as_ref());
                Error::failed(format!("{}, [{table}]: {reason}", file.display()), "")
            })
        };
        let default = config.keep.as_ref();
        let mut policies = Self {
            sources: BTreeMap::new(),
            default: default.map(|keep| read(keep, "keep")).transpose()?,
        };
        for (name, source) in &config.sources {
            if let Some(keep) = &source.keep {
                let policy = read(keep, &format!("sources.{name}.keep"))?;
                policies.sources.insert(name.clone(), policy);
            }
        }
        Ok((policies != Self::default()).then_some(policies))
    }

    /// The one that holds for a source.
    pub fn of(&self, source: &str) -> Option<&Policy> {
        self.sources.get(source).or(self.default.as_ref())
    }
}
