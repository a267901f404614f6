//! What the operating system says to a process: whether it is to end. What ends then, and how, is up to who asks.

/// Gets something when the process is told to stop: by SIGTERM, or by SIGINT (Ctrl-C). From then on neither ends the process by itself.
///
/// # Errors
/// When the operating system does not let the process listen for signals.
pub fn told_to_stop() -> std::io::Result<tokio::sync::mpsc::Receiver<()>> {
    let (tell, told) = tokio::sync::mpsc::channel(1);
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::spawn(async move {
        #[cfg(unix)]
        let terminated = terminate.recv();
        #[cfg(not(unix))]
        let terminated = std::future::pending::<Option<()>>();
        tokio::select! {
            _ = terminated => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        // When nobody waits any more, nobody has to be told.
        let _ = tell.send(()).await;
    });
    Ok(told)
}
