//! Datagrams that no node wrote: encoded here by hand, from `WIRE.md` and not from the codec, so
//! that stories can play a stranger, a stale peer or a damaged frame, and goldens have a witness.

/// The bytes of a datagram, built field by field.
#[derive(Clone, Debug, Default)]
pub struct Forge(Vec<u8>);

impl Forge {
    /// A datagram of this kind, with these flags, from this term.
    pub fn new(kind: u8, flags: u8, term: u32) -> Self {
        Self(vec![kind, flags]).number(u64::from(term))
    }

    /// The same with one flag more.
    fn flag(mut self, flag: u8) -> Self {
        self.0[1] |= flag;
        self
    }

    /// One more unsigned field.
    pub fn number(mut self, mut value: u64) -> Self {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
        self
    }

    /// One more signed field.
    pub fn signed(self, value: i64) -> Self {
        self.number(((value << 1) ^ (value >> 63)) as u64)
    }

    /// Bytes as they are.
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// An entry that holds a word; `step` is how far its term is above the one before.
    pub fn word(self, step: u32, word: &str) -> Self {
        self.entry(1, step, word)
    }

    /// The same with another kind of entry.
    pub fn entry(self, kind: u64, step: u32, word: &str) -> Self {
        let body = word.len() as u64 + 1;
        let head = (body << 4) | (kind << 1) | u64::from(step > 0);
        let headed = self.number(head);
        let stepped = if step > 0 { headed.number(u64::from(step)) } else { headed };
        stepped.number(word.len() as u64).bytes(word.as_bytes())
    }

    /// Everything.
    pub fn done(self) -> Vec<u8> {
        self.0
    }
}

/// The snapshot of a machine that remembers these words in this format, among founders with these
/// settings.
pub fn snapshot(founders: &[u8], settings: u32, format: u16, words: &[&str]) -> Vec<u8> {
    let voters = founders.iter().fold(0, |set, id| set | 1 << id);
    let configuration = Forge::default().number(voters).number(u64::from(settings));
    let configuration = founders.iter().fold(configuration, |all, _| all.number(1)).done();
    let head = Forge(vec![0, configuration.len() as u8]).bytes(&configuration);
    let head = head.bytes(&format.to_le_bytes());
    let saved = head.number(words.len() as u64);
    let one = |all: Forge, word: &&str| all.number(word.len() as u64).bytes(word.as_bytes());
    words.iter().fold(saved, one).done()
}

/// The CRC-32 that snapshots are known by.
pub fn checksum(bytes: &[u8]) -> u32 {
    let shift = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
    let byte = |crc, &byte: &u8| (0..8).fold(crc ^ u32::from(byte), |crc, _| shift(crc));
    !bytes.iter().fold(u32::MAX, byte)
}

/// Words of a script: `name=value`.
type Given<'a> = [(&'a str, &'a str)];

fn text<'a>(given: &Given<'a>, name: &str) -> Option<&'a str> {
    given.iter().find(|(given, _)| *given == name).map(|pair| pair.1)
}

fn number(given: &Given<'_>, name: &str, normal: u64) -> Result<u64, String> {
    match text(given, name) {
        None => Ok(normal),
        Some(value) => value.parse().map_err(|_| format!("{name}={value} is no number")),
    }
}

/// The snapshot of `words=a,b format=0 layout=0`, and its name, or the one of `checksum=1`.
fn key(given: &Given<'_>) -> Result<(Vec<u8>, u64), String> {
    let words = text(given, "words").unwrap_or_default().split(',');
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    let settings = crate::Settings::default().config(raft_core::NodeId(1)).shared_digest();
    let mut all = snapshot(&[1, 2, 3], settings, number(given, "format", 0)? as u16, &words);
    all[0] = number(given, "layout", 0)? as u8;
    let name = number(given, "checksum", u64::from(checksum(&all)))?;
    Ok((all, name))
}

