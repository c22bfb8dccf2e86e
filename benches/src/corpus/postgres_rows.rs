//! The rows of the `PostgreSQL` application.

use std::io::{self, Write};

use super::words;
use crate::random::Random;

/// Takes the id and the night it is inserted on.
pub type WriteRow = fn(&mut dyn Write, &mut Random, u64, u32) -> io::Result<()>;

/// A table of the application, and its full first size.
pub struct Table {
    /// As in the schema.
    pub name: &'static str,
    /// How many the full size begins with.
    pub rows: u64,
    /// Writes the row of an id, as `COPY` takes it.
    pub write_row: WriteRow,
}

/// Every table of the application.
pub const TABLES: [Table; 4] = [
    Table {
        name: "customers",
        rows: 120_000,
        write_row: write_customer,
    },
    Table {
        name: "orders",
        rows: 280_000,
        write_row: write_order,
    },
    Table {
        name: "order_lines",
        rows: 750_000,
        write_row: write_order_line,
    },
    Table {
        name: "audit_log",
        rows: 180_000,
        write_row: write_audit,
    },
];

fn write_customer(out: &mut dyn Write, random: &mut Random, id: u64, _: u32) -> io::Result<()> {
    let name = words::name(random);
    let (reference, email) = (words::uuid(random), words::email(&name, id));
    let (street, city) = (words::street(random), words::city(random));
    let (points, created, seen) = (random.below(5000), words::past(random), words::past(random));
    let length = random.between(3, 12);
    let remark = words::sentence(random, length);
    writeln!(
        out,
        "{id}\t{reference}\t{name}\t{email}\t{street}\t{city}\t{points}\t{created}\t{seen}\t{remark}"
    )
}

fn write_order(out: &mut dyn Write, random: &mut Random, id: u64, night: u32) -> io::Result<()> {
    let (customer, reference) = (random.between(1, id / 2 + 1), words::uuid(random));
    let status = random.pick_common(&["closed", "shipped", "packed", "paid", "new"]);
    let placed = if night > 1 {
        words::last_day(random, night)
    } else {
        words::past(random)
    };
    let (total, length) = (random.between(500, 90_000), random.between(4, 16));
    let note = words::sentence(random, length);
    writeln!(
        out,
        "{id}\t{customer}\t{reference}\t{status}\t{total}\t{placed}\t{placed}\t{note}"
    )
}

fn write_order_line(out: &mut dyn Write, random: &mut Random, id: u64, _: u32) -> io::Result<()> {
    let (order, article) = (id * 10 / 27 + 1, words::goods(random));
    let (quantity, price) = (random.between(1, 12), random.between(99, 49_900));
    let shipped = if random.permille(850) { 't' } else { 'f' };
    writeln!(
        out,
        "{id}\t{order}\t{article}\t{quantity}\t{price}\t{shipped}"
    )
}

fn write_audit(out: &mut dyn Write, random: &mut Random, id: u64, night: u32) -> io::Result<()> {
    let at = if night > 1 {
        words::last_day(random, night)
    } else {
        words::past(random)
    };
    let (actor, request) = (words::name(random), words::uuid(random));
    let (event, length) = (words::event_json(random), random.between(5, 18));
    let message = words::sentence(random, length);
    writeln!(
        out,
        "{id}\t{at}\t{actor}\t{request}\t{event}\t{message}\t\\N"
    )
}
