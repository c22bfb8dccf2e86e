//! Databases as users name them: `sqlite:PATH`, `postgres://user@host:port/db`, `mysql://…`, `mssql://…`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use url::Url;

use super::sqlite;

/// The kinds of databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Engine {
    /// A file of SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgres,
    /// MariaDB and MySQL.
    Mysql,
    /// SQL Server.
    Mssql,
}

impl Engine {
    /// As URLs begin.
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
            Self::Mssql => "mssql",
        }
    }

    fn of_scheme(scheme: &str) -> Option<Self> {
        match scheme {
            "sqlite" => Some(Self::Sqlite),
            "postgres" | "postgresql" => Some(Self::Postgres),
            "mysql" | "mariadb" => Some(Self::Mysql),
            "mssql" | "sqlserver" => Some(Self::Mssql),
            _ => None,
        }
    }

    /// Parameters that a URL may have after its `?`.
    fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::Sqlite => &[],
            Self::Postgres => &[
                "host",
                "sslmode",
                "sslrootcert",
                "sslcert",
                "sslkey",
                "connect_timeout",
            ],
            Self::Mysql => &["socket", "ssl-ca", "ssl-cert", "ssl-key", "ssl-mode"],
            Self::Mssql => &["encrypt", "ca", "isolation", "texts"],
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
            Self::Mysql => "MariaDB or MySQL",
            Self::Mssql => "SQL Server",
        })
    }
}

/// What the file of roles is called after the folder of a server's dumps.
pub(super) const GLOBALS_SUFFIX: &str = ".globals.sql";
/// And that of accounts.
pub(super) const GRANTS_SUFFIX: &str = ".grants.sql";
/// Stands for the host where a URL has none.
const HERE: &str = "here";

/// A database, or a server with all of its databases. Never holds a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// A file of SQLite.
    Sqlite(PathBuf),
    /// One on a server.
    Server(ServerUrl),
}

/// A database on a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUrl {
    /// What kind of server.
    pub engine: Engine,
    /// Who logs in, if the URL says so.
    pub user: Option<String>,
    /// Its name, its address, or for PostgreSQL the folder of its socket. `None`: this machine, as the tools of the
    /// database find it.
    pub host: Option<String>,
    /// TCP port.
    pub port: Option<u16>,
    /// The instance of a SQL Server.
    pub instance: Option<String>,
    /// The database; `None`: all of them, or the one that a snapshot tells of.
    pub database: Option<String>,
    /// What stands after the `?`.
    pub parameters: BTreeMap<String, String>,
}

/// Why a text names no database.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Passwords on command lines and in configuration files are seen by others.
    #[error(
        "a database URL must not hold a password: whoever lists the running programs would see it"
    )]
    Password,
    /// It does not follow the rules for URLs.
    #[error("'{0}' is no database URL: {1}")]
    Malformed(String, String),
}

/// Whether a text begins as a database URL does.
pub fn is_database_url(text: &str) -> bool {
    let scheme = text.split_once(':').map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| Engine::of_scheme(scheme).is_some())
}

impl DatabaseUrl {
    /// The kind of database.
    pub fn engine(&self) -> Engine {
        match self {
            Self::Sqlite(_) => Engine::Sqlite,
            Self::Server(server) => server.engine,
        }
    }

    /// Where its dump lies in a snapshot; of all databases of a server the folder.
    pub fn stored_path(&self, all: bool, extension: &str) -> crate::Result<Vec<u8>> {
        match self {
            Self::Sqlite(path) => sqlite::dump_path(path),
            Self::Server(server) => Ok(match (&server.database, all) {
                (Some(database), false) => server.dump_path(database, extension),
                _ => server.folder(),
            }),
        }
    }

    /// The same from whatever folder.
    pub(crate) fn absolute(&self) -> Self {
        match self {
            Self::Sqlite(path) => {
                Self::Sqlite(std::path::absolute(path).unwrap_or_else(|_| path.clone()))
            }
            Self::Server(_) => self.clone(),
        }
    }

    /// The name of the database, if one is named.
    pub fn database(&self) -> Option<String> {
        match self {
            Self::Sqlite(path) => Some(path.display().to_string()),
            Self::Server(server) => server.database.clone(),
        }
    }
}

