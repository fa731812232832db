//! Bytes as they lie in flash, what is refused, and numbers that the docs state. What survives a
//! power cut is tried elsewhere, on a chip that has them.

use super::record::sum;
use super::{FlashError, FlashStorage, Geometry, Pause, SharedFlash, UnfitFlash};
use crate::config::Config;
use crate::log::{Kind, Log};
use crate::machine::Machine;
use crate::node::{Node, RecoverError};
use crate::node_set::NodeSet;
use crate::quorum::Membership;
use crate::snapshot::{LoadError, Loader, Saver};
use crate::storage::{FormatError, Identity, Part, Record, Storage, format};
use crate::types::{Ballot, ClusterId, Index, NodeId, Nonce, Position, Snapshot, Term};
use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash};
use std::format as text;
use std::string::String;
use std::vec;
use std::vec::Vec;

const SECTOR: usize = 512;
const SECTORS: usize = 24;

/// A flash in memory, with words of four bytes.
#[derive(Clone)]
struct Chip(Vec<u8>);

impl ErrorType for Chip {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Chip {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        bytes.copy_from_slice(&self.0[offset as usize..][..bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.0.len()
    }
}

impl NorFlash for Chip {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = SECTOR;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Self::Error> {
        self.0[from as usize..to as usize].fill(0xFF);
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Self::Error> {
        let words = &mut self.0[offset as usize..][..bytes.len()];
        assert!(words.iter().all(|byte| *byte == 0xFF), "programmed twice at {offset}");
        words.copy_from_slice(bytes);
        Ok(())
    }
}

/// A machine that does nothing.
#[derive(Clone, Copy)]
struct Nothing;

impl Machine for Nothing {
    type Command<'a> = ();
    type Output = ();

    fn apply(&mut self, (): ()) {}

