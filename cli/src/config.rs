//! `nightfold.toml`: the repository, where its password comes from, and named sources.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::exit::{Error, Result};
use crate::keep::KeepConfig;
use crate::machine::{from_environment, home};

const FILE_NAME: &str = "nightfold.toml";

/// What the file says. Unknown keys are errors: a misspelt one would silently not protect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// Where the repository is.
    pub repository: Option<PathBuf>,
    /// A file whose first line is the password.
    pub password_file: Option<PathBuf>,
    /// A shell command that prints the password.
    pub password_command: Option<String>,
    /// What `nightfold forget` keeps of sources that say nothing else.
    pub keep: Option<KeepConfig>,
    /// Parity of new packs in percent, instead of what `init` said.
    pub parity: Option<u8>,
    /// What `nightfold backup NAME` backs up.
    #[serde(default)]
    pub sources: BTreeMap<String, SourceConfig>,
    /// The file itself; `None` when there is none.
    #[serde(skip)]
    pub file: Option<PathBuf>,
}

/// `[sources.NAME]`: paths, a command, or databases.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SourceConfig {
    /// Files and folders.
    #[serde(default)]
    pub paths: Vec<PathBuf>,
    /// A program and its arguments, whose output is stored.
    #[serde(default)]
    pub command: Vec<String>,
    /// URLs of databases.
    #[serde(default)]
    pub databases: Vec<String>,
    /// All databases of the servers that these URLs name.
    #[serde(default)]
    pub all_databases: bool,
    /// A file whose first line is the password of the databases.
    pub password_file: Option<PathBuf>,
    /// A shell command that prints it.
    pub password_command: Option<String>,
    /// For backups by SQL Server itself: a folder that it writes and reads, as the server names it.
    pub staging_server: Option<String>,
    /// The same folder as this machine names it.
    pub staging_local: Option<PathBuf>,
    /// What the command's output is called in the snapshot.
    pub stdin_name: Option<String>,
    /// Tags of its snapshots.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Globs of what is left out.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// The host that its snapshots name instead of this one.
    pub host: Option<String>,
    /// What `nightfold forget` keeps of it.
    pub keep: Option<KeepConfig>,
}

impl Config {
    /// Reads the file named by the user, else the first that is there.
    pub fn load(named: Option<&Path>) -> Result<Self> {
        let named = named.map(Path::to_owned);
        if let Some(path) = named.or_else(|| from_environment("NIGHTFOLD_CONFIG")) {
            return Self::read(&path)?.ok_or_else(|| {
                let message = format!("the configuration file {} is not there", path.display());
                Error::failed(message, "see --config and NIGHTFOLD_CONFIG")
            });
        }
        let here = Path::new(FILE_NAME);
        // Whoever can write to the working folder could otherwise make us run commands.
        if may_trust(here)?
            && let Some(config) = Self::read(here)?
        {
            return Ok(config);
        }
        let user = from_environment("XDG_CONFIG_HOME").or_else(|| Some(home()?.join(".config")));
        let folders = user.into_iter().chain([PathBuf::from("/etc")]);
        for folder in folders {
            if let Some(config) = Self::read(&folder.join("nightfold").join(FILE_NAME))? {
                return Ok(config);
            }
        }
        Ok(Self::default())
    }

    fn read(path: &Path) -> Result<Option<Self>> {
        let failed = |error| {
            let message = format!(
                "cannot read the configuration file {}: {error}",
                path.display()
            );
            Error::failed(message, "")
        };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let path = std::path::absolute(path).map_err(failed)?;
        Self::parse(&text, &path).map(Some)
    }

    fn parse(text: &str, path: &Path) -> Result<Self> {
        let mut config: Self = toml::from_str(text).map_err(|error| explain(&error, text, path))?;
        for (name, source) in &config.sources {
            let given = [
                !source.paths.is_empty(),
                !source.command.is_empty(),
                !source.databases.is_empty(),
            ];
            if given.into_iter().filter(|given| *given).count() != 1 {
                let message = format!(
                    "{}: the source '{name}' needs either paths, or a command, or databases",
                    path.display()
                );
                return Err(Error::failed(message, ""));
            }
            if source.staging_server.is_some() != source.staging_local.is_some() {
                let message = format!(
                    "{}: the source '{name}' needs both staging-server and staging-local, or neither",
                    path.display()
                );
                return Err(Error::failed(
                    message,
                    "they name one folder, as the server and as this machine see it",
                ));
            }
        }
        let folder = path.parent().unwrap_or(path);
        config.resolve(folder);
        config.file = Some(path.to_owned());
        Ok(config)
    }

