//! The way of calls to one service, and of its replies.

use lapin::Consumer;
use lapin::options::BasicConsumeOptions;
use lapin::types::FieldTable;

use super::connection::Connection;
use super::topology::{Names, declare_reply_queue};
use souk_types::Result;

/// Where the calls of one connection to one service go. The replies come to a queue of its own:
/// only the service learns its name, and only the service may publish to the exchange before it.
#[derive(Debug, Clone)]
pub(super) struct RpcRoute {
    pub(super) exchange: String,
    pub(super) key: String,
    pub(super) reply_to: String,
}

impl RpcRoute {
    /// Declares the queue of the replies. The exchanges of the service must exist.
    pub(super) async fn prepare(
        connection: &Connection,
        names: &Names,
        caller: &str,
        service: &str,
    ) -> Result<(Self, Consumer)> {
        let channel = connection.channel().await?;
        let reply_to = declare_reply_queue(connection, &channel, names, caller, service).await?;
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let consuming = channel.basic_consume(reply_to.as_str().into(), "".into(), options, FieldTable::default());
        let replies = connection.bounded(consuming).await?;
        Ok((Self { exchange: names.calls(service), key: names.rpc_queue(service), reply_to }, replies))
    }
}
