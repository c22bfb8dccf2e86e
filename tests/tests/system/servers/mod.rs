//! Dumps of live servers: backed up, restored, and loaded back.

mod mariadb;
mod postgres;
mod server;
