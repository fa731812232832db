//! What an attacker of the storage in flash thought of: rings that are nearly full, starts that are
//! cut again and again, shapes that no trial drew.

mod row;

use raft_core::flash::{FlashError, FlashStorage, Geometry};
use raft_core::{
    Ballot, Index, Kind, Loss, NodeId, Position, Record, Snapshot, Storage, Term, format,
};
use raft_flash_trials::chip::{Chip, Failure, Operation};
use raft_flash_trials::cut::{Cut, cuts_of};
use raft_flash_trials::held::{Held, roomy_log};
use raft_flash_trials::quietly;
use raft_flash_trials::steps::{Step, carry_out, identity, renew};
use raft_simulator::random::Random;

type Flash<const WORD: usize, const SECTOR: usize> = FlashStorage<Chip<WORD, SECTOR>, Vec<u8>>;

/// How a storage is made.
#[derive(Clone, Copy, Debug)]
struct Shape {
    entry_bytes: usize,
    log_bytes: usize,
    snapshot_bytes: usize,
    more_sectors: usize,
}

impl Shape {
    fn storage<const WORD: usize, const SECTOR: usize>(
        &self,
        chip: Chip<WORD, SECTOR>,
    ) -> Flash<WORD, SECTOR> {
        let buffer = vec![0; Geometry::buffer_bytes(WORD, self.entry_bytes)];
        FlashStorage::new(chip, buffer, self.log_bytes, self.snapshot_bytes).expect("a fit flash")
    }

    fn geometry<const WORD: usize, const SECTOR: usize>(&self) -> Geometry {
        let buffer = Geometry::buffer_bytes(WORD, self.entry_bytes);
        Geometry::new(SECTOR, WORD, buffer, self.log_bytes, self.snapshot_bytes).expect("fit")
    }

    fn chip<const WORD: usize, const SECTOR: usize>(&self, seed: u64) -> Chip<WORD, SECTOR> {
        Chip::new(self.geometry::<WORD, SECTOR>().least_sectors() + self.more_sectors, seed)
    }

    /// The power comes, and the log is written anew.
    fn start<const WORD: usize, const SECTOR: usize>(
        &self,
        mut chip: Chip<WORD, SECTOR>,
    ) -> Result<(Flash<WORD, SECTOR>, Held), FlashError<Failure>> {
        chip.power_up();
        let mut storage = self.storage(chip);
        let held = Held::of(&mut storage)?;
        if storage.wants_renewal(0) && held.lost.is_empty() && !held.is_torn {
            renew(&mut storage, &held)?;
            storage.flush()?;
        }
        Ok((storage, held))
    }
}

/// Appends one entry with a body of so many bytes, if the log's memory has room for it.
fn append<S: Storage>(storage: &mut S, held: &mut Held, length: usize) -> Result<(), S::Error> {
    let after = held.last();
    let mut log = roomy_log(after);
    let body = vec![after.index.0 as u8 ^ 0x5A; length];
    log.append(Term(1), Kind::COMMAND, &body).expect("room enough");
    let run = log.run(after.index.next(), 1, usize::MAX).expect("a run").bytes().to_vec();
    let step = Step::Entries(after, Index(0), run);
    carry_out(storage, held, &step)?;
    held.take(&step);
    storage.flush()
}

/// Formats, and appends entries until the next one would have the log written anew.
fn nearly_full<const WORD: usize, const SECTOR: usize>(
    shape: Shape,
    body: usize,
    entries: usize,
) -> (Flash<WORD, SECTOR>, Held) {
    let mut storage = shape.storage(shape.chip::<WORD, SECTOR>(1));
    format(&mut storage, identity()).expect("blank");
    let mut held = Held { identity: Some(identity()), ..Held::default() };
    let ballot = Ballot { term: Term(7), vote: Some(NodeId(1)), admitted: true, losses: 0 };
    storage.write(Record::Ballot(ballot)).expect("taken");
    held.ballot = Some(ballot);
    for _ in 0..entries {
        append(&mut storage, &mut held, body).expect("room");
    }
    // Ballots fill what is left.
    let mut term = 8;
    while !storage.wants_renewal(0) {
        let ballot = Ballot { term: Term(term), ..ballot };
        storage.write(Record::Ballot(ballot)).expect("taken");
        (held.ballot, term) = (Some(ballot), term + 1);
    }
    storage.flush().expect("taken");
    (storage, held)
}

