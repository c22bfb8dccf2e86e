//! Views, functions, procedures and triggers, and in which order they can be made.

use std::collections::{BTreeMap, BTreeSet};

use super::super::answer::Fields;
use super::super::connection::Connection;
use super::super::error::Result;
use super::super::literal::text::push_text;
use super::super::name::{TableName, text};
use super::V2008;

/// What a database is programmed with.
#[derive(Clone, Debug)]
pub(crate) struct Module {
    pub(crate) id: i64,
    pub(crate) name: TableName,
    kind: String,
    definition: String,
    ansi_nulls: bool,
    quoted_identifiers: bool,
    /// The table or view, of a trigger.
    parent: Option<TableName>,
    disabled: bool,
}

const MODULES: &str = "SELECT o.object_id, s.name, o.name, CAST(o.type AS nvarchar(2)), m.definition, \
    m.uses_ansi_nulls, m.uses_quoted_identifier, ps.name, p.name, tr.is_disabled \
    FROM sys.sql_modules m JOIN sys.objects o ON o.object_id = m.object_id \
    JOIN sys.schemas s ON s.schema_id = o.schema_id \
    LEFT JOIN sys.triggers tr ON tr.object_id = o.object_id \
    LEFT JOIN sys.objects p ON p.object_id = tr.parent_id \
    LEFT JOIN sys.schemas ps ON ps.schema_id = p.schema_id \
    WHERE o.is_ms_shipped = 0 AND m.definition IS NOT NULL \
    AND o.type IN ('V', 'FN', 'IF', 'TF', 'P', 'TR') ORDER BY s.name, o.name";

/// Reads all modules, by name.
pub(crate) fn read_modules(connection: &mut Connection) -> Result<Vec<Module>> {
    let what = "cannot read the list of views, functions, procedures and triggers";
    let read = |row: &tiberius::Row| {
        let mut fields = Fields::new(what, row);
        let id = fields.number()?;
        let name = TableName {
            schema: fields.text()?,
            table: fields.text()?,
        };
        let kind = fields.text()?.trim().to_owned();
        let definition = fields.text()?;
        let (ansi_nulls, quoted_identifiers) = (fields.flag()?, fields.flag()?);
        let parent = fields.text_or_null()?.zip(fields.text_or_null()?);
        Ok(Module {
            id,
            name,
            kind,
            definition,
            ansi_nulls,
            quoted_identifiers,
            parent: parent.map(|(schema, table)| TableName { schema, table }),
            disabled: fields.flag()?,
        })
    };
    connection.rows(what, MODULES)?.iter().map(read).collect()
}

/// Reads which object needs which other.
pub(crate) fn read_dependencies(
    connection: &mut Connection,
    major: u32,
) -> Result<BTreeMap<i64, BTreeSet<i64>>> {
    let sql = if major >= V2008 {
        "SELECT referencing_id, referenced_id FROM sys.sql_expression_dependencies \
         WHERE referenced_id IS NOT NULL"
    } else {
        "SELECT object_id, referenced_major_id FROM sys.sql_dependencies WHERE class < 2"
    };
    let what = "cannot read what depends on what";
    let mut needs: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
    for row in connection.rows(what, sql)? {
        let mut fields = Fields::new(what, &row);
        let (from, to) = (fields.number()?, fields.number()?);
        if from != to {
            needs.entry(from).or_default().insert(to);
        }
    }
    Ok(needs)
}

/// Adds what the catalog does not know: SQL Server 2005 forgets dependencies when something is
/// made anew. Where it knows none at all for a module, the names in the module's text are taken.
pub(crate) fn add_by_name(needs: &mut BTreeMap<i64, BTreeSet<i64>>, modules: &[Module]) {
    let mut by_name: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for module in modules {
        let name = module.name.table.to_lowercase();
        by_name.entry(name).or_default().push(module.id);
    }
    for module in modules {
        if needs.contains_key(&module.id) {
            continue;
        }
        let text = module.definition.to_lowercase();
        let words = text.split(|c: char| !c.is_alphanumeric() && !"_@#$".contains(c));
        let named = words.filter_map(|word| by_name.get(word)).flatten();
        let named: BTreeSet<i64> = named.copied().filter(|id| *id != module.id).collect();
        if !named.is_empty() {
            needs.insert(module.id, named);
        }
    }
}

/// Puts `items` in an order in which each comes after what it needs, and else keeps theirs. Where
/// they need each other, the order is theirs. What is needed and not among them is passed over.
pub(crate) fn in_order(items: &[i64], needs: &BTreeMap<i64, BTreeSet<i64>>) -> Vec<i64> {
    let known: BTreeSet<i64> = items.iter().copied().collect();
    let mut met = BTreeSet::new();
    let mut order = Vec::new();
    for item in items {
        // A stack of its own: chains may be longer than the thread's stack is deep.
        let mut stack = vec![(*item, false)];
        while let Some((item, done)) = stack.pop() {
            if done {
                order.push(item);
            } else if known.contains(&item) && met.insert(item) {
                stack.push((item, true));
                let needed = needs.get(&item).into_iter().flatten().rev();
                stack.extend(needed.map(|needed| (*needed, false)));
            }
        }
    }
    order
}

impl Module {
    /// Whether it is a function, which columns of tables may be computed with.
    pub(crate) fn is_function(&self) -> bool {
        matches!(self.kind.as_str(), "FN" | "IF" | "TF")
    }

    /// Whether it is a view, which may have indexes.
    pub(crate) fn is_view(&self) -> bool {
        self.kind == "V"
    }

