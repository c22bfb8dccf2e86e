//! The demo's live database: a shop's customers and orders in SQLite, made up from a seed.

use std::path::Path;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, Transaction, params};

use super::words::{Random, sentence, street, title};

const CUSTOMERS: u32 = 30_000;
const ORDERS: u32 = 240_000;
/// 2026-01-01 in seconds since 1970; orders follow one another from there.
const FIRST_ORDER: i64 = 1_767_225_600;

/// The shop's database, its writer's connection open all the time.
pub struct Live {
    writer: Connection,
    random: Random,
    orders: u32,
}

impl Live {
    /// Opens the shop.
    pub fn create(path: &Path) -> rusqlite::Result<Self> {
        let mut writer = Connection::open(path)?;
        writer.pragma_update(None, "journal_mode", "wal")?;
        writer.pragma_update(None, "synchronous", "normal")?;
        writer.execute_batch(
            "create table customers (id integer primary key, name text, street text, note text);
             create table orders (id integer primary key, customer integer, placed_at text, item text,
                                  quantity integer, cents integer, status text, note text);
             create index orders_of_customer on orders (customer);",
        )?;
        let mut random = Random::new(2026);
        let transaction = writer.transaction()?;
        insert_customers(&transaction, &mut random)?;
        insert_orders(&transaction, &mut random, 0..ORDERS)?;
        transaction.commit()?;
        Ok(Self {
            writer,
            random,
            orders: ORDERS,
        })
    }

    /// A day's business: 1 % of the orders change, 0.5 % are added.
    pub fn day(&mut self) -> rusqlite::Result<()> {
        let (updated, inserted) = (self.orders / 100, self.orders / 200);
        let transaction = self.writer.transaction()?;
        {
            let mut update = transaction
                .prepare("update orders set status = ?2, quantity = ?3, note = ?4 where id = ?1")?;
            for _ in 0..updated {
                let id = self.random.below(self.orders) + 1;
                let note = sentence(&mut self.random, 8);
                update.execute(params![id, "returned", self.random.below(9) + 1, note])?;
            }
        }
        insert_orders(
            &transaction,
            &mut self.random,
            self.orders..self.orders + inserted,
        )?;
        transaction.commit()?;
        self.orders += inserted;
        Ok(())
    }

    /// Takes a consistent copy by the online backup interface, while the shop is in the middle of an order.
    pub fn copy_to(&mut self, path: &Path) -> rusqlite::Result<()> {
        let source = self.writer.path().unwrap_or_default().to_owned();
        let order = self.writer.transaction()?;
        insert_orders(&order, &mut self.random, self.orders..self.orders + 1)?;
        let reader = Connection::open(source)?;
        let mut copy = Connection::open(path)?;
        copy.pragma_update(None, "synchronous", "off")?;
        let backup = Backup::new(&reader, &mut copy)?;
        while backup.step(1000)? != StepResult::Done {}
        drop(backup);
        // As copied from a database in WAL mode it would be read as one.
        copy.pragma_update(None, "journal_mode", "delete")?;
        order.rollback()
    }
}

/// What SQLite says of a database's soundness, and how many orders it holds.
pub fn examine(path: &Path) -> rusqlite::Result<(String, u32)> {
    let database = Connection::open(path)?;
    let verdict = database.query_row("pragma integrity_check", [], |row| row.get(0))?;
    let orders = database.query_row("select count(*) from orders", [], |row| row.get(0))?;
    Ok((verdict, orders))
}

fn insert_customers(transaction: &Transaction<'_>, random: &mut Random) -> rusqlite::Result<()> {
    let mut insert =
        transaction.prepare("insert into customers (name, street, note) values (?1, ?2, ?3)")?;
    for _ in 0..CUSTOMERS {
        let note = sentence(random, 14);
        insert.execute(params![title(random, 2), street(random), note])?;
    }
    Ok(())
}

fn insert_orders(
    transaction: &Transaction<'_>,
    random: &mut Random,
    numbers: std::ops::Range<u32>,
) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare(
        "insert into orders (customer, placed_at, item, quantity, cents, status, note)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    for number in numbers {
        let seconds = FIRST_ORDER + i64::from(number) * 150 + i64::from(random.below(150));
        let placed = jiff::Timestamp::from_second(seconds).unwrap_or_default();
        let status = ["paid", "shipped", "delivered"][random.below(3) as usize];
        let note = sentence(random, 10);
        insert.execute(params![
            random.below(CUSTOMERS) + 1,
            placed.to_string(),
            title(random, 3),
            random.below(9) + 1,
            random.below(90_000) + 99,
            status,
            note,
        ])?;
    }
    Ok(())
}
