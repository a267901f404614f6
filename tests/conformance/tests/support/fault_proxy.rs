//! A fault proxy in front of the broker, which can disconnect, stall and recover.

pub(crate) use ::fault_proxy::FaultMode;
use souk_bus::AmqpOptions;

pub(crate) struct FaultProxy(::fault_proxy::FaultProxy);

impl FaultProxy {
    pub(crate) async fn before(options: &mut AmqpOptions) -> Self {
        let mut uri: lapin::uri::AMQPUri = options.url.parse().unwrap();
        let broker = format!("{}:{}", uri.authority.host, uri.authority.port);
        let proxy = ::fault_proxy::FaultProxy::in_front_of(broker).await.unwrap();
        "127.0.0.1".clone_into(&mut uri.authority.host);
        uri.authority.port = proxy.address().port();
        options.url = uri.to_string();
        Self(proxy)
    }

    pub(crate) fn set_mode(&self, mode: FaultMode) {
        self.0.set_mode(mode);
    }

    pub(crate) fn disconnect_all(&self) {
        self.0.disconnect_all();
    }
}