/// All that a few starts did to a chip where something reads now this way and now that way.
fn ways_of<const WORD: usize, const SECTOR: usize>(
    shape: Shape,
    torn: &Chip<WORD, SECTOR>,
    held: &Held,
) -> Result<Vec<Vec<Operation>>, String> {
    let mut ways = Vec::new();
    for seed in 0..6 {
        let mut chip = torn.clone();
        chip.draw_from(seed);
        let (mut storage, found) =
            shape.start(chip).map_err(|error| format!("no start: {error:?}"))?;
        if !held.may_be(&found) {
            return Err(format!("found {found:?}\nheld  {held:?}"));
        }
        let restart = storage.flash_mut().journal.clone();
        if !ways.contains(&restart) {
            ways.push(restart);
        }
    }
    Ok(ways)
}

/// The power fails while the log is written anew, so that what is left reads now this way and now
/// that way, and again in the start that follows. All was flushed before.
fn cut_twice<const WORD: usize, const SECTOR: usize>(
    shape: Shape,
    (body, entries): (usize, usize),
    seeds: u64,
) -> Result<u64, String> {
    let (mut storage, held) = nearly_full::<WORD, SECTOR>(shape, body, entries);
    println!("{} segments, {:?}", storage.segments(), shape.geometry::<WORD, SECTOR>());
    storage.flash_mut().journal.clear();
    let before = storage.flash_mut().clone();
    renew(&mut storage, &held).map_err(|error| format!("{error:?}"))?;
    let journal = storage.flash_mut().journal.clone();
    let mut tried = 0;
    for (number, operation) in journal.iter().enumerate() {
        let Operation::Program(..) = operation else { continue };
        let mut chip = before.clone();
        journal[..number].iter().for_each(|it| chip.carry_out(it));
        for draw in 0..60 {
            let mut torn = chip.clone();
            torn.draw_from(draw);
            torn.cut_short(operation, Cut::Loose);
            let ways = ways_of(shape, &torn, &held)?;
            // What reads the same at each start needs no further look.
            if ways.len() < 2 {
                continue;
            }
            for restart in ways {
                let told = |second: usize, again, told| {
                    format!(
                        "operation {number} of {} ({:?}) is cut, and in the start operation \
                         {second} of {} ({:?}) as {again:?}: {told}",
                        journal.len(),
                        operation.range(),
                        restart.len(),
                        restart[second].range()
                    )
                };
                for (second, after) in restart.iter().enumerate() {
                    for &again in cuts_of(after) {
                        for seed in 0..seeds {
                            let mut chip = torn.clone();
                            chip.power_up();
                            restart[..second].iter().for_each(|it| chip.carry_out(it));
                            chip.cut_short(after, again);
                            chip.draw_from(seed ^ 0x55);
                            tried += 1;
                            let (_, found) = quietly(|| {
                                shape.start(chip).map_err(|error| format!("no start: {error:?}"))
                            })
                            .map_err(|error| told(second, again, error))?;
                            if !held.may_be(&found) {
                                let text = format!("found {found:?}\nheld  {held:?}");
                                return Err(told(second, again, text));
                            }
                        }
                    }
                }
            }
            break;
        }
    }
    Ok(tried)
}

/// A state that reads well by chance makes a new generation count, and the next start sees the old
/// one again: what that holds must still be there.
#[test]
fn a_generation_that_counts_by_chance_costs_the_one_before_nothing() {
    let shape = Shape { entry_bytes: 227, log_bytes: 16384, snapshot_bytes: 0, more_sectors: 0 };
    let outcome = cut_twice::<4, 1024>(shape, (100, 145), 1);
    println!("{outcome:?}");
    assert!(outcome.is_ok(), "{}", outcome.unwrap_err());
}

/// A sector that is half erased shows the state that was torn in it, and not what that stands on.
#[test]
fn a_state_that_is_half_erased_makes_nothing_count() {
    let shape = Shape { entry_bytes: 96, log_bytes: 512, snapshot_bytes: 0, more_sectors: 0 };
    let outcome = cut_twice::<256, 4096>(shape, (20, 4), 400);
    println!("{outcome:?}");
    assert!(outcome.is_ok(), "{}", outcome.unwrap_err());
}

