//! A wire to a server that a test can cut, stall, or take answers from.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Clone, Copy, PartialEq)]
enum State {
    Whole,
    /// Connections break, and new ones too.
    Cut,
    /// Nothing arrives and nothing breaks, as with a process that was stopped.
    Stalled,
}

type Lose = Option<(&'static str, u32)>;

/// A relay in front of a server.
pub(crate) struct Wire {
    /// The server's address, by this wire.
    pub(crate) uri: String,
    state: watch::Sender<State>,
    /// The command whose next answers are lost, and how many.
    lose: Arc<Mutex<Lose>>,
}

impl Wire {
    /// `uri` must name one host.
    pub(crate) async fn to(uri: &str) -> Self {
        let host = uri.trim_start_matches("mongodb://").split(['/', '?']).next().unwrap();
        let host = host.rsplit('@').next().unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap();
        let (state, seen) = watch::channel(State::Whole);
        let lose = Arc::new(Mutex::new(None));
        let losing = Arc::clone(&lose);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, host.clone(), seen.clone(), Arc::clone(&losing)));
            }
        });
        // Directly, because the server would tell its own address otherwise.
        Self { uri: format!("mongodb://{here}/?directConnection=true"), state, lose }
    }

    pub(crate) fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    pub(crate) fn stall(&self) {
        self.state.send_replace(State::Stalled);
    }

    pub(crate) fn mend(&self) {
        self.state.send_replace(State::Whole);
    }

    /// The next so many commands of this name arrive, and their connections break before the answers.
    pub(crate) fn lose_answers_to(&self, command: &'static str, times: u32) {
        *self.lose.lock().unwrap() = Some((command, times));
    }
}

async fn relay(mut client: TcpStream, host: String, mut state: watch::Receiver<State>, lose: Arc<Mutex<Lose>>) {
    if *state.borrow_and_update() == State::Cut {
        return;
    }
    let Ok(mut server) = TcpStream::connect(host).await else { return };
    let (mut asked, mut answered) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    let mut severed = false;
    loop {
        let now = *state.borrow_and_update();
        if now == State::Cut {
            return;
        }
        tokio::select! {
            changed = state.changed() => if changed.is_err() { return },
            read = client.read(&mut asked), if now == State::Whole => {
                let Ok(size @ 1..) = read else { return };
                severed |= is_asked_for(&asked[..size], &lose);
                if server.write_all(&asked[..size]).await.is_err() { return }
            }
            read = server.read(&mut answered), if now == State::Whole => {
                let Ok(size @ 1..) = read else { return };
                if severed || client.write_all(&answered[..size]).await.is_err() { return }
            }
        }
    }
}

/// Whether these bytes hold the command whose answer is to be lost.
fn is_asked_for(bytes: &[u8], lose: &Mutex<Lose>) -> bool {
    let mut lose = lose.lock().unwrap();
    let Some((command, times)) = *lose else { return false };
    let there = bytes.windows(command.len()).any(|some| some == command.as_bytes());
    if there {
        *lose = (times > 1).then_some((command, times - 1));
    }
    there
}
