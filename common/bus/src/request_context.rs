//! The request that the current task works for. The bus carries its id to other services, so that all log lines of one request
//! can be found by one id. A task that spawns another one passes the id on with [`scope`].

use std::future::Future;

use souk_types::RequestId;

tokio::task_local! {
    static CURRENT: RequestId;
}

/// The request that this task works on.
#[must_use]
pub fn current() -> Option<RequestId> {
    CURRENT.try_with(Clone::clone).ok()
}

/// `work`, done because of this request; because of none when that is `None`.
pub async fn scope<F: Future>(id: Option<RequestId>, work: F) -> F::Output {
    match id {
        Some(id) => CURRENT.scope(id, work).await,
        None => work.await,
    }
}

/// As [`scope`], for work that does not wait.
pub fn sync_scope<R>(id: Option<RequestId>, work: impl FnOnce() -> R) -> R {
    match id {
        Some(id) => CURRENT.sync_scope(id, work),
        None => work(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_id_is_set_inside_its_scope_only() {
        let id = RequestId::new();
        assert_eq!(scope(Some(id.clone()), async { current() }).await, Some(id));
        assert_eq!(current(), None);
    }
}