/// A snapshot is written in one go, however many sectors it takes, and what is noted about it
/// leaves room for the log.
#[test]
fn a_long_snapshot_leaves_room_for_the_log() {
    let shape = Shape { entry_bytes: 96, log_bytes: 512, snapshot_bytes: 700_000, more_sectors: 0 };
    let mut storage = shape.storage(shape.chip::<256, 4096>(1));
    format(&mut storage, identity()).expect("blank");
    let mut held = Held { identity: Some(identity()), ..Held::default() };
    for index in 1..5_u64 {
        append(&mut storage, &mut held, 20).expect("room");
        let last = Position { term: Term(1), index: Index(index) };
        let content = vec![index as u8; 700_000];
        let snapshot = Snapshot { last, bytes: 700_000, checksum: checksum(&content) };
        for step in [Step::Stage(snapshot), Step::Chunk(content), Step::Switch(snapshot)] {
            let outcome = carry_out(&mut storage, &held, &step);
            assert!(outcome.is_ok(), "{outcome:?} for {step:?} of snapshot {index}");
            held.take(&step);
        }
        carry_out(&mut storage, &held, &Step::Flush).expect("room for the log");
    }
}

/// CRC-32, bit by bit.
fn checksum(bytes: &[u8]) -> u32 {
    let bit = |sum: u32, _| if sum & 1 == 1 { sum >> 1 ^ 0xEDB8_8320 } else { sum >> 1 };
    !bytes.iter().fold(u32::MAX, |sum, &byte| (0..8).fold(sum ^ u32::from(byte), bit))
}

/// Sectors that are no multiple of what is programmed of a stage at once are refused, or work.
#[test]
fn sectors_of_uneven_length_take_a_snapshot() {
    let shape = Shape { entry_bytes: 96, log_bytes: 512, snapshot_bytes: 2000, more_sectors: 0 };
    let buffer = Geometry::buffer_bytes(4, 96);
    if Geometry::new(528, 4, buffer, 512, 2000).is_err() {
        return;
    }
    let mut storage = shape.storage(shape.chip::<4, 528>(1));
    format(&mut storage, identity()).expect("blank");
    let mut held = Held { identity: Some(identity()), ..Held::default() };
    append(&mut storage, &mut held, 20).expect("room");
    let last = Position { term: Term(1), index: Index(1) };
    let content: Vec<u8> = (0..2000).map(|it| it as u8).collect();
    for _ in 0..2 {
        let snapshot = Snapshot { last, bytes: 2000, checksum: checksum(&content) };
        let content = content.clone();
        for step in [Step::Stage(snapshot), Step::Chunk(content), Step::Switch(snapshot)] {
            carry_out(&mut storage, &held, &step).expect("room");
            held.take(&step);
        }
    }
    let (_, found) = shape.start(storage.into_flash()).expect("a start");
    assert_eq!(found.content, content);
}

/// Sound states that no storage wrote.
fn crafted(generation: u32) -> Chip<4, 1024> {
    let names = [1_u32, 1];
    let header = [1_u32, 1 << 8];
    let sum = |before: u32, numbers: [u32; 2]| {
        numbers.iter().fold(before, |before, number| crc32(before, &number.to_le_bytes()))
    };
    let sector = 1024_u32;
    let mut bytes = vec![0xFF; 40 * 1024];
    let mut place = sector as usize;
    let mut put = |piece: &[u8]| {
        bytes[place..place + piece.len()].copy_from_slice(piece);
        place += piece.len().next_multiple_of(4);
    };
    let words = |words: &[u32]| words.iter().flat_map(|it| it.to_le_bytes()).collect::<Vec<u8>>();
    put(&words(&[header[0], header[1], sum(u32::from_le_bytes(*b"Raft"), header)]));
    let seed = sum(sector, names);
    let mut at = 12_u32;
    for (kind, payload) in [
        (1_u16, words(&names)),
        (3, {
            let mut kept = vec![5, generation, 1, 0x0100_0101];
            kept.extend([1, 0, 1, 0, 0, 2, 0, 0]);
            words(&kept)
        }),
    ] {
        let head = (payload.len() as u16 | kind << 12).to_le_bytes();
        let record: Vec<u8> = head.into_iter().chain(payload).collect();
        let sum = crc32(seed ^ at, &record);
        let whole: Vec<u8> = sum.to_le_bytes().into_iter().chain(record).collect();
        at += whole.len().next_multiple_of(4) as u32;
        put(&whole);
    }
    Chip::holding(bytes, 1)
}

