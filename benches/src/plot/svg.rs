//! As much of SVG as the pictures need.

use std::fmt::Write as _;

/// Text is grey enough for any page, and better where the viewer tells that the page is dark.
const STYLE: &str = "\
text { font: 12px system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #656d76; }
.title { font-weight: 600; font-size: 13px; }
.tick { font-size: 10.5px; }
.strong { font-weight: 600; }
.grid { stroke: #8b949e; stroke-opacity: .28; }
@media (prefers-color-scheme: dark) { text { fill: #b7c0ca; } }";

/// A picture being drawn.
#[derive(Debug)]
pub struct Svg {
    body: String,
    width: f64,
    height: f64,
}

impl Svg {
    /// An empty one; `title` is what a screen reader says.
    pub fn new(width: f64, height: f64, title: &str) -> Self {
        Self {
            body: format!("<title>{}</title>\n", escaped(title)),
            width,
            height,
        }
    }

    /// `anchor` is start, middle or end.
    pub fn text(&mut self, x: f64, y: f64, anchor: &str, class: &str, text: &str) {
        let _ = writeln!(
            self.body,
            r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" class="{class}">{}</text>"#,
            escaped(text)
        );
    }

    /// A thin line behind the data.
    pub fn grid(&mut self, from: (f64, f64), to: (f64, f64)) {
        let _ = writeln!(
            self.body,
            r#"<line x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}" class="grid"/>"#,
            from.0, from.1, to.0, to.1
        );
    }

    /// A filled rectangle.
    pub fn rectangle(&mut self, x: f64, y: f64, width: f64, height: f64, colour: &str) {
        let _ = writeln!(
            self.body,
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" fill="{colour}"/>"#
        );
    }

    /// A dot.
    pub fn dot(&mut self, centre: (f64, f64), radius: f64, colour: &str) {
        let _ = writeln!(
            self.body,
            r#"<circle cx="{:.1}" cy="{:.1}" r="{radius}" fill="{colour}"/>"#,
            centre.0, centre.1
        );
    }

    /// A line through points.
    pub fn path(&mut self, points: &[(f64, f64)], colour: &str, width: f64, dashed: bool) {
        let mut places = String::new();
        for (x, y) in points {
            let _ = write!(places, "{x:.1},{y:.1} ");
        }
        let dashes = if dashed {
            r#" stroke-dasharray="4 3""#
        } else {
            ""
        };
        let _ = writeln!(
            self.body,
            r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="{width}"{dashes}/>"#,
            places.trim_end()
        );
    }

    /// The file.
    pub fn finish(self) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" \
             height=\"{1}\" role=\"img\">\n<style>{STYLE}</style>\n{2}</svg>\n",
            self.width, self.height, self.body
        )
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// Every tag is closed in order, and nothing else looks like one.
#[cfg(test)]
pub fn assert_well_formed(text: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        let end = rest[start..].find('>').map(|end| start + end);
        let Some(end) = end else {
            panic!("a tag without end: {rest}");
        };
        let tag = &rest[start + 1..end];
        let name = tag.split_whitespace().next().unwrap_or_default();
        if let Some(name) = name.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "closed out of order");
        } else if !tag.ends_with('/') {
            open.push(name);
        }
        assert_eq!(tag.matches('"').count() % 2, 0, "quotes in {tag}");
        assert!(!tag.contains('<'), "{tag}");
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty() && !rest.contains('>'), "open: {open:?}");
}

#[cfg(test)]
mod tests {
    use super::{Svg, assert_well_formed};

    #[test]
    fn text_is_escaped() {
        let mut svg = Svg::new(10.0, 10.0, "a < b & c");
        svg.text(0.0, 0.0, "start", "label", "<script>");
        let text = svg.finish();
        assert_well_formed(&text);
        assert!(text.contains("&lt;script&gt;") && text.contains("a &lt; b &amp; c"));
    }
}