impl FromStr for DatabaseUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let whole = text;
        let malformed = |why: &str| UrlError::Malformed(without_password(whole), why.to_owned());
        let (scheme, rest) = text.split_once(':').unwrap_or((text, ""));
        let Some(engine) = Engine::of_scheme(scheme) else {
            return Err(malformed(
                "it begins with none of sqlite:, postgres://, mysql:// and mssql://",
            ));
        };
        if engine == Engine::Sqlite {
            // A path as it is: nothing in it is an escape.
            let path = rest.strip_prefix("//").unwrap_or(rest);
            return match path {
                "" => Err(malformed("the path of the file is missing")),
                path => Ok(Self::Sqlite(PathBuf::from(path))),
            };
        }
        // A user on this machine, as libpq's URLs have it; the rules for URLs want a host beside a user.
        let end = rest.get(2..).and_then(|rest| rest.find(['/', '?', '#']));
        let (before, after) = text.split_at(end.map_or(text.len(), |end| scheme.len() + 3 + end));
        let here = before.ends_with('@') || before.contains("@:");
        let text = if here {
            let (user, port) = before.split_at(before.rfind('@').map_or(0, |at| at + 1));
            format!("{user}{HERE}{port}{after}")
        } else {
            text.to_owned()
        };
        let url = Url::parse(&text).map_err(|error| malformed(&error.to_string()))?;
        if url.password().is_some() {
            return Err(UrlError::Password);
        }
        if !rest.starts_with("//") {
            return Err(malformed("// must follow the first colon"));
        }
        if url.fragment().is_some() {
            return Err(malformed("write a '#' in it as %23"));
        }
        let decode = |part: &str| {
            let decoded = percent_decode_str(part).decode_utf8();
            decoded
                .map(Cow::into_owned)
                .map_err(|_| malformed("its escapes make no UTF-8"))
        };
        let some = |part: &str| match part {
            "" => Ok(None),
            part => decode(part).map(Some),
        };
        let mut parts: Vec<&str> = url.path().split('/').skip(1).collect();
        let database = some(parts.pop().unwrap_or_default())?;
        let instance = match parts.pop() {
            Some(instance) if engine == Engine::Mssql => some(instance)?,
            Some(_) => return Err(malformed("a '/' in the name of a database is written %2F")),
            None => None,
        };
        if !parts.is_empty() {
            return Err(malformed("it has too many parts"));
        }
        let mut parameters = BTreeMap::new();
        for (name, value) in url.query_pairs() {
            if !engine.parameters().contains(&&*name) {
                let known = engine.parameters().join(", ");
                return Err(malformed(&format!(
                    "'{name}' is no parameter that is known here; there are {known}"
                )));
            }
            parameters.insert(name.into_owned(), value.into_owned());
        }
        let host = some(url.host_str().filter(|_| !here).unwrap_or_default())?;
        let host = host.map(|host| host.trim_matches(['[', ']']).to_owned());
        Ok(Self::Server(ServerUrl {
            engine,
            user: some(url.username())?,
            host: host.or_else(|| parameters.remove("host")),
            port: url.port(),
            instance,
            database,
            parameters,
        }))
    }
}

/// What may be shown of a text that is no proper URL.
fn without_password(text: &str) -> String {
    let Some((before, host)) = text.rsplit_once('@') else {
        return text.to_owned();
    };
    match before.split_once("//") {
        Some((scheme, user)) => {
            let user = user.split(':').next().unwrap_or_default();
            format!("{scheme}//{user}@{host}")
        }
        None => format!("…@{host}"),
    }
}

/// Without the user: who makes a backup is no part of what it is of.
impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Server(server) => {
                write!(f, "{}://{}", server.engine.scheme(), server.place())?;
                match &server.database {
                    Some(database) => write!(f, "/{database}"),
                    None => Ok(()),
                }
            }
        }
    }
}

impl ServerUrl {
    /// A server on this machine, without database.
    pub(super) fn on_socket(engine: Engine, user: &str, socket: &Path) -> Self {
        let socket = socket.display().to_string();
        let (host, parameters) = match engine {
            Engine::Postgres => (Some(socket), BTreeMap::new()),
            _ => (None, BTreeMap::from([("socket".to_owned(), socket)])),
        };
        Self {
            engine,
            user: Some(user.to_owned()),
            host,
            port: None,
            instance: None,
            database: None,
            parameters,
        }
    }

    /// Host, port and instance in one word; empty if the URL names none of them.
    pub(crate) fn place(&self) -> String {
        let mut place = match &self.host {
            Some(host) => host.clone(),
            None => String::new(),
        };
        if let Some(port) = self.port {
            let _ = write!(place, ":{port}");
        }
        if let Some(instance) = &self.instance {
            let _ = write!(place, "/{instance}");
        }
        place
    }