/// `chunk last=5 last-term=1 words=a,b at=0 bytes=10 of=15`: so many bytes of that snapshot, which
/// says that it has so many.
fn chunk(head: Forge, given: &Given<'_>) -> Result<Vec<u8>, String> {
    let ((all, name), at) = (key(given)?, number(given, "at", 0)?);
    let mut bytes = all.get(at as usize..).unwrap_or_default().to_vec();
    bytes.resize(number(given, "bytes", bytes.len() as u64)? as usize, 0);
    let named = head.number(name);
    let placed = match at {
        0 => {
            let last = (number(given, "last-term", 0)?, number(given, "last", 0)?);
            let length = number(given, "of", all.len() as u64)?;
            named.flag(1).number(last.0).number(last.1).number(length)
        }
        at => named.number(at),
    };
    Ok(placed.bytes(&bytes).done())
}

/// A datagram from a script's words: `heartbeat term=3 round=1 commit=9`.
pub fn forge(words: &[&str]) -> Result<Vec<u8>, String> {
    let (kind, fields) = words.split_first().ok_or("forge what?")?;
    let mut given = Vec::new();
    for field in fields {
        let (name, value) = field.split_once('=').ok_or_else(|| format!("{field}: name=value"))?;
        given.push((name, value));
    }
    let text = |name: &str| text(&given, name);
    let number = |name: &str| number(&given, name, 0);
    let term = u32::try_from(number("term")?).map_err(|_| "a term is a u32")?;
    let flags = u8::try_from(number("flags")?).map_err(|_| "flags are a u8")?;
    if let Some(nonce) = text("nonce") {
        let nonce: u32 = nonce.parse().map_err(|_| format!("nonce={nonce}"))?;
        let rest: Vec<&str> =
            words.iter().copied().filter(|it| !it.starts_with("nonce=")).collect();
        let bytes = forge(&rest)?;
        let head = [bytes[0], bytes[1] | 0x80];
        return Ok([&head[..], &nonce.to_le_bytes(), &bytes[2..]].concat());
    }
    let start = |kind| Forge::new(kind, flags, term);
    let (round, index) = (number("round")?, number("index")?);
    Ok(match *kind {
        "request" | "pre-request" => {
            let pre = u8::from(*kind == "pre-request");
            let last = Forge::new(1, flags | pre, term).number(number("attempt")?);
            last.number(number("last-term")?).number(number("last")?).done()
        }
        "grant" => Forge::new(2, 2, term).number(number("number")?).done(),
        "pre-grant" => Forge::new(2, 3, term).number(number("number")?).done(),
        "refusal" => Forge::new(2, 0, term).number(number("number")?).done(),
        "heartbeat" => match start(3).number(round).number(number("commit")?) {
            quiet if flags == 1 => quiet.number(number("quiet")?).done(),
            usual => usual.done(),
        },
        "read-request" => start(10).number(number("number")?).done(),
        "read-answer" => start(11).number(number("number")?).number(index).done(),
        "refill-request" => start(13).number(number("number")?).done(),
        "refill-answer" => start(14).number(number("number")?).number(index).done(),
        "append" => {
            let previous = number("after")?;
            let below = u64::from(term) - number("after-term")?;
            let above = number("commit")? as i64 - previous as i64;
            let mut append = start(4).number(round).number(previous).number(below).signed(above);
            let mut before = number("after-term")? as u32;
            let kind = text("kind").map_or(Ok(1), |kind| kind.parse());
            let kind = kind.map_err(|_| "kind=...")?;
            for word in text("words").unwrap_or_default().split(',').filter(|w| !w.is_empty()) {
                let (term, word) = word.split_once(':').ok_or("words=term:word,...")?;
                let term: u32 = term.parse().map_err(|_| "words=term:word,...")?;
                append = append.entry(kind, term - before, word);
                before = term;
            }
            append.done()
        }
        "hand-over" => start(7).number(round).done(),
        "hold" => Forge::new(5, flags | 2, term).number(round).number(index).done(),
        "chunk" => chunk(start(8), &given)?,
        "staged" => {
            let name = key(&given)?.1;
            start(9).number(round).number(name).number(number("held")?).done()
        }
        "reject" => {
            let reject = start(6).number(round).number(number("at")?);
            reject.number(number("hint-term")?).number(number("hint")?).done()
        }
        other => return Err(format!("forge what? {other}")),
    })
}