/// CRC-32, going on behind another one.
fn crc32(before: u32, bytes: &[u8]) -> u32 {
    let bit = |sum: u32, _| if sum & 1 == 1 { sum >> 1 ^ 0xEDB8_8320 } else { sum >> 1 };
    !bytes.iter().fold(!before, |sum, &byte| (0..8).fold(sum ^ u32::from(byte), bit))
}

/// Whatever a flash holds, a start comes to its end.
#[test]
fn the_last_number_of_all_ends_a_start() {
    let shape = Shape { entry_bytes: 96, log_bytes: 512, snapshot_bytes: 0, more_sectors: 0 };
    for generation in [1, u32::MAX - 1, u32::MAX] {
        let mut storage = shape.storage(crafted(generation));
        let (mut told, mut identity) = (0, false);
        let outcome = quietly(|| {
            let outcome = storage.recover(&mut |record| {
                told += 1;
                identity |= matches!(record, Record::Identity(_));
                assert!(told < 1000, "told for ever");
            });
            outcome.map_err(|error| format!("{error:?}"))
        });
        assert!(identity || generation > 1, "what is crafted is taken for a storage");
        assert_eq!(outcome, Ok(()), "generation {generation}");
        let outcome = quietly(|| {
            let held = Held { identity: Some(self::identity()), ..Held::default() };
            renew(&mut storage, &held).map_err(|error| format!("{error:?}"))
        });
        println!("generation {generation}: {outcome:?}");
    }
}

/// A stage that came together when there was more room for one touches nothing but its slot.
#[test]
fn a_stage_for_which_there_is_no_room_any_more_is_not_gone_on_with() {
    let roomy = Shape { entry_bytes: 96, log_bytes: 512, snapshot_bytes: 3000, more_sectors: 2 };
    let mut storage = roomy.storage(roomy.chip::<4, 1024>(1));
    format(&mut storage, identity()).expect("blank");
    let mut held = Held { identity: Some(identity()), ..Held::default() };
    append(&mut storage, &mut held, 20).expect("room");
    let last = Position { term: Term(2), index: Index(9) };
    let content: Vec<u8> = (0..3000).map(|it| it as u8).collect();
    let snapshot = Snapshot { last, bytes: 3000, checksum: checksum(&content) };
    for step in [Step::Stage(snapshot), Step::Chunk(content[..2048].to_vec())] {
        carry_out(&mut storage, &held, &step).expect("room");
        held.take(&step);
    }
    let narrow = Shape { snapshot_bytes: 1000, ..roomy };
    let (mut storage, found) = narrow.start(storage.into_flash()).expect("a start");
    println!("{found:?}");
    let Some((_, part)) = &found.stage else { return };
    let from = part.len();
    storage.flash_mut().journal.clear();
    let chunk = Record::Chunk { offset: from as u32, bytes: &content[from..] };
    let outcome = storage.write(chunk);
    let slots = 2 * 1024..4 * 1024;
    for operation in &storage.flash_mut().journal {
        let range = operation.range();
        let inside = slots.start <= range.start && range.end <= slots.end;
        let ring = 4 * 1024 <= range.start && matches!(operation, Operation::Program(..));
        assert!(inside || ring, "{outcome:?}, and {operation:?} is outside of {slots:?}");
    }
    assert!(outcome.is_err(), "a snapshot of 3000 bytes in a slot of 1024");
}

/// A ballot of which both copies rotted is lost, and no older one is handed out.
#[test]
fn an_older_ballot_is_not_taken_for_the_newest() {
    let shape = Shape { entry_bytes: 96, log_bytes: 512, snapshot_bytes: 0, more_sectors: 0 };
    let mut storage = shape.storage(shape.chip::<4, 1024>(1));
    format(&mut storage, identity()).expect("blank");
    let mut places = Vec::new();
    for term in 1..60 {
        storage.flash_mut().journal.clear();
        let ballot = Ballot { term: Term(term), vote: None, admitted: true, losses: 0 };
        storage.write(Record::Ballot(ballot)).expect("taken");
        storage.flush().expect("taken");
        places = storage.flash_mut().journal.iter().map(Operation::range).collect();
    }
    let [ring, mirror] = &places[places.len() - 2..] else { panic!("two copies") };
    assert!(mirror.start < 2048 && ring.start >= 2048);
    // One byte of the last ballot in the ring rots, and any one of the mirror's sector.
    let sector = mirror.start / 1024 * 1024;
    for at in sector..mirror.end {
        let mut chip = storage.flash_mut().clone();
        chip.rot(ring.start + 8, 1);
        chip.rot(at, 1);
        let (_, found) = shape.start(chip).expect("a start");
        let newest = found.ballot.is_some_and(|it| it.term == Term(59));
        let lost = found.lost.contains(&Loss::Ballot);
        assert!(newest || lost, "byte {}: {found:?}", at - sector);
    }
}