    /// The folder of this server's dumps in a snapshot.
    pub(crate) fn folder(&self) -> Vec<u8> {
        let place = match self.place() {
            place if place.is_empty() => "local".to_owned(),
            place => place,
        };
        format!("/{}/{}", self.engine.scheme(), part(&place)).into_bytes()
    }

    /// Where the dump of a database lies in a snapshot.
    pub(crate) fn dump_path(&self, database: &str, extension: &str) -> Vec<u8> {
        let name = part(database);
        [
            &self.folder()[..],
            format!("/{name}.{extension}").as_bytes(),
        ]
        .concat()
    }
}

/// A name as one part of a path that any system can have.
fn part(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for (at, character) in name.chars().enumerate() {
        let leads = at == 0 && character == '.';
        if leads || character.is_control() || matches!(character, '/' | '\\' | '%') {
            for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                let _ = write!(out, "%{byte:02X}");
            }
        } else {
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn server(text: &str) -> ServerUrl {
        match text.parse() {
            Ok(DatabaseUrl::Server(server)) => server,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn all_parts_of_a_url_are_understood() {
        let url = server("postgresql://me%40home@db.example.org:5433/my%2Fshop?sslmode=require");
        assert_eq!(url.engine, Engine::Postgres);
        assert_eq!(url.user.as_deref(), Some("me@home"));
        assert_eq!(url.host.as_deref(), Some("db.example.org"));
        assert_eq!(url.port, Some(5433));
        assert_eq!(url.database.as_deref(), Some("my/shop"));
        assert_eq!(url.parameters["sslmode"], "require");
        assert_eq!(
            url.dump_path("my/shop", "sql"),
            b"/postgres/db.example.org:5433/my%2Fshop.sql"
        );

        let url = server("mssql://sa@srv/rtc/LcsLog");
        assert_eq!(
            (url.instance.as_deref(), url.database.as_deref()),
            (Some("rtc"), Some("LcsLog"))
        );
        assert_eq!(url.folder(), b"/mssql/srv%2Frtc");

        let url = server("postgres:///shop?host=/run/postgresql");
        assert_eq!(url.host.as_deref(), Some("/run/postgresql"));
        let url = server("postgres://me@/shop?host=/run/postgresql");
        assert_eq!(url.host.as_deref(), Some("/run/postgresql"));
        let url = server("postgres://me@:5433/shop?host=/run/postgresql");
        assert_eq!(url.host.as_deref(), Some("/run/postgresql"));
        assert_eq!(url.port, Some(5433));
        let url = server("postgres://me@");
        assert_eq!((url.user.as_deref(), url.host), (Some("me"), None));
        let url = server("postgres://%2Frun%2Fpostgresql/shop");
        assert_eq!(url.host.as_deref(), Some("/run/postgresql"));
        let url = server("mariadb://root@[::1]:3307/");
        assert_eq!((url.host.as_deref(), url.database), (Some("::1"), None));
        assert_eq!(server("mysql:///shop").folder(), b"/mysql/local");
    }

    #[test]
    fn paths_of_sqlite_are_taken_as_they_are() {
        for (text, path) in [
            ("sqlite:a b%20.db", "a b%20.db"),
            ("sqlite:///var/x?y.db", "/var/x?y.db"),
        ] {
            assert_eq!(text.parse(), Ok(DatabaseUrl::Sqlite(path.into())));
        }
        assert!("sqlite:".parse::<DatabaseUrl>().is_err());
    }

    #[test]
    fn the_user_is_no_part_of_what_is_shown() {
        let url: DatabaseUrl = "postgres://me@db/shop".parse().unwrap();
        assert_eq!(url.to_string(), "postgres://db/shop");
        let url: DatabaseUrl = "mysql://me@db".parse().unwrap();
        assert_eq!(url.to_string(), "mysql://db");
    }

    #[test]
    fn passwords_are_refused_and_not_shown() {
        for text in [
            "postgres://me:hunter2@db/shop",
            "mysql://me:hunter2@db:notaport/shop",
            "mssql://me:hunter2@/x/y/z/shop",
            "oracle://me:hunter2@db",
            "postgres:me:hunter2@db",
        ] {
            let error = text.parse::<DatabaseUrl>().unwrap_err();
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for text in [
            "oracle://db/x",
            "postgres://db/a/b",
            "postgres:db",
            "postgres://db/x?sslmod=require",
            "postgres://db/x#y",
            "mssql://srv/a/b/c",
            "mysql://db:99999/x",
        ] {
            assert!(text.parse::<DatabaseUrl>().is_err(), "{text}");
        }
        assert!(is_database_url("sqlite:x") && !is_database_url("/etc") && !is_database_url("C:x"));
    }
}
