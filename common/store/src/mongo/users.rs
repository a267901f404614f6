//! The users of a MongoDB server, for the operator's command that replaces their passwords.

use futures_util::TryStreamExt as _;
use mongodb::Database;
use mongodb::bson::{Bson, Document, doc};
use mongodb::options::ConnectionString;
use souk_types::{Error, Result};

use super::connection::{Connection, Failure, OPERATION_TIMEOUT};

/// The database that keeps users, unless their URI names another one: `authSource`, or else that of
/// its path.
const DEFAULT_SOURCE: &str = "admin";

/// The users of one MongoDB server, seen by an operator who may manage them.
pub struct MongoUsers {
    connection: Connection,
    /// The database that keeps the users, and that of the connection.
    source: String,
}

impl MongoUsers {
    /// Does not contact the server. `operator_uri` has the rights, and `user_uri` names the
    /// database that keeps the users. Errors: one of them cannot be read.
    pub fn new(operator_uri: &str, user_uri: &str) -> Result<Self> {
        // The driver cannot read these SRV names; the store resolves them itself.
        let plain = user_uri.strip_prefix("srv://").map(|rest| format!("mongodb://{rest}"));
        let user_uri = plain.as_deref().unwrap_or(user_uri);
        // The message of the driver could reveal a part of the URI, including the password.
        let unreadable = |_| Error::internal("the address of MongoDB cannot be read");
        let parsed = ConnectionString::parse(user_uri).map_err(unreadable)?;
        let source = parsed.credential.and_then(|credential| credential.source).or(parsed.default_database);
        let source = source.unwrap_or_else(|| DEFAULT_SOURCE.to_owned());
        Ok(Self { connection: Connection::new("souk", operator_uri, &source)?, source })
    }

    /// Whether the user exists.
    pub async fn exists(&self, user: &str) -> Result<bool> {
        Ok(self.roles(user).await?.is_some())
    }

    /// Creates the user `copy` with the roles of `user`. Errors: there is no `user`; `copy` exists.
    pub async fn copy(&self, user: &str, copy: &str, password: &str) -> Result<()> {
        let roles = self.roles(user).await?;
        let roles = roles.ok_or_else(|| Error::internal(format!("MongoDB has no user {user}")))?;
        let mechanisms = vec!["SCRAM-SHA-256"];
        let command = doc! {"createUser": copy, "pwd": password, "roles": roles, "mechanisms": mechanisms};
        self.run(command).await.map(drop)
    }

    /// Returns the number of open connections of the user to the primary, idle ones included.
    pub async fn connections(&self, user: &str) -> Result<usize> {
        let of_user = doc! {"$elemMatch": {"user": user, "db": &self.source}};
        let stages = [
            doc! {"$currentOp": {"allUsers": true, "idleConnections": true, "idleSessions": false}},
            doc! {"$match": {"effectiveUsers": of_user}},
            doc! {"$project": {"_id": 0, "connectionId": 1}},
        ];
        // MongoDB answers this in the database `admin` only.
        let read = |database: Database| async move {
            let admin = database.client().database("admin");
            Ok(admin.aggregate(stages).await?.try_collect::<Vec<Document>>().await?.len())
        };
        self.within(read).await
    }

    /// Deletes the user, whose connections lose their rights.
    pub async fn delete(&self, user: &str) -> Result<()> {
        self.run(doc! {"dropUser": user}).await.map(drop)
    }

    /// Closes the connections to the server.
    pub async fn close(&self) {
        self.connection.close().await;
    }

    async fn roles(&self, user: &str) -> Result<Option<Vec<Bson>>> {
        let answer = self.run(doc! {"usersInfo": {"user": user, "db": &self.source}}).await?;
        let unexpected = |error| Error::internal(format!("MongoDB: an answer to usersInfo is incomplete: {error}"));
        let users = answer.get_array("users").map_err(unexpected)?;
        let Some(found) = users.first().and_then(|found| found.as_document()) else { return Ok(None) };
        found.get_array("roles").map(|roles| Some(roles.clone())).map_err(unexpected)
    }

    async fn run(&self, command: Document) -> Result<Document> {
        self.within(|database| async move { Ok(database.run_command(command).await?) }).await
    }

    async fn within<R, F>(&self, work: impl FnOnce(Database) -> F + Send + 'static) -> Result<R>
    where
        R: Send + 'static,
        F: Future<Output = Result<R, Failure>> + Send + 'static,
    {
        // This database has no documents, and so no format.
        let outcome = self.connection.within_any_format(OPERATION_TIMEOUT, work).await;
        outcome.map_err(|failure| self.connection.explain(failure).into_error())
    }
}
