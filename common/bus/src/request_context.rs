//! The id of the request that the current task works for. One id finds all log lines of a request.
//! A task that spawns another one passes the id on with [`scope`].

use std::future::Future;

use souk_types::RequestId;

tokio::task_local! {
    static CURRENT: RequestId;
}

/// Returns the id of the request that this task works for.
#[must_use]
pub fn current() -> Option<RequestId> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Runs `work` on behalf of a request, or of no request when `id` is `None`.
pub async fn scope<F: Future>(id: Option<RequestId>, work: F) -> F::Output {
    match id {
        Some(id) => CURRENT.scope(id, work).await,
        None => work.await,
    }
}

/// Runs a closure on behalf of a request, as [`scope`] does for a future.
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