    /// Makes paths relative to the file, not to wherever cron starts us.
    fn resolve(&mut self, folder: &Path) {
        let paths = self.repository.iter_mut().chain(&mut self.password_file);
        let sources = self.sources.values_mut();
        let of_sources = sources.flat_map(|source| {
            for url in &mut source.databases {
                if let Some(file) = url.strip_prefix("sqlite:") {
                    let file = file.strip_prefix("//").unwrap_or(file);
                    *url = format!("sqlite:{}", folder.join(file).display());
                }
            }
            let files = source.paths.iter_mut().chain(&mut source.password_file);
            files.chain(&mut source.staging_local)
        });
        for path in paths.chain(of_sources) {
            if !path.to_string_lossy().contains("://") {
                *path = folder.join(&*path);
            }
        }
    }
}

/// Whether the file is not there, or belongs to us or to root.
fn may_trust(path: &Path) -> Result<bool> {
    let Ok(metadata) = std::fs::metadata(path) else {
        return Ok(true);
    };
    if [0, uzers::get_effective_uid()].contains(&metadata.uid()) {
        return Ok(true);
    }
    Err(Error::failed(
        "the nightfold.toml in this folder belongs to another user, who could have it run commands",
        "if you trust it, name it: --config ./nightfold.toml",
    ))
}

/// Names the line and the key. The line itself is not shown: it may hold a password after all.
fn explain(error: &toml::de::Error, text: &str, path: &Path) -> Error {
    let start = error.span().map_or(0, |span| span.start);
    let before = text.get(..start).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let message = format!("{}, line {line}: {}", path.display(), error.message());
    let hint = if message.contains("unknown field `password`") {
        "a password does not belong in this file: use password-file or password-command"
    } else {
        ""
    };
    Error::failed(message, hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config> {
        Config::parse(text, Path::new("/etc/nightfold/nightfold.toml"))
    }

    fn message(text: &str) -> String {
        match parse(text) {
            Err(Error::Failed(told)) => told.message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_full_file_is_read() {
        let config = parse(
            r#"
            repository = "/srv/nightfold"
            password-file = "password"
            [sources.app-db]
            command = ["pg_dump", "-Fp", "app"]
            stdin-name = "app.sql"
            tags = ["nightly"]
            host = "db1"
            [sources.shop]
            databases = ["postgres://db/shop", "sqlite:shop.db"]
            password-file = "shop-password"
            [sources.settings]
            paths = ["/etc", "extra"]
            exclude = ["*.tmp"]
            "#,
        )
        .unwrap();
        assert_eq!(config.repository, Some("/srv/nightfold".into()));
        assert_eq!(
            config.password_file,
            Some("/etc/nightfold/password".into()),
            "relative to the file"
        );
        assert_eq!(config.sources["app-db"].command[0], "pg_dump");
        assert_eq!(
            config.sources["app-db"].stdin_name.as_deref(),
            Some("app.sql")
        );
        let shop = &config.sources["shop"];
        assert_eq!(
            shop.databases,
            ["postgres://db/shop", "sqlite:/etc/nightfold/shop.db"]
        );
        assert_eq!(
            shop.password_file,
            Some("/etc/nightfold/shop-password".into())
        );
        assert_eq!(
            config.sources["settings"].paths,
            [PathBuf::from("/etc"), "/etc/nightfold/extra".into()]
        );
    }

    #[test]
    fn unknown_keys_are_named_with_their_line() {
        let text = message("repository = \"/x\"\npasword-file = \"/y\"\n");
        assert!(
            text.contains("line 2: unknown field `pasword-file`"),
            "{text}"
        );
        let text = message("[sources.a]\npaths = [\"/x\"]\ntag = []\n");
        assert!(text.contains("line 3: unknown field `tag`"), "{text}");
    }

    #[test]
    fn a_password_in_the_file_is_refused_and_not_repeated() {
        let Err(Error::Failed(told)) = parse("password = \"hunter2\"") else {
            panic!("accepted")
        };
        assert!(told.hint.contains("password-file"), "{told:?}");
        assert!(!format!("{told:?}").contains("hunter2"));
    }

    #[test]
    fn a_staging_folder_has_two_names() {
        let text = "[sources.a]\ndatabases = [\"mssql://sa@x/y\"]\nstaging-local = \"stage\"\n";
        assert!(message(text).contains("both staging-server and staging-local"));
        let text = format!("{text}staging-server = '\\\\nas\\stage'\n");
        let config = parse(&text).unwrap();
        let source = &config.sources["a"];
        assert_eq!(source.staging_server.as_deref(), Some(r"\\nas\stage"));
        assert_eq!(source.staging_local, Some("/etc/nightfold/stage".into()));
    }

    #[test]
    fn a_source_is_paths_or_a_command_or_databases() {
        assert!(message("[sources.a]\n").contains("'a' needs either"));
        let both = "[sources.a]\npaths = [\"/x\"]\ncommand = [\"true\"]\n";
        assert!(message(both).contains("'a' needs either"));
        let both = "[sources.a]\ndatabases = [\"mysql://x/y\"]\ncommand = [\"true\"]\n";
        assert!(message(both).contains("'a' needs either"));
    }
}
