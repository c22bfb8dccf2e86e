//! `sql_variant`: a value that carries its own type. The driver tells the value, but not whether
//! it is a `char` or an `nvarchar`, nor how long; so the server is asked for that beside it.

use std::fmt::Write as _;

use tiberius::ColumnData;

use super::super::name::quoted;
use super::{push_plain, text};

/// Columns that are selected after a `sql_variant`. `{}` is its name.
pub(crate) const VARIANT_COLUMNS: [&str; 6] = [
    "CAST(SQL_VARIANT_PROPERTY({},'BaseType') AS nvarchar(128))",
    "CAST(SQL_VARIANT_PROPERTY({},'Precision') AS int)",
    "CAST(SQL_VARIANT_PROPERTY({},'Scale') AS int)",
    "CAST(SQL_VARIANT_PROPERTY({},'MaxLength') AS int)",
    "CAST(SQL_VARIANT_PROPERTY({},'Collation') AS nvarchar(128))",
    // The driver makes a binary fraction of money.
    "CASE WHEN SQL_VARIANT_PROPERTY({},'BaseType') IN ('money','smallmoney') \
     THEN CAST(CAST({} AS money) AS decimal(19,4)) END",
];

/// A `sql_variant` holds no longer text and no more bytes.
const BYTES_MAX: i32 = 8000;

/// Appends a `sql_variant`. `properties` are the [`VARIANT_COLUMNS`] after it.
pub(crate) fn push_variant(
    out: &mut String,
    value: &ColumnData<'_>,
    properties: &[ColumnData<'static>],
) -> Result<(), String> {
    let [base, precision, scale, bytes, collation, money] = properties else {
        return Err("its type is missing".to_owned());
    };
    let Some(base) = as_text(base) else {
        out.push_str("NULL");
        return Ok(());
    };
    let number = |value: &ColumnData<'_>| match value {
        ColumnData::I32(Some(value)) => Ok(*value),
        _ => Err("a property of its type is missing".to_owned()),
    };
    out.push_str("CAST(CAST(");
    match (base, value) {
        ("money" | "smallmoney", _) => push_plain(out, money)?,
        (_, ColumnData::String(Some(value))) => {
            text::push_text(out, value);
            // Which characters a char can hold depends on its collation.
            if let Some(collation) = as_text(collation).filter(|name| is_word(name)) {
                let _ = write!(out, " COLLATE {collation}");
            }
        }
        _ => push_plain(out, value)?,
    }
    let _ = write!(
        out,
        " AS {}",
        if is_word(base) {
            base.to_owned()
        } else {
            quoted(base)
        }
    );
    match base {
        "decimal" | "numeric" => {
            let _ = write!(out, "({},{})", number(precision)?, number(scale)?);
        }
        "time" | "datetime2" | "datetimeoffset" => {
            let _ = write!(out, "({})", number(scale)?);
        }
        "char" | "varchar" | "binary" | "varbinary" => {
            let _ = write!(out, "({})", number(bytes)?.clamp(1, BYTES_MAX));
        }
        "nchar" | "nvarchar" => {
            let _ = write!(out, "({})", number(bytes)?.clamp(2, BYTES_MAX) / 2);
        }
        _ => {}
    }
    out.push_str(") AS sql_variant)");
    Ok(())
}

fn as_text<'a>(value: &'a ColumnData<'_>) -> Option<&'a str> {
    match value {
        ColumnData::String(Some(text)) => Some(text),
        _ => None,
    }
}

fn is_word(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
