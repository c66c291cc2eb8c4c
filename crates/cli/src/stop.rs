//! Being asked to stop: Ctrl-C, SIGTERM, or the end of the input.

/// Waits until somebody asks.
pub(crate) async fn asked_for() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminated = signal(SignalKind::terminate())?;
        tokio::select! {
            asked = tokio::signal::ctrl_c() => asked,
            _ = terminated.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

/// Waits until whoever holds the other end of the standard input, a pipe, closes it or dies.
#[cfg(unix)]
pub(crate) async fn input_ended() -> std::io::Result<()> {
    use std::os::fd::AsFd as _;
    use tokio::io::AsyncReadExt as _;
    let input = std::io::stdin().as_fd().try_clone_to_owned()?;
    let mut input = tokio::net::unix::pipe::Receiver::from_owned_fd(input)?;
    while input.read(&mut [0; 64]).await? > 0 {}
    Ok(())
}

/// Waits until the standard input ends.
#[cfg(not(unix))]
pub(crate) async fn input_ended() -> std::io::Result<()> {
    let read = || std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).map(drop);
    tokio::task::spawn_blocking(read).await?
}
