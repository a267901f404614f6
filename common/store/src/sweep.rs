//! Work that comes round again and again beside the requests: what was interrupted is carried on with, what is over is taken away. What
//! a sweep does is its service's own business.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use souk_types::Result;

/// Does `once` now, and again after `every` for as long as the process lives, never two at a time. `failed` is what the log says when it fails;
/// it is done again all the same.
pub fn sweep<F>(every: Duration, failed: &'static str, once: impl Fn() -> F + Send + 'static)
where
    F: Future<Output = Result<()>> + Send,
{
    tokio::spawn(async move {
        let mut tick = interval(every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            if let Err(error) = once().await {
                error.log(failed);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;
    use souk_types::Error;

    #[tokio::test]
    async fn it_goes_on_after_an_error() {
        let (told, mut heard) = mpsc::unbounded_channel();
        sweep(Duration::from_millis(1), "this is a test", move || {
            let told = told.clone();
            async move {
                let _ = told.send(());
                Err(Error::internal("on purpose"))
            }
        });
        for _ in 0..3 {
            heard.recv().await.unwrap();
        }
    }
}
