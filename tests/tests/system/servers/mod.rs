//! Dumps of live servers: backed up, restored, and loaded back.

pub mod mariadb;
pub mod postgres;
pub mod server;
