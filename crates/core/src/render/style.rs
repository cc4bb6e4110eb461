//! Colours, and text that can do no harm to a terminal.

/// Whether and how output is coloured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Style {
    /// Use ANSI colours.
    pub colour: bool,
}

/// What a piece of text is, for its colour. Everything is readable without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Something new.
    Create,
    /// Something that changes.
    Change,
    /// Something that goes, or failed.
    Delete,
    /// Done.
    Good,
    /// A remark or something unimportant.
    Faint,
    /// A heading.
    Strong,
    /// A warning.
    Warning,
}

impl Style {
    /// The text, coloured if colours are on.
    pub fn paint(self, mark: Mark, text: &str) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let code = match mark {
            Mark::Create | Mark::Good => "32",
            Mark::Change | Mark::Warning => "33",
            Mark::Delete => "1;31",
            Mark::Faint => "2",
            Mark::Strong => "1",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// The text on one line without control characters: values from elsewhere must not steer a terminal or forge lines.
pub fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\r' | '\t' => ' ',
            c if c.is_control() || is_direction(c) => '\u{fffd}',
            c => c,
        })
        .collect()
}

/// Characters that reorder what stands around them.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Shortens a text to `width` characters, the last one a mark that something is missing.
pub fn shortened(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// Wraps words to lines of at most `width` characters; a longer word stands alone.
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
