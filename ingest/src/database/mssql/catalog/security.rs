//! Users, roles and permissions.

use std::fmt::Write as _;

use super::super::answer::Fields;
use super::super::connection::Connection;
use super::super::error::Result;
use super::super::name::{TableName, quoted, text};
use super::V2012;

/// The principals that every database has are left out.
const PRINCIPALS: &str = "SELECT p.name, CAST(p.type AS nvarchar(1)), SUSER_SNAME(p.sid), \
    p.default_schema_name FROM sys.database_principals p \
    WHERE p.type IN ('S', 'U', 'G', 'R') AND p.is_fixed_role = 0 \
    AND p.name NOT IN ('dbo', 'guest', 'public', 'sys', 'INFORMATION_SCHEMA') \
    ORDER BY CASE p.type WHEN 'R' THEN 0 ELSE 1 END, p.name";

/// Reads the statements that make roles and users. A user whose login does not exist where the
/// dump is loaded becomes one without login, so that permissions and owners stay.
pub(crate) fn read_principals(connection: &mut Connection) -> Result<Vec<String>> {
    let what = "cannot read the list of users and roles";
    let read = |row: &tiberius::Row| {
        let mut fields = Fields::new(what, row);
        let name = quoted(&fields.text()?);
        if fields.text()?.trim() == "R" {
            return Ok(format!("CREATE ROLE {name}\n"));
        }
        let login = fields.text_or_null()?;
        let schema = fields
            .text_or_null()?
            .map(|schema| format!(" WITH DEFAULT_SCHEMA = {}", quoted(&schema)))
            .unwrap_or_default();
        Ok(match login {
            Some(login) => format!(
                "IF SUSER_ID({}) IS NOT NULL CREATE USER {name} FOR LOGIN {}{schema}\n\
                 ELSE CREATE USER {name} WITHOUT LOGIN{schema}\n",
                text(&login),
                quoted(&login)
            ),
            None => format!("CREATE USER {name} WITHOUT LOGIN{schema}\n"),
        })
    };
    connection
        .rows(what, PRINCIPALS)?
        .iter()
        .map(read)
        .collect()
}

const MEMBERS: &str = "SELECT r.name, m.name FROM sys.database_role_members rm \
    JOIN sys.database_principals r ON r.principal_id = rm.role_principal_id \
    JOIN sys.database_principals m ON m.principal_id = rm.member_principal_id \
    WHERE m.name <> 'dbo' ORDER BY r.name, m.name";

/// Reads the statements that put members into roles.
pub(crate) fn read_members(connection: &mut Connection, major: u32) -> Result<Vec<String>> {
    let what = "cannot read the members of roles";
    let read = |row: &tiberius::Row| {
        let mut fields = Fields::new(what, row);
        let (role, member) = (fields.text()?, fields.text()?);
        Ok(if major >= V2012 {
            format!(
                "ALTER ROLE {} ADD MEMBER {}\n",
                quoted(&role),
                quoted(&member)
            )
        } else {
            format!("EXEC sp_addrolemember {}, {}\n", text(&role), text(&member))
        })
    };
    connection.rows(what, MEMBERS)?.iter().map(read).collect()
}

/// Permissions on the database, on objects and their columns, schemas and types.
const PERMISSIONS: &str = "SELECT CAST(p.class AS int), CAST(p.state AS nvarchar(1)), \
    p.permission_name, g.name, os.name, o.name, c.name, s.name, ts.name, t.name \
    FROM sys.database_permissions p \
    JOIN sys.database_principals g ON g.principal_id = p.grantee_principal_id \
    LEFT JOIN sys.objects o ON p.class = 1 AND o.object_id = p.major_id \
    LEFT JOIN sys.schemas os ON os.schema_id = o.schema_id \
    LEFT JOIN sys.columns c ON p.class = 1 AND p.minor_id > 0 \
    AND c.object_id = p.major_id AND c.column_id = p.minor_id \
    LEFT JOIN sys.schemas s ON p.class = 3 AND s.schema_id = p.major_id \
    LEFT JOIN sys.types t ON p.class = 6 AND t.user_type_id = p.major_id \
    LEFT JOIN sys.schemas ts ON ts.schema_id = t.schema_id \
    WHERE p.class IN (0, 1, 3, 6) AND p.major_id >= 0 AND g.name <> 'dbo' \
    ORDER BY p.class, os.name, o.name, s.name, ts.name, t.name, c.name, g.name, p.permission_name";

/// Reads the statements that grant and deny.
pub(crate) fn read_permissions(connection: &mut Connection) -> Result<Vec<String>> {
    let what = "cannot read the list of permissions";
    let mut statements = Vec::new();
    for row in connection.rows(what, PERMISSIONS)? {
        let mut fields = Fields::new(what, &row);
        let class = fields.number()?;
        let state = fields.text()?;
        let permission = fields.text()?;
        let grantee = quoted(&fields.text()?);
        let object = name(&mut fields)?;
        let column = fields.text_or_null()?;
        let schema = fields.text_or_null()?;
        let kind = name(&mut fields)?;
        let on = match (class, object, schema, kind) {
            (0, ..) => String::new(),
            (1, Some(object), ..) => match column {
                Some(column) => format!(" ON {object} ({})", quoted(&column)),
                None => format!(" ON {object}"),
            },
            (3, _, Some(schema), _) => format!(" ON SCHEMA::{}", quoted(&schema)),
            (6, _, _, Some(kind)) => format!(" ON TYPE::{kind}"),
            // On something that the server brings along.
            _ => continue,
        };
        let (verb, option) = match state.trim() {
            "D" => ("DENY", ""),
            "W" => ("GRANT", " WITH GRANT OPTION"),
            "G" => ("GRANT", ""),
            _ => continue,
        };
        let mut sql = String::new();
        let _ = writeln!(sql, "{verb} {permission}{on} TO {grantee}{option}");
        statements.push(sql);
    }
    Ok(statements)
}

fn name(fields: &mut Fields<'_>) -> Result<Option<TableName>> {
    let pair = fields.text_or_null()?.zip(fields.text_or_null()?);
    Ok(pair.map(|(schema, table)| TableName { schema, table }))
}
