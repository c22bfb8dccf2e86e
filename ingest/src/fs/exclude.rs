//! What a user leaves out: globs over whole paths.

use std::path::Path;

use globset::{Candidate, GlobBuilder, GlobSet, GlobSetBuilder};

use super::scan::ScanError;

/// Compiled patterns; the last one that matches a path decides about it.
pub(super) struct Excludes {
    set: GlobSet,
    rules: Vec<Rule>,
}

struct Rule {
    directories_only: bool,
    /// A pattern with `!` in front takes back what an earlier one excluded.
    included: bool,
}

impl Excludes {
    pub(super) fn new(patterns: &[String]) -> Result<Self, ScanError> {
        let mut set = GlobSetBuilder::new();
        let mut rules = Vec::new();
        for pattern in patterns {
            let bad = |reason: String| ScanError::Pattern {
                pattern: pattern.clone(),
                reason,
            };
            let (included, rest) = match pattern.strip_prefix('!') {
                Some(rest) => (true, rest),
                None => (false, pattern.as_str()),
            };
            let glob = normalize(rest).ok_or_else(|| bad("it names no file".into()))?;
            let glob = GlobBuilder::new(&glob)
                .literal_separator(true)
                .backslash_escape(true)
                .build()
                .map_err(|error| bad(error.kind().to_string()))?;
            set.add(glob);
            rules.push(Rule {
                directories_only: rest.ends_with('/'),
                included,
            });
        }
        let set = set.build().map_err(|error| ScanError::Pattern {
            pattern: error.glob().unwrap_or_default().to_owned(),
            reason: error.kind().to_string(),
        })?;
        Ok(Self { set, rules })
    }

    /// Whether `path` (absolute) is left out. What lies below an excluded directory is not asked for.
    pub(super) fn excluded(&self, path: &Path, directory: impl Fn() -> bool) -> bool {
        if self.rules.is_empty() {
            return false;
        }
        self.set
            .matches_candidate(&Candidate::new(path))
            .into_iter()
            .rev()
            .filter_map(|index| self.rules.get(index))
            .find(|rule| !rule.directories_only || directory())
            .is_some_and(|rule| !rule.included)
    }
}

/// A glob over absolute paths: without a leading `/` it matches at any depth; `//`, `./` and a
/// trailing `/` are dropped.
fn normalize(pattern: &str) -> Option<String> {
    let parts: Vec<&str> = pattern
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    if parts.is_empty() {
        return None;
    }
    let anchor = if pattern.starts_with('/') { "/" } else { "**/" };
    Some(format!("{anchor}{}", parts.join("/")))
}
