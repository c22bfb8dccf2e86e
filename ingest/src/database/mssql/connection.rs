//! A connection to SQL Server that blocks: the rest of the program is threads.

use std::future::Future;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::TryStreamExt as _;
use futures_util::future::{Either, select};
use tiberius::{AuthMethod, Client, Config, EncryptionLevel, QueryItem, Row};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt as _};

use super::address::{Address, DEFAULT_PORT, Encryption, Password, Trust};
use super::browser;
use super::error::{MssqlError, Result, told};

/// How long one address of a host may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// How often a waiting connection looks whether the run was told to stop.
const POLL: Duration = Duration::from_millis(100);
/// The largest packets that the server may agree to: a batch has at most 65536 of them.
const PACKET_BYTES: u32 = 32_767;

/// One session with a server.
pub struct Connection<'a> {
    runtime: Runtime,
    client: Client<Compat<TcpStream>>,
    interrupt: Option<&'a AtomicBool>,
    /// Set when an answer was left half read: what follows in the stream is not the next answer.
    broken: bool,
}

impl<'a> Connection<'a> {
    /// Connects and logs in. Commands have no time limit; they end when `interrupt` is set.
    pub fn open(
        address: &Address,
        password: &Password,
        interrupt: Option<&'a AtomicBool>,
    ) -> Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| MssqlError::io("cannot prepare the connection", error))?;
        let resolved = resolve(address)?;
        let client = wait(&runtime, interrupt, log_in(address, password, &resolved))??;
        let mut connection = Self {
            runtime,
            client,
            interrupt,
            broken: false,
        };
        connection.run("cannot prepare the session", SESSION)?;
        Ok(connection)
    }

    /// Runs a batch whose results do not matter. `what` begins the message if it fails.
    pub fn run(&mut self, what: &str, sql: &str) -> Result<()> {
        self.each_row(what, sql, &mut |_| Ok(()))
    }

    /// Runs a batch, and returns the rows of all its results.
    pub fn rows(&mut self, what: &str, sql: &str) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        self.each_row(what, sql, &mut |row| {
            rows.push(row);
            Ok(())
        })?;
        Ok(rows)
    }

    /// Runs a batch, and hands each row over as it comes. An error of the server at any place of
    /// the answer, or a connection that ends before it, is an error.
    pub fn each_row(
        &mut self,
        what: &str,
        sql: &str,
        take: &mut dyn FnMut(Row) -> Result<()>,
    ) -> Result<()> {
        if self.broken {
            return Err(MssqlError::Connection {
                what: what.to_owned(),
                reason: "it broke before".to_owned(),
            });
        }
        let client = &mut self.client;
        // Until the answer is read to its end.
        self.broken = true;
        let work = async {
            let mut stream = client
                .simple_query(sql)
                .await
                .map_err(|error| MssqlError::driver(what, error))?;
            while let Some(item) = stream
                .try_next()
                .await
                .map_err(|error| MssqlError::driver(what, error))?
            {
                if let QueryItem::Row(row) = item {
                    take(row)?;
                }
            }
            Ok(())
        };
        let done = wait(&self.runtime, self.interrupt, work).and_then(|done| done);
        // The driver tells of a server's error only after the whole answer.
        self.broken = !matches!(done, Ok(()) | Err(MssqlError::Server { .. }));
        done
    }
}

/// What every session is set to: the defaults of a login differ by server and by login.
const SESSION: &str = "SET TEXTSIZE 2147483647; SET ROWCOUNT 0; SET NOCOUNT ON; \
    SET LANGUAGE us_english; SET DATEFORMAT ymd; SET QUOTED_IDENTIFIER ON; SET ANSI_NULLS ON; \
    SET ANSI_PADDING ON; SET ANSI_WARNINGS ON; SET ARITHABORT ON; SET CONCAT_NULL_YIELDS_NULL ON; \
    SET NUMERIC_ROUNDABORT OFF; SET IMPLICIT_TRANSACTIONS OFF; SET XACT_ABORT ON;";

/// Drives `work` to its end, unless the run is told to stop before.
fn wait<T>(
    runtime: &Runtime,
    interrupt: Option<&AtomicBool>,
    work: impl Future<Output = T>,
) -> Result<T> {
    let stopped = async {
        let Some(interrupt) = interrupt else {
            return std::future::pending().await;
        };
        while !interrupt.load(Ordering::Relaxed) {
            tokio::time::sleep(POLL).await;
        }
    };
    runtime.block_on(async {
        match select(pin!(work), pin!(stopped)).await {
            Either::Left((done, _)) => Ok(done),
            Either::Right(((), _)) => Err(MssqlError::Interrupted),
        }
    })
}

