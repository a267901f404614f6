//! What the operating system says to a process: whether it is to end. What ends then, and how, is up to who asks.

/// Gets something when the process is told to stop: by SIGTERM, or by SIGINT (Ctrl-C). From now on neither ends the process by itself.
///
/// # Errors
/// When the operating system does not let the process listen for signals.
pub fn shutdown_signal() -> std::io::Result<tokio::sync::mpsc::Receiver<()>> {
    let (tell, told) = tokio::sync::mpsc::channel(1);
    #[cfg(unix)]
    let mut signals = {
        use tokio::signal::unix::{SignalKind, signal};
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    #[cfg(windows)]
    let mut signals = (tokio::signal::windows::ctrl_c()?, tokio::signal::windows::ctrl_close()?);
    tokio::spawn(async move {
        tokio::select! {
            _ = signals.0.recv() => {}
            _ = signals.1.recv() => {}
        }
        // When nobody waits any more, nobody has to be told.
        let _ = tell.send(()).await;
    });
    Ok(told)
}
