//! A proxy in front of MongoDB that can cut, stall, or drop responses.

use fault_proxy::{FaultMode, FaultProxy};

pub(crate) struct Wire {
    pub(crate) uri: String,
    proxy: FaultProxy,
}

impl Wire {
    /// `uri` must name one host.
    pub(crate) async fn to(uri: &str) -> Self {
        let host = uri.trim_start_matches("mongodb://").split(['/', '?']).next().unwrap();
        let proxy = FaultProxy::in_front_of(host.rsplit('@').next().unwrap()).await.unwrap();
        // A direct connection, because the server would announce its own address.
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

    /// Lets the next `times` commands arrive and breaks their connections before the response.
    pub(crate) fn drop_responses_to(&self, command: &'static str, times: u32) {
        self.proxy.drop_responses_to(command, times);
    }
}