/// A start with a buffer that is shorter than before.
#[test]
fn a_shorter_buffer_loses_nothing_silently() {
    let long = Shape { entry_bytes: 200, log_bytes: 1024, snapshot_bytes: 0, more_sectors: 8 };
    let mut storage = long.storage(long.chip::<4, 1024>(1));
    format(&mut storage, identity()).expect("blank");
    let mut held = Held { identity: Some(identity()), ..Held::default() };
    for _ in 0..3 {
        append(&mut storage, &mut held, 150).expect("room");
    }
    let short = Shape { entry_bytes: 96, ..long };
    let mut storage = short.storage(storage.into_flash());
    storage.flash_mut().power_up();
    match Held::of(&mut storage) {
        Ok(found) => assert!(!found.lost.is_empty() || held.may_be(&found), "{found:?}"),
        Err(error) => println!("{error:?}"),
    }
}

/// One rotten byte of the ballots' own sectors costs nothing else.
#[test]
fn what_rots_of_the_ballots_costs_no_snapshot() {
    let shape = Shape { entry_bytes: 96, log_bytes: 512, snapshot_bytes: 900, more_sectors: 0 };
    let mut storage = shape.storage(shape.chip::<4, 1024>(1));
    format(&mut storage, identity()).expect("blank");
    let mut held = Held { identity: Some(identity()), ..Held::default() };
    let mut number = 0_u64;
    let mut told = Vec::new();
    for round in 0..400_u64 {
        append(&mut storage, &mut held, 20).expect("room");
        if round % 7 == 0 {
            let last = held.last();
            let content = vec![round as u8; 900];
            let snapshot = Snapshot { last, bytes: 900, checksum: checksum(&content) };
            let steps = [
                Step::Stage(snapshot),
                Step::Chunk(content),
                Step::Switch(snapshot),
                Step::Base(last),
                Step::Flush,
            ];
            for step in steps {
                carry_out(&mut storage, &held, &step).expect("room");
                held.take(&step);
            }
            number += 1;
        }
        for sector in 0..2 {
            let mut chip = storage.flash_mut().clone();
            chip.rot(sector * 1024 + 20, 1);
            let (_, found) = shape.start(chip).expect("a start");
            if !held.may_be(&found) {
                if told.is_empty() {
                    let mut chip = storage.flash_mut().clone();
                    chip.rot(sector * 1024 + 20, 1);
                    chip.power_up();
                    let mut storage = shape.storage(chip);
                    storage.recover(&mut |record| println!("{record:?}")).expect("found");
                    println!("held {held:?}");
                }
                told.push((round, sector, format!("{found:?}")));
            }
        }
    }
    assert!(number > 50);
    assert!(told.is_empty(), "{} of 800, as {:?}", told.len(), told[0]);
}

/// What a log takes up at the most is what is kept free for it.
#[test]
fn a_full_log_fits_into_what_is_kept_free() {
    let mut worst = Vec::new();
    fill::<1, 512>(&mut worst);
    fill::<4, 1024>(&mut worst);
    fill::<8, 512>(&mut worst);
    fill::<32, 512>(&mut worst);
    fill::<64, 512>(&mut worst);
    fill::<256, 2048>(&mut worst);
    fill::<256, 4096>(&mut worst);
    worst.sort_unstable();
    println!("{:?}", &worst[worst.len().saturating_sub(12)..]);
}

