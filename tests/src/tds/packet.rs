//! Messages: packets of a kind, of which the last is marked.

use std::io::{self, Read, Write};

const HEADER_BYTES: usize = 8;
/// What both sides begin with, and all that these servers ever send.
const PACKET_BYTES: usize = 4096;
const LAST: u8 = 1;

pub(super) const BATCH: u8 = 0x01;
pub(super) const ANSWER: u8 = 0x04;
pub(super) const LOGIN: u8 = 0x10;
pub(super) const PRELOGIN: u8 = 0x12;

/// A message without its headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) kind: u8,
    pub(super) payload: Vec<u8>,
}

impl Message {
    /// Reads one. `None` if the other side has gone.
    pub(super) fn read(from: &mut impl Read) -> io::Result<Option<Self>> {
        let mut payload = Vec::new();
        loop {
            let mut header = [0; HEADER_BYTES];
            match from.read_exact(&mut header) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
                other => other?,
            }
            let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
            let mut part = vec![0; length.saturating_sub(HEADER_BYTES)];
            from.read_exact(&mut part)?;
            payload.extend_from_slice(&part);
            if header[1] & LAST != 0 {
                return Ok(Some(Self {
                    kind: header[0],
                    payload,
                }));
            }
        }
    }

    pub(super) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let mut parts = self.payload.chunks(PACKET_BYTES - HEADER_BYTES).peekable();
        let mut number = 1_u8;
        while let Some(part) = parts.next() {
            let status = u8::from(parts.peek().is_none()) * LAST;
            let length = (part.len() + HEADER_BYTES) as u16;
            let [high, low] = length.to_be_bytes();
            to.write_all(&[self.kind, status, high, low, 0, 0, number, 0])?;
            to.write_all(part)?;
            number = number.wrapping_add(1);
        }
        to.flush()
    }

    /// The T-SQL of a batch: after the headers, whose length comes first.
    pub(super) fn sql(&self) -> String {
        let start = self.payload.get(..4).map_or(0, |length| {
            u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize
        });
        let units: Vec<u16> = self.payload[start..]
            .chunks_exact(2)
            .map(|unit| u16::from_le_bytes([unit[0], unit[1]]))
            .collect();
        String::from_utf16(&units).unwrap()
    }
}
