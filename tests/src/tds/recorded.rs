//! Conversations with a real server: written down once, and said again in tests.
//!
//! A file is text. `#` begins what it is about; `>` a message of the client, by its kind, and `|`
//! each line of its batch; `<` the server's answer in Base64. Logins are not written down.

use std::fmt::Write as _;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::packet::{ANSWER, BATCH, LOGIN, Message, PRELOGIN};

/// Stands between a client and a server, and writes down what they say. Without encryption.
pub struct Recorder {
    port: u16,
    said: Arc<Mutex<String>>,
    path: PathBuf,
}

impl Recorder {
    /// `about` tells which server and version it is.
    pub fn start(server: SocketAddr, about: &str, path: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let said = Arc::new(Mutex::new(format!("# {about}\n")));
        let writing = Arc::clone(&said);
        thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            let mut server = TcpStream::connect(server).unwrap();
            while let Ok(Some(question)) = Message::read(&mut client) {
                question.write(&mut server).unwrap();
                let answer = Message::read(&mut server).unwrap().unwrap();
                writing.lock().unwrap().push_str(&turn(&question, &answer));
                answer.write(&mut client).unwrap();
            }
        });
        Self {
            port,
            said,
            path: path.to_owned(),
        }
    }

    /// Where it listens on this machine.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Writes the file.
    pub fn finish(self) {
        fs::write(self.path, self.said.lock().unwrap().as_bytes()).unwrap();
    }
}

fn turn(question: &Message, answer: &Message) -> String {
    let mut text = format!("> {}\n", name(question.kind));
    if question.kind == BATCH {
        for line in question.sql().split('\n') {
            let _ = writeln!(text, "|{line}");
        }
    }
    for part in STANDARD.encode(&answer.payload).as_bytes().chunks(120) {
        let _ = writeln!(text, "<{}", std::str::from_utf8(part).unwrap());
    }
    text
}

fn name(kind: u8) -> &'static str {
    match kind {
        BATCH => "batch",
        LOGIN => "login",
        PRELOGIN => "prelogin",
        kind => panic!("message of kind {kind}"),
    }
}

/// A turn of a conversation: kind and text of the question, and the answer.
type Turn = (String, String, Vec<u8>);

/// A server that says again what is written down, as long as the client does too.
pub struct Replay {
    port: u16,
    /// What went otherwise than written down, or that it went to the end.
    ended: Option<thread::JoinHandle<Result<(), String>>>,
}

impl Replay {
    /// Reads a file, and waits for one client.
    pub fn start(path: &Path) -> Self {
        let turns = parse(&fs::read_to_string(path).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let ended = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            for (kind, text, payload) in turns {
                let Ok(Some(question)) = Message::read(&mut stream) else {
                    return Err(format!("the client went before it said: {kind} {text}"));
                };
                let said = match question.kind {
                    BATCH => question.sql(),
                    _ => String::new(),
                };
                if name(question.kind) != kind || said != text {
                    return Err(format!("recorded: {kind} {text}\nsaid: {said}"));
                }
                let kind = ANSWER;
                Message { kind, payload }.write(&mut stream).unwrap();
            }
            match Message::read(&mut stream) {
                Ok(Some(more)) => Err(format!("said more: {}", more.sql())),
                _ => Ok(()),
            }
        });
        Self {
            port,
            ended: Some(ended),
        }
    }

    /// Where it listens on this machine.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether the client said what is written down, and no more. Its connection must be closed.
    pub fn finish(mut self) {
        let ended = self.ended.take().unwrap().join().unwrap();
        assert_eq!(ended, Ok(()));
    }
}

fn parse(text: &str) -> Vec<Turn> {
    let mut turns: Vec<(String, Vec<&str>, String)> = Vec::new();
    for line in text.split('\n').filter(|line| !line.is_empty()) {
        let (sign, rest) = line.split_at(1);
        match sign {
            ">" => turns.push((rest.trim().to_owned(), Vec::new(), String::new())),
            "|" => turns.last_mut().unwrap().1.push(rest),
            "<" => turns.last_mut().unwrap().2.push_str(rest.trim()),
            _ => {}
        }
    }
    turns
        .into_iter()
        .map(|(kind, lines, answer)| (kind, lines.join("\n"), STANDARD.decode(answer).unwrap()))
        .collect()
}
