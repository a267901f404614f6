//! A relay in front of the broker: through it a check makes the broker vanish, fall silent and come back.

pub(crate) use ::fault_proxy::Way;
use souk_bus::AmqpOptions;

pub(crate) struct FaultProxy(::fault_proxy::FaultProxy);

impl FaultProxy {
    /// In front of the broker of `options`, which then lead to the relay.
    pub(crate) async fn before(options: &mut AmqpOptions) -> Self {
        let mut uri: lapin::uri::AMQPUri = options.url.parse().unwrap();
        let broker = format!("{}:{}", uri.authority.host, uri.authority.port);
        let relay = ::fault_proxy::FaultProxy::to(broker).await.unwrap();
        "127.0.0.1".clone_into(&mut uri.authority.host);
        uri.authority.port = relay.address().port();
        options.url = uri.to_string();
        Self(relay)
    }

    pub(crate) fn set(&self, way: Way) {
        self.0.set(way);
    }

    /// Ends the connections of now; the next ones pass.
    pub(crate) fn interrupt(&self) {
        self.0.interrupt();
    }
}
