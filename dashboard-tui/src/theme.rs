//! Colours by role, for every kind of terminal; and the ASCII stand-ins.

use ratatui::style::{Color, Modifier, Style};
use sagascope_api::text::{Mark, Tone};

/// How many colours the terminal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// None, or none wanted (`NO_COLOR`).
    None,
    /// The sixteen named ones.
    Sixteen,
    /// The 256 indexed ones.
    Indexed,
    /// 24 bits.
    True,
}

/// The ground the terminal writes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ground {
    /// Light text on dark.
    #[default]
    Dark,
    /// Dark text on light.
    Light,
}

/// How things look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Theme {
    pub(crate) depth: Depth,
    pub(crate) ground: Ground,
    pub(crate) ascii: bool,
}

/// What the environment says of the terminal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment {
    pub(crate) no_color: Option<String>,
    pub(crate) colorterm: Option<String>,
    pub(crate) term: Option<String>,
    pub(crate) colorfgbg: Option<String>,
    /// The first of `LC_ALL`, `LC_CTYPE`, `LANG` that is set.
    pub(crate) locale: Option<String>,
}

impl Environment {
    pub(crate) fn read() -> Self {
        let get = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            no_color: get("NO_COLOR"),
            colorterm: get("COLORTERM"),
            term: get("TERM"),
            colorfgbg: get("COLORFGBG"),
            locale: get("LC_ALL").or_else(|| get("LC_CTYPE")).or_else(|| get("LANG")),
        }
    }

    fn depth(&self) -> Depth {
        let term = self.term.as_deref().unwrap_or_default();
        if self.no_color.is_some() {
            Depth::None
        } else if matches!(self.colorterm.as_deref(), Some("truecolor" | "24bit")) || term.ends_with("-direct") {
            Depth::True
        } else if term.contains("256color") {
            Depth::Indexed
        } else {
            Depth::Sixteen
        }
    }

    /// `COLORFGBG` ends in the number of the ground's colour; 7 and 15 are the light ones.
    fn ground(&self) -> Ground {
        match self.colorfgbg.as_deref().and_then(|text| text.rsplit(';').next()) {
            Some("7" | "15") => Ground::Light,
            _ => Ground::Dark,
        }
    }

    /// Only what is told to lack the glyphs gets ASCII; a locale that is not set says nothing.
    fn ascii(&self) -> bool {
        let console = self.term.as_deref() == Some("linux");
        console
            || self.locale.as_deref().is_some_and(|locale| {
                let locale = locale.to_ascii_lowercase();
                !locale.contains("utf-8") && !locale.contains("utf8")
            })
    }
}

impl Theme {
    /// What suits the terminal, unless a person said otherwise.
    pub(crate) fn detect(environment: &Environment, ground: Option<Ground>, ascii: bool) -> Self {
        Self {
            depth: environment.depth(),
            ground: ground.unwrap_or_else(|| environment.ground()),
            ascii: ascii || environment.ascii(),
        }
    }

    /// A state's colour; without colours the urgent is bold and the absent dim.
    pub(crate) fn tone(self, tone: Tone) -> Style {
        let index = tone as usize;
        let dark = self.ground == Ground::Dark;
        match self.depth {
            Depth::None => match tone {
                Tone::Bad | Tone::Practice => Style::new().add_modifier(Modifier::BOLD),
                Tone::Dim => Style::new().add_modifier(Modifier::DIM),
                _ => Style::new(),
            },
            Depth::Sixteen => Style::new().fg(if dark { DARK_16[index] } else { LIGHT_16[index] }),
            Depth::Indexed => Style::new().fg(Color::Indexed(if dark { DARK_256[index] } else { LIGHT_256[index] })),
            Depth::True => Style::new().fg(Color::from_u32(if dark { DARK_RGB[index] } else { LIGHT_RGB[index] })),
        }
    }

    /// Secondary text.
    pub(crate) fn dim(self) -> Style {
        self.tone(Tone::Dim)
    }

    /// Titles and headings.
    pub(crate) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// The frame around the part that has the keyboard.
    pub(crate) fn focus(self) -> Style {
        self.tone(Tone::Info).add_modifier(Modifier::BOLD)
    }

