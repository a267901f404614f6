//! Shutdown signals of the operating system.

/// Returns a channel that receives a message at SIGTERM or SIGINT (Ctrl-C). From then on neither
/// signal ends the process by itself.
pub fn shutdown_signal() -> std::io::Result<tokio::sync::mpsc::Receiver<()>> {
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
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
        // An error means that the receiver was dropped.
        let _ = sender.send(()).await;
    });
    Ok(receiver)
}
