//! A wire to a server that a test can cut, stall, or take answers from.

use fault_proxy::{FaultProxy, Way};

/// A relay in front of a server.
pub(crate) struct Wire {
    /// The server's address, by this wire.
    pub(crate) uri: String,
    relay: FaultProxy,
}

impl Wire {
    /// `uri` must name one host.
    pub(crate) async fn to(uri: &str) -> Self {
        let host = uri.trim_start_matches("mongodb://").split(['/', '?']).next().unwrap();
        let relay = FaultProxy::to(host.rsplit('@').next().unwrap()).await.unwrap();
        // Directly, because the server would tell its own address otherwise.
        Self { uri: format!("mongodb://{}/?directConnection=true", relay.address()), relay }
    }

    pub(crate) fn cut(&self) {
        self.relay.set(Way::Cut);
    }

    pub(crate) fn stall(&self) {
        self.relay.set(Way::Silent);
    }

    pub(crate) fn mend(&self) {
        self.relay.set(Way::Open);
    }

    /// The next so many commands of this name arrive, and their connections break before the answers.
    pub(crate) fn lose_answers_to(&self, command: &'static str, times: u32) {
        self.relay.lose_answers_to(command, times);
    }
}