fn resolve(address: &Address) -> Result<Vec<SocketAddr>> {
    let port = address.port.unwrap_or(DEFAULT_PORT);
    let unreachable = |source| MssqlError::Unreachable {
        address: address.to_string(),
        source,
    };
    let found: Vec<_> = (address.host.as_str(), port)
        .to_socket_addrs()
        .map_err(unreachable)?
        .collect();
    let Some(first) = found.first() else {
        return Err(unreachable(std::io::ErrorKind::NotFound.into()));
    };
    let (None, Some(instance)) = (address.port, &address.instance) else {
        return Ok(found);
    };
    let port = browser::port_of(first, instance).map_err(|reason| MssqlError::Instance {
        host: address.host.clone(),
        instance: instance.clone(),
        reason,
    })?;
    Ok(found
        .iter()
        .map(|one| SocketAddr::new(one.ip(), port))
        .collect())
}

async fn log_in(
    address: &Address,
    password: &Password,
    resolved: &[SocketAddr],
) -> Result<Client<Compat<TcpStream>>> {
    let stream = dial(address, resolved).await?;
    let config = config(address, password, &address.host);
    match Box::pin(Client::connect(config, stream.compat_write())).await {
        Ok(client) => Ok(client),
        // A gateway names the server that has the database.
        Err(tiberius::error::Error::Routing { host, port }) => {
            let unreachable = |source| MssqlError::Unreachable {
                address: format!("{host}:{port}"),
                source,
            };
            let resolved: Vec<_> = (host.as_str(), port)
                .to_socket_addrs()
                .map_err(unreachable)?
                .collect();
            let stream = dial(address, &resolved).await?;
            let config = self::config(address, password, &host);
            Box::pin(Client::connect(config, stream.compat_write()))
                .await
                .map_err(|error| refused(address, error))
        }
        Err(error) => Err(refused(address, error)),
    }
}

async fn dial(address: &Address, resolved: &[SocketAddr]) -> Result<TcpStream> {
    let mut last = std::io::Error::from(std::io::ErrorKind::NotFound);
    for one in resolved {
        match tokio::time::timeout(CONNECT_TIMEOUT, dial_one(*one)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = std::io::ErrorKind::TimedOut.into(),
        }
    }
    Err(MssqlError::Unreachable {
        address: address.to_string(),
        source: last,
    })
}

async fn dial_one(address: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // A backup is silent for hours: a peer that is gone must be noticed all the same.
    socket.set_keepalive(true)?;
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn config(address: &Address, password: &Password, host: &str) -> Config {
    let mut config = Config::new();
    config.host(host);
    config.database(&address.database);
    config.application_name("nightfold");
    config.authentication(AuthMethod::sql_server(&address.user, password.expose()));
    config.packet_size(PACKET_BYTES);
    config.command_timeout(None);
    config.encryption(match address.encryption {
        Encryption::Required => EncryptionLevel::Required,
        Encryption::LoginOnly => EncryptionLevel::Off,
        Encryption::Off => EncryptionLevel::NotSupported,
    });
    match &address.trust {
        Trust::System => {}
        Trust::CaFile(path) => config.trust_cert_ca(path.display()),
        Trust::Anyone => config.trust_cert(),
    }
    config
}

fn refused(address: &Address, error: tiberius::error::Error) -> MssqlError {
    use tiberius::error::Error as Driver;
    let shown = address.to_string();
    match error {
        Driver::Server(token) => MssqlError::Login {
            address: shown,
            user: address.user.clone(),
            database: address.database.clone(),
            number: token.code(),
            message: token.message().to_owned(),
        },
        Driver::Tls(reason) => MssqlError::Tls {
            address: shown,
            reason: format!(
                "{}; name the authority's certificate, or say that it is trusted",
                first_sentence(&reason)
            ),
        },
        Driver::Protocol(reason) if reason.contains("encryption level") => MssqlError::Tls {
            address: shown,
            reason: "the server does not offer it; encryption must be turned off for this server, \
                     inside a network that is trusted"
                .to_owned(),
        },
        other => MssqlError::Connection {
            what: format!("cannot log in to {shown}"),
            reason: told(&other),
        },
    }
}

/// The driver goes on about its own functions.
fn first_sentence(reason: &str) -> &str {
    reason.split_once(". ").map_or(reason, |(first, _)| first)
}
