//! Names in T-SQL: quoted when written, unquoted when read.

use std::fmt;

/// A name in two parts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    /// The schema.
    pub schema: String,
    /// The table within it.
    pub table: String,
}

impl TableName {
    /// Reads `[schema].[table]` as [`fmt::Display`] writes it. `None` if it is not of that form.
    pub fn parse(text: &str) -> Option<Self> {
        let (schema, rest) = bracketed(text)?;
        let (table, rest) = bracketed(rest.strip_prefix('.')?)?;
        rest.is_empty().then_some(Self { schema, table })
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", quoted(&self.schema), quoted(&self.table))
    }
}

/// A name in brackets.
pub(super) fn quoted(name: &str) -> String {
    format!("[{}]", name.replace(']', "]]"))
}

/// A text as a Unicode literal. For names and file paths, which have no line ends.
pub(super) fn text(value: &str) -> String {
    format!("N'{}'", value.replace('\'', "''"))
}

/// The name in brackets that `text` begins with, and what follows.
fn bracketed(text: &str) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix('[')?;
    let mut name = String::new();
    loop {
        let (part, after) = rest.split_once(']')?;
        name.push_str(part);
        match after.strip_prefix(']') {
            Some(after) => {
                name.push(']');
                rest = after;
            }
            None => return Some((name, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(schema in "\\PC*", table in "[\\]\\[.a']*") {
            let name = TableName { schema, table };
            prop_assert_eq!(TableName::parse(&name.to_string()), Some(name));
        }

        #[test]
        fn anything_else_is_refused_or_itself(text in "[\\]\\[.a]*") {
            if let Some(name) = TableName::parse(&text) {
                prop_assert_eq!(name.to_string(), text);
            }
        }
    }
}
