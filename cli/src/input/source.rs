//! What `nightfold backup` is asked to read: paths, standard input, databases, a named source, or a command.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use nightfold_ingest::{DatabaseUrl, UrlError, is_database_url};

use crate::config::{Config, SourceConfig};
use crate::exit::{Error, Result};

/// What was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// What to read.
    pub input: Input,
    /// The source's name in nightfold.toml.
    pub name: Option<String>,
    /// Tags from nightfold.toml.
    pub tags: Vec<String>,
    /// Globs from nightfold.toml.
    pub excludes: Vec<String>,
    /// The host from nightfold.toml.
    pub host: Option<String>,
}

/// Where bytes come from.
#[derive(Debug, PartialEq, Eq)]
pub enum Input {
    /// Files and folders.
    Paths(Vec<PathBuf>),
    /// Standard input, stored under this name.
    Standard(Vec<u8>),
    /// What a command prints, stored under this name.
    Command(Vec<u8>, Vec<OsString>),
    /// Live databases; whether all of their servers'.
    Databases(Vec<DatabaseUrl>, bool),
}

impl Default for Input {
    fn default() -> Self {
        Self::Paths(Vec::new())
    }
}

/// Makes sense of `backup`'s arguments.
pub fn ask(
    what: &[OsString],
    command: bool,
    stdin_name: Option<&OsStr>,
    config: &Config,
) -> Result<Asked> {
    if command {
        let input = command_input(what, stdin_name)?;
        return Ok(Asked {
            input,
            ..Asked::default()
        });
    }
    if let Some(urls) = databases(what)? {
        return Ok(Asked {
            input: Input::Databases(urls, false),
            ..Asked::default()
        });
    }
    if let [only] = what {
        if only == "-" {
            let name = stored_name(stdin_name.unwrap_or(OsStr::new("stdin")))?;
            return Ok(Asked {
                input: Input::Standard(name),
                ..Asked::default()
            });
        }
        if let Some((name, source)) = named(only, config) {
            return from_config(name, source, stdin_name);
        }
    }
    if stdin_name.is_some() {
        return Err(Error::usage(
            "--stdin-name names standard input or a command's output, and neither is read",
            "write '-' to read standard input",
        ));
    }
    for text in what {
        check_path(text, config)?;
    }
    Ok(Asked {
        input: Input::Paths(what.iter().map(PathBuf::from).collect()),
        ..Asked::default()
    })
}

fn from_config(name: &str, source: &SourceConfig, stdin_name: Option<&OsStr>) -> Result<Asked> {
    let input = if !source.paths.is_empty() {
        Input::Paths(source.paths.clone())
    } else if !source.databases.is_empty() {
        let urls = source.databases.iter().map(|text| url(text));
        Input::Databases(urls.collect::<Result<_>>()?, source.all_databases)
    } else {
        let argv: Vec<_> = source.command.iter().map(OsString::from).collect();
        let configured = source.stdin_name.as_deref().map(OsStr::new);
        command_input(&argv, stdin_name.or(configured))?
    };
    Ok(Asked {
        input,
        name: Some(name.to_owned()),
        tags: source.tags.clone(),
        excludes: source.exclude.clone(),
        host: source.host.clone(),
    })
}

/// The databases, if that is what is asked for.
fn databases(what: &[OsString]) -> Result<Option<Vec<DatabaseUrl>>> {
    let is_url = |text: &&OsString| text.to_str().is_some_and(is_database_url);
    let Some(first) = what.iter().find(is_url) else {
        return Ok(None);
    };
    if !what.iter().all(|text| is_url(&text)) {
        // The URL is not shown: it may hold a password that does not belong there.
        let scheme = first.to_string_lossy();
        let scheme = scheme.split(':').next().unwrap_or_default();
        return Err(Error::usage(
            format!(
                "databases make a snapshot of their own, and there are other things than {scheme}: ones"
            ),
            "run nightfold once for them and once for the paths",
        ));
    }
    let urls = what.iter().map(|text| url(&text.to_string_lossy()));
    urls.collect::<Result<_>>().map(Some)
}

/// A database's URL.
pub fn url(text: &str) -> Result<DatabaseUrl> {
    text.parse().map_err(|error: UrlError| {
        let hint = match error {
            UrlError::Password => {
                "set NIGHTFOLD_DATABASE_PASSWORD_FILE or NIGHTFOLD_DATABASE_PASSWORD, or use --database-password-file"
            }
            UrlError::Malformed(..) => "one looks like postgres://user@host:5432/database",
        };
        Error::usage(error.to_string(), hint)
    })
}

fn command_input(argv: &[OsString], stdin_name: Option<&OsStr>) -> Result<Input> {
    let program = argv.first().map(Path::new).and_then(Path::file_name);
    let name = stdin_name.or(program).unwrap_or(OsStr::new("stdin"));
    Ok(Input::Command(stored_name(name)?, argv.to_vec()))
}

