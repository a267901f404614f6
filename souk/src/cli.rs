//! The command line of `souk`.

use clap::{Parser, Subcommand};

use crate::admin::AdminCommand;
use crate::audit::AuditArgs;
use crate::backup::{BackupArgs, RestoreArgs};
use crate::credentials::CredentialsCommand;
use crate::dlq::DlqCommand;
use crate::mail::MailCommand;
use crate::migrate::MigrateCommand;
use crate::order::OrderArgs;
use crate::permissions::PermissionsArgs;
use crate::seed::SeedArgs;
use crate::settings::{FILE_HELP, UpArgs};
use crate::signing_key::SigningKeyCommand;
use crate::top::{PsArgs, TopArgs};

/// Runs a whole shop in one process, and maintains shops of any size.
///
/// Without a subcommand, `souk` runs the shop: the services customer, products, shopping, mail and
/// web, with their data in a directory. The other subcommands work on such a one-process shop or on
/// a fleet (the services as separate processes, with MongoDB and RabbitMQ).
///
/// A flag overrides its environment variable, and both override the file souk.toml.
#[derive(Parser)]
#[command(name = "souk", version, args_conflicts_with_subcommands = true, after_help = FILE_HELP)]
pub(crate) struct Souk {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    up: UpArgs,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run the shop in one process (the default)
    #[command(after_help = FILE_HELP)]
    Up(UpArgs),
    /// Manage staff accounts
    #[command(subcommand)]
    Admin(AdminCommand),
    /// Check that orders, stock, payments and accounts agree in all databases
    ///
    /// Reads the databases and a fleet's broker, and changes nothing. Prints one line for each
    /// finding that remains after --within, and exits with 1 when there is one.
    Audit(AuditArgs),
    /// Back up a running shop into a directory, or into an encrypted file
    ///
    /// All databases are copied as of one moment. The backup is the data directory of a
    /// one-process shop: `souk --data DIR` opens it, `souk restore` copies it into a shop. With a
    /// public key, it is one encrypted file, which `souk restore --identity` opens. `age-keygen`
    /// makes a pair of keys; the private one is not needed for backups. Until a backup is
    /// encrypted, it is in a private directory of TMPDIR, which is deleted also after an error.
    Backup(BackupArgs),
    /// Copy a backup into an empty shop
    ///
    /// The target is a new data directory, or the databases of a fleet whose services are stopped.
    Restore(RestoreArgs),
    /// Rewrite the stored documents of the previous release, while the shop sells
    ///
    /// A release reads the documents and messages of the one before, and writes what that one
    /// reads, until `run`. The release before does not start afterwards.
    #[command(subcommand)]
    Migrate(MigrateCommand),
    /// List, show and retry mails to customers
    #[command(subcommand)]
    Mail(MailCommand),
    /// Show the timeline of one order across all services
    Order(OrderArgs),
    /// Load the sample catalogue into a fleet, and create an admin
    ///
    /// Existing products and accounts stay as they are. A one-process shop loads its sample
    /// catalogue itself.
    Seed(SeedArgs),
    /// List the running instances of a fleet, and queues that need attention
    Ps(PsArgs),
    /// Show the running instances of a fleet live, until Ctrl-C
    Top(TopArgs),
    /// Print the rights of the services' users on RabbitMQ, as JSON
    ///
    /// The list `permissions` of RabbitMQ's definitions, for the operator's user `souk` and a user
    /// for each service. On MongoDB, a service needs `readWrite` on its own database.
    Permissions(PermissionsArgs),
    /// Replace the key that signs access tokens, in three steps, while sessions continue
    #[command(subcommand)]
    SigningKey(SigningKeyCommand),
    /// Replace the password of a service on RabbitMQ and MongoDB, while the shop sells
    ///
    /// `add` creates a second user with the same rights and writes its URLs into the files that the
    /// service reads at its start. Restart the instances one by one, then `retire` deletes the
    /// former user.
    #[command(subcommand)]
    Credentials(CredentialsCommand),
    /// Inspect, replay or drop events that a service of a fleet could not handle
    #[command(subcommand)]
    Dlq(DlqCommand),
}

impl Souk {
    pub(crate) fn command(self) -> Command {
        self.command.unwrap_or(Command::Up(self.up))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        <Souk as clap::CommandFactory>::command().debug_assert();
    }
}
