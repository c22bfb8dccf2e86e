//! What the figures were measured on.

use std::fs;

/// The processor and the memory, as far as the kernel tells.
pub fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let processor = kernel_fact("/proc/cpuinfo", "model name");
    let memory = kernel_fact("/proc/meminfo", "MemTotal");
    format!("{cores} cores ({processor}), memory {memory}")
}

fn kernel_fact(file: &str, key: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text
        .lines()
        .find(|line| line.starts_with(key))
        .unwrap_or_default();
    line.split_once(':')
        .map_or("unknown", |(_, value)| value.trim())
        .to_owned()
}