/// A restore must be able to make a file of this name.
fn stored_name(name: &OsStr) -> Result<Vec<u8>> {
    let bytes = name.as_bytes();
    let part_is_bad = |part: &[u8]| part.is_empty() || part == b"." || part == b"..";
    let inner = bytes.strip_prefix(b"/").unwrap_or(bytes);
    if inner.split(|byte| *byte == b'/').any(part_is_bad) || bytes.contains(&0) {
        let message = format!("'{}' is no name for a file", name.display());
        return Err(Error::usage(message, "--stdin-name takes one like app.sql"));
    }
    Ok(name.to_os_string().into_vec())
}

fn named<'c>(text: &OsStr, config: &'c Config) -> Option<(&'c str, &'c SourceConfig)> {
    let (name, source) = config.sources.get_key_value(text.to_str()?)?;
    Some((name, source))
}

/// Catches mistakes whose message would otherwise be about a file nobody meant.
fn check_path(text: &OsStr, config: &Config) -> Result<()> {
    if text == "-" {
        return Err(Error::usage(
            "standard input makes a snapshot of its own",
            "run nightfold once for it and once for the paths",
        ));
    }
    if named(text, config).is_some() {
        return Err(Error::usage(
            format!(
                "'{}' is a source and makes a snapshot of its own",
                text.display()
            ),
            format!("to mean the path, write ./{}", text.display()),
        ));
    }
    let is_bare = !text.as_bytes().contains(&b'/');
    if is_bare && std::fs::symlink_metadata(text).is_err() {
        let names: Vec<_> = config.sources.keys().map(String::as_str).collect();
        let hint = match &config.file {
            Some(file) if names.is_empty() => format!("{} names no sources", file.display()),
            Some(file) => format!("{} names these: {}", file.display(), names.join(", ")),
            None => "no nightfold.toml was found (see --config)".to_owned(),
        };
        let message = format!("'{}' is neither a path here nor a source", text.display());
        return Err(Error::failed(message, hint));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        let source = SourceConfig {
            command: vec!["/usr/bin/pg_dump".into(), "app".into()],
            tags: vec!["nightly".into()],
            ..SourceConfig::default()
        };
        Config {
            sources: [("app-db".to_owned(), source)].into(),
            ..Config::default()
        }
    }

    fn ask_for(what: &[&str], command: bool, stdin_name: Option<&str>) -> Result<Asked> {
        let what: Vec<_> = what.iter().map(OsString::from).collect();
        ask(&what, command, stdin_name.map(OsStr::new), &config())
    }

    fn input(what: &[&str], command: bool, stdin_name: Option<&str>) -> Input {
        ask_for(what, command, stdin_name).unwrap().input
    }

    #[test]
    fn a_source_in_the_configuration_wins_over_a_path() {
        let asked = ask_for(&["app-db"], false, None).unwrap();
        assert_eq!(asked.name.as_deref(), Some("app-db"));
        assert_eq!(asked.tags, ["nightly"]);
        let argv = vec!["/usr/bin/pg_dump".into(), "app".into()];
        assert_eq!(asked.input, Input::Command(b"pg_dump".to_vec(), argv));
        assert_eq!(
            input(&["./app-db"], false, None),
            Input::Paths(vec!["./app-db".into()])
        );
    }

    #[test]
    fn streams_have_names() {
        assert_eq!(
            input(&["-"], false, None),
            Input::Standard(b"stdin".to_vec())
        );
        assert_eq!(
            input(&["-"], false, Some("app.sql")),
            Input::Standard(b"app.sql".to_vec())
        );
        assert_eq!(
            input(&["/bin/echo", "-n"], true, None),
            Input::Command(b"echo".to_vec(), vec!["/bin/echo".into(), "-n".into()])
        );
        for bad in ["", "..", "a/../b", "a/"] {
            assert!(ask_for(&["-"], false, Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn urls_are_databases() {
        let two = ["postgres://db/a", "sqlite:b.db"];
        let urls = two.map(|text| text.parse().unwrap()).to_vec();
        assert_eq!(input(&two, false, None), Input::Databases(urls, false));
        assert!(ask_for(&["postgres://db/a", "/etc"], false, None).is_err());
        let Err(Error::Usage(told)) = ask_for(&["mysql://me:hunter2@db/a"], false, None) else {
            panic!("accepted")
        };
        assert!(!format!("{told:?}").contains("hunter2"), "{told:?}");
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for what in [&["app-db", "/etc"][..], &["-", "/etc"], &["no-such-thing"]] {
            assert!(ask_for(what, false, None).is_err(), "{what:?}");
        }
        assert!(ask_for(&["/etc"], false, Some("x")).is_err());
    }
}
