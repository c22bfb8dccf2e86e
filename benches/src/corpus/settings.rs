//! Nights of settings exports: forty near-identical computers with fifteen files each.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Result;

use super::{Plan, words};
use crate::random::Random;

const COMPUTERS: u64 = 40;
/// So many files change every night; most of them only in their time stamp.
const CHANGED: u64 = 50;
const CHANGED_PERMILLE_IN_STAMP_ONLY: u64 = 780;
/// In a computer's file so many settings differ from its neighbours'.
const OWN_SETTINGS: u64 = 6;

/// How a file is written.
#[derive(Debug, Clone, Copy)]
enum Format {
    Xml,
    Json,
    Ini,
    /// UTF-16LE with a byte order mark, as Windows exports its registry.
    Registry,
}

/// The files of every computer: name, format, sections of 20 settings each.
const FILES: [(&str, Format, u64); 15] = [
    ("system.xml", Format::Xml, 43),
    ("services.xml", Format::Xml, 52),
    ("tasks.xml", Format::Xml, 27),
    ("firewall.xml", Format::Xml, 55),
    ("network.json", Format::Json, 18),
    ("packages.json", Format::Json, 61),
    ("users.json", Format::Json, 9),
    ("printers.json", Format::Json, 8),
    ("browser.ini", Format::Ini, 15),
    ("mail.ini", Format::Ini, 12),
    ("backup.ini", Format::Ini, 5),
    ("desktop.ini", Format::Ini, 18),
    ("software.reg", Format::Registry, 33),
    ("policies.reg", Format::Registry, 21),
    ("drivers.reg", Format::Registry, 30),
];
const SETTINGS_PER_SECTION: u64 = 20;

/// A settings file before it is written.
#[derive(Debug, Clone)]
struct Document {
    format: Format,
    sections: Vec<Section>,
    saved_at: i64,
}

#[derive(Debug, Clone)]
struct Section {
    name: String,
    settings: Vec<(String, String)>,
}

/// Builds every night under `out`.
pub fn build(plan: &Plan, out: &Path) -> Result<()> {
    let mut computers = first_computers(plan);
    for night in 1..=plan.nights {
        if night > 1 {
            pass_day(&mut computers, plan, night);
        }
        let folder = plan.night_folder(out, night)?.join("settings");
        for (number, documents) in computers.iter().enumerate() {
            let folder = folder.join(format!("pc-{:02}", number + 1));
            fs::create_dir_all(&folder)?;
            for ((name, ..), document) in FILES.iter().zip(documents) {
                fs::write(folder.join(name), document.encode())?;
            }
        }
    }
    Ok(())
}

/// Every computer is a copy of one image, with a few settings of its own.
fn first_computers(plan: &Plan) -> Vec<Vec<Document>> {
    let mut random = Random::new(plan.seed, "image", 1);
    let image: Vec<Document> = FILES
        .iter()
        .map(|(_, format, sections)| Document::new(*format, *sections, &mut random))
        .collect();
    let mut random = Random::new(plan.seed, "computers", 1);
    (0..plan.size.of(COMPUTERS).max(2))
        .map(|_| {
            let mut documents = image.clone();
            for document in &mut documents {
                document.saved_at -= random.below(40 * 86_400) as i64;
                for _ in 0..OWN_SETTINGS {
                    document.change(&mut random);
                }
            }
            documents
        })
        .collect()
}

fn pass_day(computers: &mut [Vec<Document>], plan: &Plan, night: u32) {
    let mut random = Random::new(plan.seed, "day", night);
    let mut documents: Vec<&mut Document> = computers.iter_mut().flatten().collect();
    for _ in 0..plan.size.of(CHANGED).max(4) {
        let chosen = random.below(documents.len() as u64) as usize;
        let document = &mut *documents[chosen];
        document.saved_at = words::night_seconds(night) - random.below(86_400) as i64;
        if !random.permille(CHANGED_PERMILLE_IN_STAMP_ONLY) {
            for _ in 0..random.between(1, 5) {
                document.change(&mut random);
            }
        }
    }
}

impl Document {
    fn new(format: Format, sections: u64, random: &mut Random) -> Self {
        let sections = (0..sections).map(|_| Section::new(random)).collect();
        Self {
            format,
            sections,
            saved_at: words::night_seconds(1),
        }
    }

