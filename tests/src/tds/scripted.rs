//! A server whose answers a test makes up.

use std::io::Write as _;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use super::packet::{ANSWER, BATCH, LOGIN, Message, PRELOGIN};
use super::token::{self, Answer};

type Script = dyn Fn(&str) -> Answer + Send + Sync;

/// A server that asks a function for every answer. Any password will do.
pub struct Scripted {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    /// Starts one of the protocol's version of SQL Server 2008. Statements that set a session up
    /// are answered without the function.
    pub fn start(script: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_version(0x730A_0003, script)
    }

    /// The same with another version of the protocol: `0x7209_0002` is that of 2005.
    pub fn start_version(
        version: u32,
        script: impl Fn(&str) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (script, seen): (Arc<Script>, _) = (Arc::new(script), Arc::clone(&asked));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, seen) = (Arc::clone(&script), Arc::clone(&seen));
                // A client that goes away is no failure of the test.
                thread::spawn(move || drop(serve(stream, version, &*script, &seen)));
            }
        });
        Self { port, asked }
    }

    /// Where it listens on this machine.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The batches that came so far, those that set sessions up left out.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(
    mut stream: TcpStream,
    version: u32,
    script: &Script,
    asked: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    while let Some(message) = Message::read(&mut stream)? {
        let (payload, cut) = match message.kind {
            PRELOGIN => (token::prelogin(), false),
            LOGIN => (token::login(version), false),
            BATCH => {
                let sql = message.sql();
                if sql.starts_with("SET TEXTSIZE") {
                    (Answer::Done.encode(), false)
                } else {
                    asked.lock().unwrap().push(sql.clone());
                    let answer = script(&sql);
                    (answer.encode(), matches!(answer, Answer::Cut(..)))
                }
            }
            kind => panic!("message of kind {kind}"),
        };
        if cut {
            // A packet that is promised longer than it comes.
            let length = (payload.len() + 9) as u16;
            let [high, low] = length.to_be_bytes();
            stream.write_all(&[ANSWER, 1, high, low, 0, 0, 1, 0])?;
            stream.write_all(&payload)?;
            return stream.shutdown(Shutdown::Both);
        }
        let kind = ANSWER;
        Message { kind, payload }.write(&mut stream)?;
    }
    Ok(())
}
