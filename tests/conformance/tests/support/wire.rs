//! A wire to a server that a test can cut, stall, or take answers from.

use fault_proxy::{FaultMode, FaultProxy};

/// A relay in front of a server.
pub(crate) struct Wire {
    /// The server's address, by this wire.
    pub(crate) uri: String,
    proxy: FaultProxy,
}

impl Wire {
    /// `uri` must name one host.
    pub(crate) async fn to(uri: &str) -> Self {
        let host = uri.trim_start_matches("mongodb://").split(['/', '?']).next().unwrap();
        let proxy = FaultProxy::in_front_of(host.rsplit('@').next().unwrap()).await.unwrap();
        // Directly, because the server would tell its own address otherwise.
        Self { uri: format!("mongodb://{}/?directConnection=true", proxy.address()), proxy }
    }

    pub(crate) fn cut(&self) {
        self.proxy.set_mode(FaultMode::Disconnect);
    }

    pub(crate) fn stall(&self) {
        self.proxy.set_mode(FaultMode::Stall);
    }

    pub(crate) fn mend(&self) {
        self.proxy.set_mode(FaultMode::PassThrough);
    }

    /// The next so many commands of this name arrive, and their connections break before the answers.
    pub(crate) fn drop_responses_to(&self, command: &'static str, times: u32) {
        self.proxy.drop_responses_to(command, times);
    }
}