    /// Gives one setting another value.
    fn change(&mut self, random: &mut Random) {
        let section = random.below(self.sections.len() as u64) as usize;
        let settings = &mut self.sections[section].settings;
        let setting = random.below(settings.len() as u64) as usize;
        settings[setting].1 = value(random);
    }

    fn encode(&self) -> Vec<u8> {
        let saved_at = words::time(self.saved_at);
        let text = match self.format {
            Format::Xml => self.xml(&saved_at),
            Format::Json => self.json(&saved_at),
            Format::Ini => self.ini(&saved_at),
            Format::Registry => self.registry(&saved_at),
        };
        if matches!(self.format, Format::Registry) {
            let units = std::iter::once(0xfeff).chain(text.encode_utf16());
            return units.flat_map(u16::to_le_bytes).collect();
        }
        text.into_bytes()
    }

    fn xml(&self, saved_at: &str) -> String {
        let mut text = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n");
        let _ = writeln!(text, "<configuration savedAt=\"{saved_at}\">");
        for section in &self.sections {
            let _ = writeln!(text, "  <section name=\"{}\">", section.name);
            for (key, value) in &section.settings {
                let _ = writeln!(text, "    <setting key=\"{key}\" value=\"{value}\" />");
            }
            text.push_str("  </section>\n");
        }
        text.push_str("</configuration>\n");
        text
    }

    fn json(&self, saved_at: &str) -> String {
        let mut text = format!("{{\n  \"savedAt\": \"{saved_at}\"");
        for section in &self.sections {
            let _ = write!(text, ",\n  \"{}\": {{", section.name);
            for (index, (key, value)) in section.settings.iter().enumerate() {
                let comma = if index == 0 { "" } else { "," };
                let _ = write!(text, "{comma}\n    \"{key}\": \"{value}\"");
            }
            text.push_str("\n  }");
        }
        text.push_str("\n}\n");
        text
    }

    fn ini(&self, saved_at: &str) -> String {
        let mut text = format!("; saved {saved_at}\r\n");
        for section in &self.sections {
            let _ = write!(text, "\r\n[{}]\r\n", section.name);
            for (key, value) in &section.settings {
                let _ = write!(text, "{key}={value}\r\n");
            }
        }
        text
    }

    fn registry(&self, saved_at: &str) -> String {
        let mut text = String::from("Windows Registry Editor Version 5.00\r\n\r\n");
        let root = r"HKEY_LOCAL_MACHINE\SOFTWARE\Example";
        let _ = write!(text, "[{root}]\r\n\"SavedAt\"=\"{saved_at}\"\r\n");
        for section in &self.sections {
            let _ = write!(text, "\r\n[{root}\\{}]\r\n", section.name);
            for (key, value) in &section.settings {
                let _ = write!(text, "\"{key}\"=\"{value}\"\r\n");
            }
        }
        text
    }
}

impl Section {
    fn new(random: &mut Random) -> Self {
        let name = format!("{}{:03}", title(random), random.below(1000));
        let settings = (0..SETTINGS_PER_SECTION)
            .map(|index| {
                (
                    format!("{}{}{index}", title(random), title(random)),
                    value(random),
                )
            })
            .collect();
        Self { name, settings }
    }
}

fn title(random: &mut Random) -> &'static str {
    random.pick(&[
        "Default", "Max", "Enable", "Cache", "Update", "Proxy", "Server", "Client", "Timeout",
        "Path", "Log", "Retry", "Policy", "Window", "Font", "Session", "Remote", "Local", "Mode",
        "Driver", "Port", "Queue", "User", "Group", "Backup", "Service", "Network", "Language",
    ])
}

fn value(random: &mut Random) -> String {
    match random.below(10) {
        0..=3 => random.below(2).to_string(),
        4..=5 => random.below(65_536).to_string(),
        6 => format!(
            "C:/Program Files/{}/{}.dll",
            title(random),
            title(random).to_lowercase()
        ),
        7 => words::uuid(random),
        8 => format!(
            "10.{}.{}.{}",
            random.below(4),
            random.below(256),
            random.between(1, 254)
        ),
        _ => {
            let length = random.between(2, 6);
            words::sentence(random, length)
        }
    }
}
