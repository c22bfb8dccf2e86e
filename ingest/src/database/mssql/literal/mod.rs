//! Values as T-SQL literals, exact for every type.

mod number;
pub(super) mod text;
mod time;
mod variant;

use tiberius::ColumnData;

pub(super) use variant::{VARIANT_COLUMNS, push_variant};

/// How the literal of a column is made out of what the server sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// By the type it comes in.
    Plain,
    /// Text that comes as UTF-16 in bytes.
    Utf16,
    /// XML: white space is kept.
    Xml,
    /// Bytes that are cast to this type.
    Cast(String),
    /// `sql_variant`, with what tells its base type in the columns that follow.
    Variant,
}

/// Appends the literal of one value. The error says what is wrong with the value.
pub(super) fn push_value(
    out: &mut String,
    value: &ColumnData<'_>,
    form: &Form,
) -> Result<(), String> {
    if is_null(value) {
        out.push_str("NULL");
        return Ok(());
    }
    match (form, value) {
        (Form::Utf16, ColumnData::Binary(Some(bytes))) => text::push_utf16(out, bytes),
        (Form::Xml, ColumnData::Xml(Some(xml))) => push_xml(out, xml.as_ref().as_ref()),
        (Form::Xml, ColumnData::String(Some(xml))) => push_xml(out, xml),
        (Form::Cast(name), ColumnData::Binary(Some(bytes))) => {
            out.push_str("CAST(");
            text::push_bytes(out, bytes);
            out.push_str(" AS ");
            out.push_str(name);
            out.push(')');
        }
        (Form::Plain, _) => return push_plain(out, value),
        _ => return Err("its type is not the one that was asked for".to_owned()),
    }
    Ok(())
}

/// Style 1 keeps white space that a parser would drop.
fn push_xml(out: &mut String, xml: &str) {
    out.push_str("CONVERT(xml,");
    text::push_text(out, xml);
    out.push_str(",1)");
}

fn push_plain(out: &mut String, value: &ColumnData<'_>) -> Result<(), String> {
    let pushed = match value {
        ColumnData::U8(Some(value)) => number::push_integer(out, i64::from(*value)),
        ColumnData::I16(Some(value)) => number::push_integer(out, i64::from(*value)),
        ColumnData::I32(Some(value)) => number::push_integer(out, i64::from(*value)),
        ColumnData::I64(Some(value)) => number::push_integer(out, *value),
        ColumnData::Bit(Some(value)) => number::push_integer(out, i64::from(*value)),
        ColumnData::F32(Some(value)) => number::push_real(out, *value),
        ColumnData::F64(Some(value)) => number::push_float(out, *value),
        ColumnData::Numeric(Some(value)) => {
            number::push_decimal(out, value.value(), value.scale());
            Some(())
        }
        ColumnData::String(Some(value)) => {
            text::push_text(out, value);
            Some(())
        }
        ColumnData::Binary(Some(value)) => {
            text::push_bytes(out, value);
            Some(())
        }
        ColumnData::Guid(Some(value)) => in_quotes(out, |out| {
            out.push_str(&value.as_hyphenated().to_string().to_uppercase());
            Some(())
        }),
        _ => in_quotes(out, |out| push_temporal(out, value)),
    };
    pushed.ok_or_else(|| "it is outside the range of its type".to_owned())
}

fn push_temporal(out: &mut String, value: &ColumnData<'_>) -> Option<()> {
    match value {
        ColumnData::DateTime(Some(value)) => {
            time::push_datetime(out, value.days(), value.seconds_fragments())
        }
        ColumnData::SmallDateTime(Some(value)) => {
            time::push_smalldatetime(out, value.days(), value.seconds_fragments())
        }
        ColumnData::Date(Some(value)) => time::push_date(out, i64::from(value.days())),
        ColumnData::Time(Some(value)) => time::push_time(out, value.increments(), value.scale()),
        ColumnData::DateTime2(Some(value)) => {
            time::push_date(out, i64::from(value.date().days()))?;
            out.push('T');
            time::push_time(out, value.time().increments(), value.time().scale())
        }
        ColumnData::DateTimeOffset(Some(value)) => {
            let utc = value.datetime2();
            let parts = (
                utc.date().days(),
                utc.time().increments(),
                utc.time().scale(),
            );
            time::push_datetimeoffset(out, parts, value.offset())
        }
        _ => None,
    }
}

fn in_quotes(out: &mut String, push: impl FnOnce(&mut String) -> Option<()>) -> Option<()> {
    out.push('\'');
    push(out)?;
    out.push('\'');
    Some(())
}

pub(super) fn is_null(value: &ColumnData<'_>) -> bool {
    matches!(
        value,
        ColumnData::U8(None)
            | ColumnData::I16(None)
            | ColumnData::I32(None)
            | ColumnData::I64(None)
            | ColumnData::F32(None)
            | ColumnData::F64(None)
            | ColumnData::Bit(None)
            | ColumnData::String(None)
            | ColumnData::Guid(None)
            | ColumnData::Binary(None)
            | ColumnData::Numeric(None)
            | ColumnData::Xml(None)
            | ColumnData::DateTime(None)
            | ColumnData::SmallDateTime(None)
            | ColumnData::Time(None)
            | ColumnData::Date(None)
            | ColumnData::DateTime2(None)
            | ColumnData::DateTimeOffset(None)
    )
}