    /// Whether it is a trigger, which comes last: views may have some.
    pub(crate) fn is_trigger(&self) -> bool {
        self.kind == "TR"
    }

    /// The batches that make it.
    pub(crate) fn batches(&self) -> Vec<String> {
        let on_off = |on| if on { "ON" } else { "OFF" };
        let mut batches = vec![
            format!(
                "SET ANSI_NULLS {}\nSET QUOTED_IDENTIFIER {}\n",
                on_off(self.ansi_nulls),
                on_off(self.quoted_identifiers)
            ),
            self.creation(),
        ];
        if let Some(parent) = self.parent.as_ref().filter(|_| self.disabled) {
            let name = self.name.to_string();
            let disable = text(&format!("DISABLE TRIGGER {name} ON {parent}"));
            // It may have been left out.
            let there = format!("OBJECT_ID({}) IS NOT NULL", text(&name));
            batches.push(format!("IF {there} EXEC ({disable})\n"));
        }
        batches
    }

    /// The text as it was written. If a line of it could be taken for the end of a batch, it goes
    /// as a literal.
    fn creation(&self) -> String {
        let ends_batch = |line: &str| {
            let line = line.trim().to_ascii_uppercase();
            line == "GO" || line.starts_with("GO ") || line.starts_with("GO\t")
        };
        let awkward = self.definition.contains(['\0', '\u{1a}']);
        if !awkward && !self.definition.split(['\n', '\r']).any(ends_batch) {
            let end = if self.definition.ends_with('\n') {
                ""
            } else {
                "\n"
            };
            return format!("{}{end}", self.definition);
        }
        let mut literal = String::new();
        push_text(&mut literal, &self.definition);
        // Beyond 4000 characters the literal is of the long type, and so is what REPLACE makes.
        format!("DECLARE @module nvarchar(max)\nSET @module = {literal}\nEXEC (@module)\n")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn module(definition: &str) -> Module {
        Module {
            id: 1,
            name: TableName {
                schema: "dbo".to_owned(),
                table: "m".to_owned(),
            },
            kind: "TR".to_owned(),
            definition: definition.to_owned(),
            ansi_nulls: true,
            quoted_identifiers: false,
            parent: Some(TableName {
                schema: "dbo".to_owned(),
                table: "t".to_owned(),
            }),
            disabled: true,
        }
    }

    #[test]
    fn modules_come_with_their_settings() {
        assert_eq!(
            module("CREATE TRIGGER m ON t FOR INSERT AS RETURN").batches(),
            [
                "SET ANSI_NULLS ON\nSET QUOTED_IDENTIFIER OFF\n",
                "CREATE TRIGGER m ON t FOR INSERT AS RETURN\n",
                "IF OBJECT_ID(N'[dbo].[m]') IS NOT NULL EXEC (N'DISABLE TRIGGER [dbo].[m] ON [dbo].[t]')\n"
            ]
        );
    }

    #[test]
    fn a_line_go_does_not_end_a_module() {
        let batches = module("CREATE PROCEDURE m AS\n/*\n go 5\n*/ RETURN").batches();
        assert!(batches[1].starts_with("DECLARE @module"), "{}", batches[1]);
        assert!(!batches[1].to_uppercase().contains("\n GO"));
    }

    #[test]
    fn names_stand_in_for_what_the_catalog_forgot() {
        let view = |id, name: &str, text: &str| Module {
            id,
            name: TableName {
                schema: "dbo".to_owned(),
                table: name.to_owned(),
            },
            ..module(text)
        };
        let modules = [
            view(1, "a", "CREATE VIEW a AS SELECT * FROM [dbo].[B]"),
            view(2, "b", "CREATE VIEW b AS SELECT * FROM t"),
            view(3, "c", "CREATE VIEW c AS SELECT * FROM a"),
        ];
        let mut needs = BTreeMap::from([(3, BTreeSet::from([9]))]);
        add_by_name(&mut needs, &modules);
        assert_eq!(needs.get(&1), Some(&BTreeSet::from([2])));
        assert_eq!(needs.get(&2), None);
        assert_eq!(
            needs.get(&3),
            Some(&BTreeSet::from([9])),
            "the catalog knows"
        );
        assert_eq!(in_order(&[1, 2, 3], &needs), [2, 1, 3]);
    }

    proptest! {
        #[test]
        fn what_is_needed_comes_before(
            pairs in prop::collection::btree_set((0..12_i64, 0..12_i64), 0..30),
        ) {
            let mut needs: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
            // Without cycles: each needs only what is greater.
            for (a, b) in pairs {
                if a != b {
                    needs.entry(a.min(b)).or_default().insert(a.max(b));
                }
            }
            let items: Vec<i64> = (0..10).collect();
            let order = in_order(&items, &needs);
            let place = |item| order.iter().position(|other| *other == item);
            prop_assert_eq!(order.iter().copied().collect::<BTreeSet<_>>().len(), 10);
            for (item, needed) in &needs {
                for needed in needed.iter().filter(|needed| **needed < 10 && *item < 10) {
                    prop_assert!(place(*needed) < place(*item));
                }
            }
        }

        #[test]
        fn cycles_end(pairs in prop::collection::btree_set((0..6_i64, 0..6_i64), 0..20)) {
            let mut needs: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
            for (a, b) in pairs {
                needs.entry(a).or_default().insert(b);
            }
            prop_assert_eq!(in_order(&[3, 1, 2], &needs).len(), 3);
        }
    }
}
