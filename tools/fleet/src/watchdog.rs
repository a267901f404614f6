//! No child outlives its owner: a shell of a few lines waits at a pipe that only the owner holds.
//! When the owner ends, by `return`, `exit`, a panic, Ctrl-C or SIGKILL, the kernel closes the
//! pipe, and the shell kills what is still there and removes its folders. `Drop` alone would miss
//! all of these but the first.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Result};

/// Lines are `+ what` and `- what`; what is left at the end of input goes. Folders are ours alone
/// (`mktemp`), without spaces unless `TMPDIR` has some, hence the line as a whole.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
guarded='
'
newline='
'
while IFS= read -r line; do
    what=${line#??}
    case $line in
        +*) guarded=$guarded$what$newline ;;
        -*) case $guarded in
                *"$newline$what$newline"*)
                    guarded=${guarded%%"$newline$what$newline"*}$newline${guarded#*"$newline$what$newline"} ;;
            esac ;;
    esac
done
for pass in process folder; do
    printf %s "$guarded" | while IFS= read -r line; do
        case $pass,$line in
            process,group\ *) kill -s KILL -- "-${line#group }" 2>/dev/null ;;
            process,container\ *) docker rm --force --volumes "${line#container }" >/dev/null 2>&1 ;;
            folder,folder\ *)
                # A process that was just killed may still be writing its last file.
                rm -rf -- "${line#folder }" 2>/dev/null || { sleep 1; rm -rf -- "${line#folder }"; } ;;
        esac
    done
done
"#;

/// The pipe to the shell, from the first thing guarded on.
static PIPE: Mutex<Option<ChildStdin>> = Mutex::new(None);

/// Something that must not outlive this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Guarded {
    /// A process group, by its leader.
    Group(u32),
    /// A Docker container, by its id.
    Container(String),
    /// A temporary folder.
    Folder(String),
}

impl Guarded {
    pub(crate) fn folder(path: &Path) -> Self {
        Self::Folder(path.display().to_string())
    }

    fn line(&self, sign: char) -> String {
        match self {
            Self::Group(leader) => format!("{sign} group {leader}\n"),
            Self::Container(id) => format!("{sign} container {id}\n"),
            Self::Folder(path) => format!("{sign} folder {path}\n"),
        }
    }
}

/// From now on this goes when we go.
pub(crate) fn guard(what: &Guarded) -> Result<()> {
    let mut pipe = PIPE.lock().unwrap_or_else(PoisonError::into_inner);
    let pipe = match &mut *pipe {
        Some(pipe) => pipe,
        none => none.insert(start()?),
    };
    pipe.write_all(what.line('+').as_bytes()).map_err(Error::context("cannot tell the watchdog"))
}

/// It is gone, or others look after it.
pub(crate) fn release(what: &Guarded) {
    if let Some(pipe) = &mut *PIPE.lock().unwrap_or_else(PoisonError::into_inner) {
        // Without a watchdog there is nothing to release from.
        let _ = pipe.write_all(what.line('-').as_bytes());
    }
}

fn start() -> Result<ChildStdin> {
    let shell = Command::new("sh")
        .args(["-c", SCRIPT, "souk-watchdog"])
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn();
    let pipe = shell.map_err(Error::context("cannot start sh"))?.stdin;
    pipe.ok_or_else(|| Error::failed("sh has no standard input"))
}
