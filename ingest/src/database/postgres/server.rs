//! Databases made on a PostgreSQL, filled and looked at.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::atomic::AtomicBool;

use serde_json::Value;

use super::{Client, MAINTENANCE, failed, literal, quoted};
use crate::database::facts::{DatabaseFacts, TableFacts};
use crate::database::load::{Server, Writer};
use crate::database::private::postgres_program;
use crate::database::text::{PostgresText, Summed};
use crate::error::{Error, NO_DRILL, NOT_LOADED, Result};
use crate::process::read_lines;

impl Server for Client {
    fn exists(&self, name: &str, cancel: &AtomicBool) -> Result<bool> {
        let query = format!(
            "SELECT count(*) FROM pg_catalog.pg_database WHERE datname = {}",
            literal(name)
        );
        Ok(self.ask(MAINTENANCE, &query, NOT_LOADED, cancel)? == ["1"])
    }

    fn create(&self, name: &str, facts: &DatabaseFacts, cancel: &AtomicBool) -> Result<()> {
        let mut query = format!("CREATE DATABASE {} TEMPLATE template0", quoted(name));
        for (detail, option) in [
            ("encoding", "ENCODING"),
            ("collate", "LC_COLLATE"),
            ("ctype", "LC_CTYPE"),
        ] {
            if let Some(value) = facts.details.get(detail).and_then(Value::as_str) {
                let _ = write!(query, " {option} {}", literal(value));
            }
        }
        self.ask(MAINTENANCE, &query, NOT_LOADED, cancel).map(drop)
    }

    fn remove(&self, name: &str, cancel: &AtomicBool) -> Result<()> {
        let query = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(name));
        self.ask(MAINTENANCE, &query, NOT_LOADED, cancel).map(drop)
    }

    fn load(&self, name: &str, write: Writer<'_>, cancel: &AtomicBool) -> Result<Vec<String>> {
        let psql = self
            .psql(NOT_LOADED, name)
            .args(["--output=/dev/null"])
            .with_input();
        let ((), said) = psql.run(cancel, |pipes| {
            let no_input = || failed(&self.url, &"psql has no input");
            let mut input = pipes.stdin.ok_or_else(no_input)?;
            // Not `--single-transaction`: that would commit what came of a dump that ends too early, as when we are
            // killed.
            input.write_all(b"BEGIN;\n").map_err(Error::Output)?;
            write(&mut input)?;
            input.write_all(b"\nCOMMIT;\n").map_err(Error::Output)
        })?;
        Ok(said)
    }

    fn load_globals(&self, write: Writer<'_>, cancel: &AtomicBool) -> Result<()> {
        let psql = self.program("psql", NO_DRILL, MAINTENANCE).with_input();
        // What is there already, or cannot be there, is no obstacle yet.
        let psql = psql.args(["--no-psqlrc", "--quiet", "--output=/dev/null"]);
        let loaded = psql.run(cancel, |pipes| {
            let no_input = || failed(&self.url, &"psql has no input");
            write(&mut pipes.stdin.ok_or_else(no_input)?)
        });
        loaded.map(drop)
    }

    fn rename(&self, from: &str, to: &str, cancel: &AtomicBool) -> Result<bool> {
        self.remove(to, cancel)?;
        let query = format!("ALTER DATABASE {} RENAME TO {}", quoted(from), quoted(to));
        self.ask(MAINTENANCE, &query, NOT_LOADED, cancel)?;
        Ok(true)
    }

    fn tables(&self, name: &str, cancel: &AtomicBool) -> Result<Vec<TableFacts>> {
        let dumped = self.dump(name, &[], cancel, |output| {
            let mut summed = Summed::new(output, PostgresText::default());
            std::io::copy(&mut summed, &mut std::io::sink()).map_err(Error::Output)?;
            Ok(summed.finish().0)
        })?;
        Ok(dumped.read)
    }

    fn check(&self, name: &str, cancel: &AtomicBool) -> Result<Option<Vec<String>>> {
        let Ok(program) = postgres_program("pg_amcheck") else {
            return Ok(None);
        };
        let check = self
            .program(program, NO_DRILL, name)
            .args(["--install-missing", "--heapallindexed"]);
        let checked = check.run(cancel, |pipes| read_lines(pipes.stdout));
        match checked {
            Ok(_) => Ok(Some(Vec::new())),
            // It prints what it finds, and ends with 2.
            Err(Error::Command {
                how, stderr_tail, ..
            }) if how.ends_with("status 2") => {
                let mut complaints = vec!["pg_amcheck found damage".to_owned()];
                complaints.extend(stderr_tail);
                Ok(Some(complaints))
            }
            Err(Error::Interrupted) => Err(Error::Interrupted),
            Err(_) => Ok(None),
        }
    }
}