    fn save(&self, _: &mut Saver<'_>) {}

    fn restore(&mut self, _: &mut Loader<'_>, _: u16) -> Result<(), LoadError> {
        Ok(())
    }
}

type Flash = FlashStorage<Chip, Vec<u8>>;

fn blank() -> Chip {
    Chip(vec![0xFF; SECTORS * SECTOR])
}

fn storage(chip: Chip) -> Flash {
    FlashStorage::new(chip, vec![0; 256], 512, 100).unwrap()
}

fn identity() -> Identity {
    let membership = Membership::of_voters(NodeSet::of(&[NodeId(1), NodeId(2)]));
    let (cluster, id) = (ClusterId(0x0102_0304), NodeId(1));
    Identity { cluster, id, nonce: Nonce::FOUNDER, membership, settings: 77 }
}

fn formatted() -> Flash {
    let mut storage = storage(blank());
    format(&mut storage, identity()).unwrap();
    storage
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .chunks(4)
        .map(|word| word.iter().map(|it| text!("{it:02x}")).collect::<String>() + " ")
        .collect()
}

fn position(term: u32, index: u64) -> Position {
    Position { term: Term(term), index: Index(index) }
}

/// One entry of term 3 with this body, after a position.
fn entry(after: Position, body: &[u8]) -> Vec<u8> {
    let mut log = Log::new([0; 512]).unwrap();
    log.restart_after(after);
    log.append(Term(3), Kind::COMMAND, body).unwrap();
    log.run(after.index.next(), 1, 512).unwrap().bytes().to_vec()
}

#[test]
fn what_is_written_has_these_bytes() {
    let mut flash = formatted();
    let ballot = Ballot { term: Term(3), vote: Some(NodeId(2)), admitted: true, losses: 0 };
    flash.write(Record::Ballot(ballot)).unwrap();
    for index in [0, 1] {
        let after = position(if index == 0 { 0 } else { 3 }, index);
        let bytes = entry(after, b"sixteen bytes ..");
        flash.write(Record::Entries { after, committed: Index(0), bytes: &bytes }).unwrap();
    }
    let snapshot = Snapshot { last: position(3, 2), bytes: 5, checksum: 0x3610_A686 };
    flash.write(Record::Stage { snapshot, held: 0 }).unwrap();
    flash.write(Record::Chunk { offset: 0, bytes: b"hello" }).unwrap();
    flash.write(Record::Snapshot(snapshot)).unwrap();
    flash.write(Record::Base(position(3, 1))).unwrap();
    let bytes = flash.into_flash().0;
    let lines = (0..SECTORS).filter_map(|sector| {
        let used = &bytes[sector * SECTOR..][..SECTOR];
        let end = used.iter().rposition(|byte| *byte != 0xFF)? / 4 * 4 + 4;
        Some(text!("{sector}: {}\n", hex(&used[..end]).trim_end()))
    });
    let found: String = lines.collect();
    let expected = include_str!("golden.txt");
    assert_eq!(found, expected, "the format changed: so must VERSION");
}

#[test]
fn another_version_is_refused_and_left_alone() {
    let mut chip = formatted().into_flash();
    // As another version would write it: its number, and a checksum that says so.
    let mirror = SECTOR;
    chip.0[mirror + 4] = 9;
    let header = [mirror, mirror + 4].map(|at| *chip.0[at..].first_chunk().unwrap());
    let sum = sum(u32::from_le_bytes(*b"Raft"), header.map(u32::from_le_bytes));
    chip.0[mirror + 8..][..4].copy_from_slice(&sum.to_le_bytes());
    let mut flash = storage(chip.clone());
    assert_eq!(flash.recover(&mut |_| {}), Err(FlashError::UnknownVersion(9)));
    let refused = format(&mut flash, identity());
    assert_eq!(refused, Err(FormatError::Storage(FlashError::UnknownVersion(9))));
    assert!(flash.write(Record::Base(position(1, 1))).is_err());
    assert!(flash.into_flash().0 == chip.0, "it was touched");
    // One damaged byte is no other version.
    let mut chip = formatted().into_flash();
    chip.0[mirror + 4] = 9;
    assert_eq!(storage(chip).recover(&mut |_| {}), Ok(()));
}

#[test]
fn a_flash_that_will_not_do_is_refused_with_what_is_missing() {
    let small = Chip(vec![0xFF; 3 * SECTOR]);
    let refused = FlashStorage::new(small, vec![0; 256], 512, 100).err();
    let Some(UnfitFlash::Capacity { least_sectors }) = refused else { panic!("{refused:?}") };
    let enough = Chip(vec![0xFF; least_sectors * SECTOR]);
    assert!(FlashStorage::new(enough, vec![0; 256], 512, 100).is_ok());
    let refused = FlashStorage::new(blank(), vec![0; 10], 512, 100).err();
    let Some(UnfitFlash::Buffer { least_bytes }) = refused else { panic!("{refused:?}") };
    assert_eq!(least_bytes, Geometry::buffer_bytes(4, 0));
    let unfit = |erase, word| Geometry::new(erase, word, 4096, 512, 100).err();
    assert_eq!(unfit(4096, 3), Some(UnfitFlash::WriteSize));
    assert_eq!(unfit(4096, 512), Some(UnfitFlash::WriteSize));
    assert_eq!(unfit(1024, 256), Some(UnfitFlash::EraseSize { least_bytes: 2048 }));
    for (erase, word) in [(512, 1), (1024, 4), (2048, 8), (4096, 256), (131_072, 32)] {
        for entry in [16, 64, 200] {
            let buffer = Geometry::buffer_bytes(word, entry);
            let geometry = Geometry::new(erase, word, buffer, 2048, 0).unwrap();
            let fits = geometry.entry_bytes_max() >= entry;
            assert!(fits || erase == 512, "{erase} {word} {entry}: {geometry:?}");
        }
    }
}

#[test]
fn a_configuration_that_does_not_bear_the_pause_is_refused() {
    let settings = Config { frame_bytes: 100, ..Config::new(NodeId(1), 1) };
    let make = |config: &Config, pause: Pause| {
        let mut flash = storage(blank()).pausing(pause).unwrap();
        let founder = Identity::founder(ClusterId(1), config, &[NodeId(1)]);
        format(&mut flash, founder).unwrap();
        Node::recover(config.clone(), vec![0; 2048], flash, Nothing).err()
    };
    let pause = Pause { erase_micros: 85_000, margin_micros: 15_000, watchdog_micros: 0 };
    let refused = |error| Some(RecoverError::PauseExceedsTimeout { pause_micros: error });
    assert_eq!(make(&settings, pause), None);
    let slow = Pause { erase_micros: 2_000_000, ..pause };
    assert_eq!(make(&settings, slow), refused(2_015_000));
    let just = Config { base_timeout_ticks: 204, ..settings.clone() };
    assert_eq!(make(&just, slow), refused(2_015_000));
    let patient = Config { base_timeout_ticks: 205, ..settings.clone() };
    assert_eq!(make(&patient, slow), None);
    let watched = Pause { watchdog_micros: 100_000, ..pause };
    let least = Some(UnfitFlash::Watchdog { least_micros: 100_001 });
    assert_eq!(storage(blank()).pausing(watched).err(), least);
    let wide = Config { frame_bytes: 256, ..settings };
    let most_bytes = formatted().entry_bytes_max() as u32;
    assert_eq!(make(&wide, pause), Some(RecoverError::FrameExceedsStorage { most_bytes }));
}

#[test]
fn shares_of_a_flash_end_where_the_other_one_begins() {
    let mut shared = SharedFlash::new(blank());
    assert!(shared.split(SECTORS + 1).is_none());
    let (mut settings, own) = shared.split(2).unwrap();
    settings.write(SECTOR as u32, b"mine").unwrap();
    assert!(settings.write(2 * SECTOR as u32, b"mine").is_err());
    assert!(settings.erase(SECTOR as u32, 3 * SECTOR as u32).is_err());
    assert!(settings.read(u32::MAX, &mut [0; 8]).is_err());
    let mut storage = FlashStorage::new(own, vec![0; 256], 512, 100).unwrap();
    format(&mut storage, identity()).unwrap();
    let (mut found, mut written) = (None, [0; 4]);
    storage
        .recover(&mut |record| found = found.or(Some(record == Record::Identity(identity()))))
        .unwrap();
    assert_eq!(found, Some(true));
    settings.read(SECTOR as u32, &mut written).unwrap();
    assert_eq!(&written, b"mine");
    let chip = shared.into_inner();
    let used = |sector: usize| chip.0[sector * SECTOR..][..SECTOR].iter().any(|byte| *byte != 0xFF);
    assert!(!used(0) && used(1) && used(2 + 1), "who wrote where");
}

#[test]
fn what_is_not_kept_is_found_out_if_asked_for() {
    /// A chip that has lost the power to change a bit.
    struct Worn(Chip);
    impl ErrorType for Worn {
        type Error = NorFlashErrorKind;
    }
    impl ReadNorFlash for Worn {
        const READ_SIZE: usize = 1;
        fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
            self.0.read(offset, bytes)
        }
        fn capacity(&self) -> usize {
            self.0.capacity()
        }
    }
    impl NorFlash for Worn {
        const WRITE_SIZE: usize = 4;
        const ERASE_SIZE: usize = SECTOR;
        fn erase(&mut self, from: u32, to: u32) -> Result<(), Self::Error> {
            self.0.erase(from, to)
        }
        fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Self::Error> {
            let worn: Vec<u8> = bytes.iter().map(|byte| byte | 0x40).collect();
            self.0.write(offset, &worn)
        }
    }
    let make = || FlashStorage::new(Worn(blank()), vec![0; 256], 512, 100).unwrap();
    let refused = format(&mut make().verified(), identity());
    assert_eq!(refused, Err(FormatError::Storage(FlashError::NotKept)));
}

#[test]
fn sectors_wear_alike_and_say_so() {
    let mut flash = formatted();
    let (mut log, mut after) = (Log::new([0; 512]).unwrap(), Position::ZERO);
    for _ in 0..3000 {
        log.restart_after(after);
        let bytes = entry(after, b"sixteen bytes ..");
        if flash.wants_renewal(bytes.len()) {
            flash.renew(after, after.index, [&[], &[]]).unwrap();
        }
        flash.write(Record::Entries { after, committed: after.index, bytes: &bytes }).unwrap();
        after = position(3, after.index.0 + 1);
        while flash.upkeep() > 0 {
            flash.maintain().unwrap();
        }
    }
    let erases: Vec<u32> =
        (0..flash.segments()).map(|it| flash.segment_erases(it).unwrap().unwrap()).collect();
    let (least, most) = (erases.iter().min().unwrap(), erases.iter().max().unwrap());
    assert!(*least > 5 && most - least <= 1, "{erases:?}");
    assert_eq!(flash.segment_erases(flash.segments()), Ok(None));
    assert_eq!(flash.read(Part::Stage, 0, &mut [0]), Err(FlashError::BadRecord));
}

/// The table in the docs of [`Geometry`] says what it computes.
#[test]
fn the_table_of_chips_is_computed() {
    const CHIPS: [(&str, usize, usize, usize); 7] = [
        ("nRF51", 1024, 4, 64),
        ("nRF52", 4096, 4, 32),
        ("RP2040", 4096, 256, 64),
        ("STM32G4, L4", 2048, 8, 32),
        ("STM32F4", 16_384, 4, 8),
        ("STM32H7", 131_072, 32, 8),
        ("W25Q, SPI", 4096, 1, 256),
    ];
    let (docs, mut missing) = (include_str!("geometry.rs"), Vec::new());
    for (name, erase, word, sectors) in CHIPS {
        let buffer = Geometry::buffer_bytes(word, 128);
        let geometry = Geometry::new(erase, word, buffer, 2048, 512).unwrap();
        let least = geometry.least_sectors();
        let sectors = sectors.max(least);
        let whole = geometry.commits(18, sectors, 10_000) / 1000;
        let plain = Geometry::new(erase, word, buffer, 2048, 0).unwrap();
        let ring = plain.commits(18, sectors - 2 * geometry.slot_sectors, 10_000) / 1000;
        let row = text!("| {name} | {erase} | {word} | {least} | {sectors} | {ring} | {whole} |");
        if !docs.contains(&row) {
            missing.push(row);
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}
