//! Kills child processes when their owner ends. A shell reads from a pipe that only the owner
//! holds. When the owner returns, exits, panics or is killed, the kernel closes the pipe; the shell
//! then kills the guarded processes and removes their folders. `Drop` covers a normal return only.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Result};

/// Reads lines `+ resource` and `- resource`; at the end of input it removes the resources that are
/// left. Each line is one resource, because a path may contain spaces.
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

/// The pipe to the shell, which starts with the first guarded resource.
static PIPE: Mutex<Option<ChildStdin>> = Mutex::new(None);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Guarded {
    /// A process group, by the id of its leader.
    Group(u32),
    Container(String),
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

pub(crate) fn guard(resource: &Guarded) -> Result<()> {
    let mut pipe = PIPE.lock().unwrap_or_else(PoisonError::into_inner);
    let pipe = match &mut *pipe {
        Some(pipe) => pipe,
        none => none.insert(start()?),
    };
    pipe.write_all(resource.line('+').as_bytes()).map_err(Error::context("cannot write to the watchdog"))
}

/// Stops guarding a resource that was removed or must outlive this process.
pub(crate) fn release(resource: &Guarded) {
    if let Some(pipe) = &mut *PIPE.lock().unwrap_or_else(PoisonError::into_inner) {
        // A failed write means that the watchdog has ended and guards nothing.
        let _ = pipe.write_all(resource.line('-').as_bytes());
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
