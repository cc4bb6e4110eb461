//! Breaking text into lines as Python's `textwrap` does.

/// How to break.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wrap {
    /// Characters in a line.
    pub(super) width: usize,
    /// Whether a word that is longer is broken.
    pub(super) break_long_words: bool,
    /// Whether words are broken behind hyphens.
    pub(super) break_on_hyphens: bool,
}

impl Wrap {
    /// The lines of a paragraph.
    pub(super) fn lines(self, paragraph: &str) -> Vec<String> {
        let mut chunks: Vec<Vec<char>> = self.chunks(paragraph);
        chunks.reverse();
        let mut lines: Vec<String> = Vec::new();
        while !chunks.is_empty() {
            let mut line: Vec<char> = Vec::new();
            if !lines.is_empty() && chunks.last().is_some_and(|chunk| is_blank(chunk)) {
                chunks.pop();
            }
            let mut last = Vec::new();
            while let Some(chunk) = chunks.pop_if(|chunk| line.len() + last.len() + chunk.len() <= self.width)
            {
                line.append(&mut last);
                last = chunk;
            }
            if let Some(chunk) = chunks.last_mut().filter(|chunk| chunk.len() > self.width) {
                line.append(&mut last);
                if self.break_long_words {
                    let rest = chunk.split_off(self.first_part(chunk, self.width - line.len()));
                    last = std::mem::replace(chunk, rest);
                } else if line.is_empty() {
                    last = chunks.pop().unwrap_or_default();
                }
            }
            // Blanks at the end of a line go.
            if !is_blank(&last) {
                line.append(&mut last);
            }
            if !line.is_empty() {
                lines.push(line.into_iter().collect());
            }
        }
        lines
    }

    /// How much of a word that is too long still goes on the line.
    fn first_part(self, word: &[char], space: usize) -> usize {
        if self.break_on_hyphens && word.len() > space {
            let hyphen = word[..space].iter().rposition(|c| *c == '-').filter(|at| *at > 0);
            if let Some(at) = hyphen.filter(|at| word[..*at].iter().any(|c| *c != '-')) {
                return at + 1;
            }
        }
        space
    }

    /// Words, the blanks between them, and the parts of hyphenated words.
    fn chunks(self, paragraph: &str) -> Vec<Vec<char>> {
        let characters: Vec<char> = paragraph.chars().collect();
        let mut chunks: Vec<Vec<char>> = Vec::new();
        let words = characters.chunk_by(|a, b| is_space(*a) == is_space(*b));
        for word in words {
            if is_blank(word) || !self.break_on_hyphens {
                chunks.push(word.to_vec());
                continue;
            }
            let mut start = 0;
            for end in 1..word.len() {
                if breaks(word, start, end) {
                    chunks.push(word[start..end].to_vec());
                    start = end;
                }
            }
            chunks.push(word[start..].to_vec());
        }
        chunks
    }
}

/// Whether a part of a word that began at `start` ends before `end` (the expression `wordsep_re` of `textwrap`).
fn breaks(word: &[char], start: usize, end: usize) -> bool {
    let at = |index: usize| word.get(index).copied().unwrap_or(' ');
    let before = |back: usize| end.checked_sub(back).map_or(' ', at);
    let letter = |c: char| is_word(c) && !c.is_numeric();
    let dashes = word[end..].iter().take_while(|c| **c == '-').count();
    let joined = |c: char| is_word(c) || "!\"'&.,?".contains(c);
    // Before and behind a dash of several hyphens.
    if dashes >= 2 && joined(before(1)) && is_word(at(end + dashes)) {
        return true;
    }
    let run = word[start..end].iter().rev().take_while(|c| **c == '-').count();
    if run == end - start && run >= 2 && start > 0 && joined(at(start - 1)) && is_word(at(end)) {
        return true;
    }
    before(1) == '-'
        && (letter(before(2)) && letter(before(3))
            || letter(before(2)) && before(3) == '-' && letter(before(4)))
        && letter(at(end))
        && (letter(at(end + 1)) || at(end + 1) == '-' && letter(at(end + 2)))
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn is_space(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\u{b}' | '\u{c}' | '\r' | ' ')
}

fn is_blank(text: &[char]) -> bool {
    text.iter().all(|c| is_space(*c))
}