    /// Laid over the selected row; it shows on light and dark ground alike.
    pub(crate) fn selected(self) -> Style {
        let ground = match (self.depth, self.ground) {
            (Depth::None | Depth::Sixteen, _) => {
                return Style::new().fg(Color::Reset).add_modifier(Modifier::REVERSED);
            }
            (Depth::Indexed, Ground::Dark) => Color::Indexed(237),
            (Depth::Indexed, Ground::Light) => Color::Indexed(253),
            (Depth::True, Ground::Dark) => Color::from_u32(0x2a_3a_4f),
            (Depth::True, Ground::Light) => Color::from_u32(0xd6_e8_fa),
        };
        Style::new().bg(ground).add_modifier(Modifier::BOLD)
    }

    /// What must not be missed: reversed in the tone's colour.
    pub(crate) fn loud(self, tone: Tone) -> Style {
        self.tone(tone).add_modifier(Modifier::REVERSED | Modifier::BOLD)
    }

    /// A colour for a name, always the same one; never the red of failures.
    pub(crate) fn named(self, name: &str) -> Style {
        const TONES: [Tone; 4] = [Tone::Info, Tone::Good, Tone::Undo, Tone::Notice];
        let sum = name
            .bytes()
            .fold(5_381_u32, |sum, byte| sum.wrapping_mul(33) ^ u32::from(byte));
        self.tone(TONES[sum as usize % TONES.len()])
    }

    /// A state's shape.
    pub(crate) fn glyph(self, mark: Mark) -> &'static str {
        if self.ascii { mark.ascii } else { mark.glyph }
    }

    /// `unicode`, or its stand-in.
    pub(crate) fn pick(self, unicode: &'static str, ascii: &'static str) -> &'static str {
        if self.ascii { ascii } else { unicode }
    }
}

// In the order of `Tone`: Info, Good, Notice, Undo, Bad, Practice, Dim.
const DARK_16: [Color; 7] = [
    Color::LightBlue,
    Color::Green,
    Color::Yellow,
    Color::Magenta,
    Color::LightRed,
    Color::LightMagenta,
    Color::DarkGray,
];
const LIGHT_16: [Color; 7] = [
    Color::Blue,
    Color::Green,
    Color::Yellow,
    Color::Magenta,
    Color::Red,
    Color::LightMagenta,
    Color::DarkGray,
];
const DARK_256: [u8; 7] = [75, 78, 179, 141, 203, 212, 245];
const LIGHT_256: [u8; 7] = [25, 22, 94, 91, 160, 162, 241];
const DARK_RGB: [u32; 7] = [
    0x6c_b6_ff, 0x57_c7_7a, 0xe3_b3_41, 0xb3_92_f0, 0xff_6b_6b, 0xf7_78_ba, 0x8b_94_9e,
];
const LIGHT_RGB: [u32; 7] = [
    0x05_50_ae, 0x11_63_29, 0x7d_4e_00, 0x66_39_ba, 0xcf_22_2e, 0xbf_39_89, 0x57_60_6a,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(term: &str, colorterm: Option<&str>, locale: Option<&str>) -> Environment {
        Environment {
            term: Some(term.into()),
            colorterm: colorterm.map(Into::into),
            locale: locale.map(Into::into),
            ..Environment::default()
        }
    }

    #[test]
    fn the_terminal_gets_the_colours_it_has() {
        for (term, colorterm, depth) in [
            ("xterm", None, Depth::Sixteen),
            ("xterm-256color", None, Depth::Indexed),
            ("xterm-256color", Some("truecolor"), Depth::True),
            ("xterm-direct", None, Depth::True),
        ] {
            assert_eq!(environment(term, colorterm, None).depth(), depth, "{term}");
        }
        let plain = Environment {
            no_color: Some("1".into()),
            ..environment("xterm-256color", Some("truecolor"), None)
        };
        assert_eq!(plain.depth(), Depth::None);
    }

    #[test]
    fn only_what_lacks_the_glyphs_gets_ascii() {
        for (term, locale, ascii) in [
            ("xterm", None, false),
            ("xterm", Some("en_US.UTF-8"), false),
            ("xterm", Some("C.utf8"), false),
            ("xterm", Some("C"), true),
            ("linux", Some("C.UTF-8"), true),
        ] {
            assert_eq!(environment(term, None, locale).ascii(), ascii, "{term} {locale:?}");
        }
    }

    #[test]
    fn without_colours_no_colour_is_sent() {
        let theme = Theme {
            depth: Depth::None,
            ground: Ground::Dark,
            ascii: false,
        };
        for tone in [Tone::Info, Tone::Bad, Tone::Dim, Tone::Practice] {
            assert_eq!((theme.tone(tone).fg, theme.tone(tone).bg), (None, None));
        }
    }
}
