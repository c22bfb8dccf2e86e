//! Databases made on a MariaDB or MySQL, filled and looked at.

use std::fmt::Write as _;
use std::sync::atomic::AtomicBool;

use serde_json::Value;

use super::{Client, failed, literal, quoted};
use crate::database::facts::{DatabaseFacts, TableFacts};
use crate::database::load::{Server, Writer};
use crate::database::text::{MysqlText, Summed};
use crate::error::{Error, NO_DRILL, NOT_LOADED, Result};

impl Server for Client {
    fn exists(&self, name: &str, cancel: &AtomicBool) -> Result<bool> {
        let query = format!(
            "SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {}",
            literal(name)
        );
        Ok(self.ask(&query, NOT_LOADED, cancel)? == ["1"])
    }

    fn create(&self, name: &str, facts: &DatabaseFacts, cancel: &AtomicBool) -> Result<()> {
        let mut query = format!("CREATE DATABASE {}", quoted(name));
        for (detail, option) in [("charset", "CHARACTER SET"), ("collation", "COLLATE")] {
            if let Some(value) = facts.details.get(detail).and_then(Value::as_str) {
                let _ = write!(query, " {option} {}", literal(value));
            }
        }
        self.ask(&query, NOT_LOADED, cancel).map(drop)
    }

    fn remove(&self, name: &str, cancel: &AtomicBool) -> Result<()> {
        let query = format!("DROP DATABASE IF EXISTS {}", quoted(name));
        self.ask(&query, NOT_LOADED, cancel).map(drop)
    }

    fn load(&self, name: &str, write: Writer<'_>, cancel: &AtomicBool) -> Result<Vec<String>> {
        let client = self
            .program(self.family.client(), NOT_LOADED)
            .args(["--batch", "--binary-mode", "--"])
            .args([name])
            .with_input();
        let ((), said) = client.run(cancel, |pipes| {
            let no_input = || failed(&self.url, &"the client has no input");
            let mut input = pipes.stdin.ok_or_else(no_input)?;
            write(&mut input)
        })?;
        Ok(said)
    }

    fn load_globals(&self, write: Writer<'_>, cancel: &AtomicBool) -> Result<()> {
        let client = self.program(self.family.client(), NO_DRILL).with_input();
        // What is there already, or cannot be there, is no obstacle yet.
        let client = client.args(["--batch", "--force"]);
        let loaded = client.run(cancel, |pipes| {
            let no_input = || failed(&self.url, &"the client has no input");
            write(&mut pipes.stdin.ok_or_else(no_input)?)
        });
        match loaded {
            Ok(_) | Err(Error::Command { .. }) => Ok(()),
            Err(other) => Err(other),
        }
    }

    /// There is no such statement, and neither views nor triggers can be moved.
    fn rename(&self, _from: &str, _to: &str, _cancel: &AtomicBool) -> Result<bool> {
        Ok(false)
    }

    fn tables(&self, name: &str, cancel: &AtomicBool) -> Result<Vec<TableFacts>> {
        let dumped = self.dump(name, cancel, |output| {
            let mut summed = Summed::new(output, MysqlText::default());
            std::io::copy(&mut summed, &mut std::io::sink()).map_err(Error::Output)?;
            Ok(summed.finish().0)
        })?;
        Ok(dumped.read)
    }

    fn check(&self, name: &str, cancel: &AtomicBool) -> Result<Option<Vec<String>>> {
        let query = format!(
            "SELECT CONCAT('CHECK TABLE `', REPLACE(TABLE_SCHEMA, '`', '``'), '`.`', REPLACE(TABLE_NAME, '`', '``'), '`;')
             FROM information_schema.TABLES WHERE TABLE_SCHEMA = {} AND TABLE_TYPE = 'BASE TABLE'",
            literal(name)
        );
        let checks = self.ask(&query, NO_DRILL, cancel)?;
        let lines = match checks.as_slice() {
            [] => Vec::new(),
            checks => self.ask(&checks.join("\n"), NO_DRILL, cancel)?,
        };
        // Table, operation, kind of message, message.
        let complaints = lines.into_iter().filter(|line| {
            let mut fields = line.split('\t').skip(2);
            let (kind, text) = (fields.next(), fields.next());
            kind == Some("error") || (kind == Some("status") && text != Some("OK"))
        });
        Ok(Some(complaints.collect()))
    }
}