/// Tries logs of many lengths and entries of many lengths.
fn fill<const WORD: usize, const SECTOR: usize>(worst: &mut Vec<(i64, String)>) {
    for log_bytes in [512, 1024, 2048, 4096, 8192] {
        for entry_bytes in [1, 16, 40, 64, 96, 128, 227, 400, 900] {
            let shape = Shape { entry_bytes, log_bytes, snapshot_bytes: 0, more_sectors: 0 };
            let geometry = shape.geometry::<WORD, SECTOR>();
            let most = geometry.entry_bytes_max();
            let bodies = [most / 5, most / 3, most / 2 - 4, most / 2 + 1, most * 3 / 4, most - 4];
            for body in bodies {
                let count = (log_bytes - 8) / (body + 3 + 8);
                if count == 0 || body + 12 > log_bytes {
                    continue;
                }
                let term = Term(u32::MAX - 0x1_0000);
                let base = Position { term: Term(1 << 30), index: Index(1 << 60) };
                let mut log = raft_core::Log::new(vec![0; log_bytes + 64]).expect("fit");
                log.restart_after(base);
                let mut taken = 0;
                for _ in 0..count {
                    let body = vec![7; body];
                    if log.append(term, Kind::COMMAND, &body).is_ok() {
                        taken += 1;
                    }
                }
                let run = log.run(base.index.next(), u32::MAX, usize::MAX);
                let Some(bytes) = run.map(|run| run.bytes().to_vec()) else { continue };
                if bytes.len() > log_bytes {
                    continue;
                }
                let mut storage = shape.storage(shape.chip::<WORD, SECTOR>(1));
                format(&mut storage, identity()).expect("blank");
                let before = storage.flash_mut().erases.iter().sum::<u32>();
                let outcome = quietly(|| {
                    let renewed = storage.renew(base, Index(3), [&bytes, &[]]);
                    renewed.map_err(|error| format!("{error:?}"))
                });
                let used = storage.flash_mut().erases.iter().sum::<u32>() - before;
                let reserve = (storage.segments() as i64 - 2) / 2;
                worst.push((
                    i64::from(used) - reserve,
                    format!(
                        "{WORD} {SECTOR} log {log_bytes} max {most} body {body} x {taken}: {used} \
                         of {reserve} {outcome:?}"
                    ),
                ));
                assert!(outcome.is_ok(), "{:?}", worst.last());
            }
        }
    }
}

/// A snapshot rotted, and the power fails while the log is written anew without it: it is still
/// lost.
#[test]
fn a_snapshot_that_is_lost_stays_so_when_the_power_fails() {
    let shape = Shape { entry_bytes: 96, log_bytes: 512, snapshot_bytes: 900, more_sectors: 0 };
    let mut storage = shape.storage(shape.chip::<4, 1024>(1));
    format(&mut storage, identity()).expect("blank");
    let mut held = Held { identity: Some(identity()), ..Held::default() };
    append(&mut storage, &mut held, 20).expect("room");
    let content = vec![7; 900];
    let snapshot = Snapshot { last: held.last(), bytes: 900, checksum: checksum(&content) };
    for step in [Step::Stage(snapshot), Step::Chunk(content.clone()), Step::Switch(snapshot)] {
        carry_out(&mut storage, &held, &step).expect("room");
        held.take(&step);
    }
    let mut chip = storage.into_flash();
    let at = (2048..chip.bytes().len()).find(|&at| chip.bytes()[at..].starts_with(&[7; 99]));
    chip.rot(at.expect("it is somewhere") + 50, 1);
    chip.power_up();
    let rotten = chip.clone();
    let mut storage = shape.storage(chip);
    let found = Held::of(&mut storage).expect("a start");
    assert_eq!(found.lost, [Loss::Entries]);
    let ballot = Ballot { losses: 1, ..Ballot::default() };
    storage.write(Record::Ballot(ballot)).expect("noted");
    renew(&mut storage, &Held { lost: Vec::new(), ..found }).expect("room");
    let journal = storage.flash_mut().journal.clone();
    for number in 0..=journal.len() {
        let mut chip = rotten.clone();
        journal[..number].iter().for_each(|it| chip.carry_out(it));
        let mut storage = shape.storage(chip);
        let found = Held::of(&mut storage).expect("a start");
        let sound = found.snapshot.bytes == 0 || found.content == content;
        let told = !found.lost.is_empty() || found.snapshot == Snapshot::NONE;
        assert!(sound && told, "after {number} of {}: {found:?}", journal.len());
    }
}
