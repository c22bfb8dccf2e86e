//! The folder through which SQL Server hands its own backups over, and takes them back.

use std::path::PathBuf;

use clap::Args;
use nightfold_ingest::mssql::native::Staging;

use crate::config::SourceConfig;

/// Options of verbs that need it.
#[derive(Debug, Args)]
pub struct StagingArgs {
    /// For backups by SQL Server itself: the folder that it writes and reads, as the server names it: '\\nas\stage'
    #[arg(long, value_name = "DIR", requires = "staging_local")]
    staging_server: Option<String>,
    /// The same folder as this machine names it
    #[arg(long, value_name = "DIR", requires = "staging_server")]
    staging_local: Option<PathBuf>,
}

impl StagingArgs {
    /// What the options say, else the source's configuration.
    pub fn find(&self, configured: Option<&SourceConfig>) -> Option<Staging> {
        let given = self.staging_server.clone().zip(self.staging_local.clone());
        let configured = || {
            let source = configured?;
            let server = source.staging_server.clone();
            server.zip(source.staging_local.clone())
        };
        let (server, local) = given.or_else(configured)?;
        Some(Staging { server, local })
    }
}
