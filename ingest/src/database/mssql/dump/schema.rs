//! What is made before the rows, and after them.

use std::collections::{BTreeMap, BTreeSet};

use super::super::catalog::key::{
    Constraint, Index, read_checks, read_defaults, read_foreign_keys, read_indexes,
};
use super::super::catalog::module::{
    Module, add_by_name, in_order, read_dependencies, read_modules,
};
use super::super::catalog::object::{read_schemas, read_sequences, read_synonyms, read_types};
use super::super::catalog::security::{read_members, read_permissions, read_principals};
use super::super::catalog::table::{Table, read_table_types, read_tables};
use super::super::connection::Connection;
use super::super::error::{MssqlError, Result};
use super::super::name::{TableName, quoted};
use super::writer::Writer;

/// All of a database but its rows.
pub(super) struct Schema {
    pub(super) tables: Vec<Table>,
    /// Principals, schemas, types, sequences and synonyms.
    first: Vec<String>,
    indexes: Vec<Index>,
    modules: Vec<Module>,
    needs: BTreeMap<i64, BTreeSet<i64>>,
    defaults: Vec<Constraint>,
    checks: Vec<Constraint>,
    foreign_keys: Vec<Constraint>,
    /// Members and permissions.
    last: Vec<String>,
}

impl Schema {
    pub(super) fn read(connection: &mut Connection, major: u32) -> Result<Self> {
        let mut first = read_principals(connection)?;
        first.extend(read_schemas(connection)?);
        first.extend(read_types(connection, major)?);
        let indexes = read_indexes(connection, major)?;
        for kind in read_table_types(connection, major)? {
            let keys = indexes.iter().filter(|index| index.object == kind.id);
            let mut lines = kind.lines();
            lines.extend(keys.filter_map(Index::nameless));
            let lines = lines.join(",\n");
            first.push(format!(
                "CREATE TYPE {} AS TABLE (\n{lines}\n)\n",
                kind.name
            ));
        }
        first.extend(read_sequences(connection, major)?);
        first.extend(read_synonyms(connection)?);
        let mut last = read_members(connection, major)?;
        last.extend(read_permissions(connection)?);
        let modules = read_modules(connection)?;
        let mut needs = read_dependencies(connection, major)?;
        add_by_name(&mut needs, &modules);
        let schema = Self {
            tables: read_tables(connection)?,
            first,
            indexes,
            modules,
            needs,
            defaults: read_defaults(connection)?,
            checks: read_checks(connection)?,
            foreign_keys: read_foreign_keys(connection)?,
            last,
        };
        for table in &schema.tables {
            if table.name.to_string().contains(['\n', '\r', '\0']) {
                return Err(MssqlError::refused(
                    table.name.to_string(),
                    "a table whose name holds a line end cannot be dumped: rename it",
                ));
            }
        }
        Ok(schema)
    }

    /// Everything that rows need.
    pub(super) fn write_before(&self, writer: &mut Writer<'_>) -> Result<()> {
        for sql in &self.first {
            writer.batch(sql)?;
        }
        // A column may be computed with a function, which may itself need tables.
        for id in in_order(&self.before_rows(), &self.needs) {
            if let Some(table) = self.tables.iter().find(|table| table.id == id) {
                let sql = format!(
                    "CREATE TABLE {} (\n{}\n)",
                    table.name,
                    table.lines().join(",\n")
                );
                writer.table(&table.name, &sql)?;
            } else {
                self.write_module(id, writer)?;
            }
        }
        if self.functions_before_rows().next().is_some() {
            writer.settings()?;
        }
        Ok(())
    }

    /// Everything else.
    pub(super) fn write_after(&self, writer: &mut Writer<'_>) -> Result<()> {
        for table in &self.tables {
            for index in self.indexes.iter().filter(|index| index.object == table.id) {
                writer.part(&table.name, &index.statements(&table.name))?;
            }
        }
        let before: BTreeSet<i64> = self.before_rows().into_iter().collect();
        let later = |trigger| {
            let is_later = move |module: &&Module| module.is_trigger() == trigger;
            let ids = self.modules.iter().filter(is_later).map(|module| module.id);
            ids.filter(|id| !before.contains(id)).collect::<Vec<_>>()
        };
        let programs = in_order(&later(false), &self.needs);
        for id in &programs {
            self.write_module(*id, writer)?;
        }
        if !programs.is_empty() {
            writer.settings()?;
        }
        for view in self.modules.iter().filter(|module| module.is_view()) {
            for index in self.indexes.iter().filter(|index| index.object == view.id) {
                writer.batch(&index.statements(&view.name))?;
            }
        }
        for constraint in self.defaults.iter().chain(&self.checks) {
            match self.name_of(constraint.table) {
                Some(table) => writer.part(table, &constraint.sql)?,
                None => writer.batch(&constraint.sql)?,
            }
        }
        for constraint in &self.foreign_keys {
            writer.batch(&constraint.sql)?;
        }
        let triggers = later(true);
        for id in &triggers {
            self.write_module(*id, writer)?;
        }
        if !triggers.is_empty() {
            writer.settings()?;
        }
        for sql in &self.last {
            writer.batch(sql)?;
        }
        Ok(())
    }

    /// By which columns the rows of a table are put in order: those that tell rows apart, else
    /// all that can be compared.
    pub(super) fn order_of(&self, table: &Table) -> String {
        let mut keys: Vec<_> = self
            .indexes
            .iter()
            .filter(|index| index.object == table.id && index.tells_rows_apart())
            .collect();
        keys.sort_by_key(|index| !index.primary);
        if let Some(key) = keys.first() {
            return key.key_list();
        }
        let columns: Vec<_> = table
            .columns
            .iter()
            .filter(|column| column.is_stored() && column.is_orderable())
            .map(|column| quoted(&column.name))
            .collect();
        columns.join(",")
    }

    /// Tables, and the functions that computed columns use.
    fn before_rows(&self) -> Vec<i64> {
        let tables = self.tables.iter().map(|table| table.id);
        tables.chain(self.functions_before_rows()).collect()
    }

    fn functions_before_rows(&self) -> impl Iterator<Item = i64> {
        let mut needed = BTreeSet::new();
        let mut open: Vec<i64> = self.tables.iter().map(|table| table.id).collect();
        while let Some(id) = open.pop() {
            let more = self.needs.get(&id).into_iter().flatten();
            open.extend(more.filter(|id| needed.insert(**id)));
        }
        let functions = self.modules.iter().filter(|module| module.is_function());
        functions
            .map(|module| module.id)
            .filter(move |id| needed.contains(id))
    }

    fn write_module(&self, id: i64, writer: &mut Writer<'_>) -> Result<()> {
        for module in self.modules.iter().filter(|module| module.id == id) {
            writer.program(&module.name, &module.batches())?;
        }
        Ok(())
    }

    fn name_of(&self, table: i64) -> Option<&TableName> {
        let found = self.tables.iter().find(|one| one.id == table);
        found.map(|table| &table.name)
    }
}
