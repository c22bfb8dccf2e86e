//! The SQL Browser: on which port a named instance listens (MS-SQLR, UDP 1434).

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

/// Where the browser listens.
const PORT: u16 = 1434;
/// How long one question waits for its answer, and how often it is asked: datagrams get lost.
const WAIT: Duration = Duration::from_secs(1);
const TRIES: u32 = 3;
/// `CLNT_UCAST_INST`: tell of one instance.
const ASK: u8 = 0x04;
/// `SVR_RESP`: an answer follows.
const ANSWER: u8 = 0x05;
/// A browser's answer is at most this long.
const ANSWER_BYTES_MAX: usize = 4096;

/// Asks the browser of `host` for the port of `instance`.
pub(super) fn port_of(host: &SocketAddr, instance: &str) -> Result<u16, String> {
    let browser = SocketAddr::new(host.ip(), PORT);
    ask(&browser, instance).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            format!("the SQL Browser at {browser} (UDP) does not answer")
        }
        _ => format!("the SQL Browser at {browser} (UDP): {error}"),
    })?
}

fn ask(browser: &SocketAddr, instance: &str) -> io::Result<Result<u16, String>> {
    let any = if browser.is_ipv4() {
        "0.0.0.0:0"
    } else {
        "[::]:0"
    };
    let socket = UdpSocket::bind(any)?;
    // Only this peer's datagrams are received then.
    socket.connect(browser)?;
    socket.set_read_timeout(Some(WAIT))?;
    let mut question = vec![ASK];
    question.extend_from_slice(instance.as_bytes());
    question.push(0);
    let mut buffer = vec![0; ANSWER_BYTES_MAX];
    let mut tries = 0;
    loop {
        socket.send(&question)?;
        match socket.recv(&mut buffer) {
            Ok(length) => {
                let answer = buffer.get(..length).unwrap_or_default();
                return Ok(parse(answer, instance));
            }
            Err(error) => {
                tries += 1;
                if tries == TRIES {
                    return Err(error);
                }
            }
        }
    }
}

/// Finds the TCP port in an answer: `name;value;` pairs after a header of three bytes.
fn parse(answer: &[u8], instance: &str) -> Result<u16, String> {
    let Some((&ANSWER, rest)) = answer.split_first() else {
        return Err("its answer is malformed".to_owned());
    };
    let text = String::from_utf8_lossy(rest.get(2..).unwrap_or_default());
    let fields: Vec<&str> = text.split(';').collect();
    let value = |name: &str| {
        fields
            .chunks_exact(2)
            .find(|pair| {
                pair.first()
                    .is_some_and(|key| key.eq_ignore_ascii_case(name))
            })
            .and_then(|pair| pair.get(1).copied())
    };
    match value("InstanceName") {
        Some(name) if name.eq_ignore_ascii_case(instance) => {}
        _ => return Err("its answer is about another instance".to_owned()),
    }
    value("tcp")
        .and_then(|port| port.parse().ok())
        .filter(|port| *port != 0)
        .ok_or_else(|| "it does not listen on TCP (enable the protocol)".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn answer(text: &str) -> Vec<u8> {
        let mut bytes = vec![ANSWER, text.len() as u8, 0];
        bytes.extend_from_slice(text.as_bytes());
        bytes
    }

    #[test]
    fn the_port_is_found_whatever_the_order() {
        let text = "ServerName;S;InstanceName;RTC;IsClustered;No;Version;9.00.3042.00;tcp;49312;np;\\\\S\\pipe;;";
        assert_eq!(parse(&answer(text), "rtc"), Ok(49312));
    }

    #[test]
    fn what_is_malformed_is_an_error() {
        for text in [
            "",
            "InstanceName;RTC",
            "InstanceName;RTC;tcp;",
            "InstanceName;RTC;tcp;0;",
            "InstanceName;RTC;tcp;70000;",
            "InstanceName;OTHER;tcp;1433;",
        ] {
            assert!(parse(&answer(text), "RTC").is_err(), "{text}");
        }
        for bytes in [&b""[..], &[ANSWER], &[ANSWER, 0], &[7, 0, 0]] {
            assert!(parse(bytes, "RTC").is_err());
        }
    }
}
