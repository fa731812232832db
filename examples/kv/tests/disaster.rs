//! Rehearsals with processes and `raftctl`: what an operator types when disks are gone.

#[path = "programs/processes.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod processes;
#[path = "common/wait.rs"]
mod wait;

use kv::control::Client;
use kv::resp::Reply;
use processes::Processes;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use wait::wait_until;

/// Where a node keeps everything.
fn data(cluster: &Processes, id: usize) -> PathBuf {
    cluster.0.file(id, "data").unwrap()
}

fn key(number: usize) -> String {
    format!("key-{number}")
}

/// As long as a command may be, nearly.
fn value(number: usize) -> String {
    format!("{number}:{}", "x".repeat(900))
}

fn set(client: &mut Client, number: usize) -> bool {
    client.call(&["SET", &key(number), &value(number)]).is_ok_and(|answer| answer == Reply::OK)
}

/// That every one of these is there, as node `id` sees it.
fn assert_there(cluster: &Processes, id: usize, numbers: impl Iterator<Item = usize>) {
    let mut client = wait_until("a client", || cluster.client(id));
    for number in numbers {
        let answer = wait_until("an answer", || {
            let answer = client.call(&["GET", &key(number)]).ok()?;
            (!matches!(answer, Reply::Error(_))).then_some(answer)
        });
        assert_eq!(answer, Reply::text(&value(number)), "{number} at node {id}");
    }
}

/// The number under a name in a line of JSON.
fn number(json: &str, name: &str) -> u64 {
    let (_, rest) = json.split_once(&format!("\"{name}\":")).unwrap();
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

/// How many datagrams of other clusters a node has refused.
fn refused(cluster: &Processes, id: usize) -> u64 {
    let mut page = String::new();
    let mut stream = TcpStream::connect(cluster.0.metrics(id)).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
    stream.read_to_string(&mut page).unwrap();
    let line = page.lines().find(|line| line.contains("\"damaged or of another cluster\""));
    line.unwrap().rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_survivor_of_two_lost_disks_goes_on_and_takes_fresh_nodes_in() {
    let mut cluster = Processes::start();
    let mut client = cluster.client(2).unwrap();
    assert!((0..100).all(|number| set(&mut client, number)));
    // What was acknowledged is at the survivor, too: no disk could know that by itself.
    assert_there(&cluster, 1, 99..100);
    let survivor = data(&cluster, 1).display().to_string();
    let force = format!("force-new-cluster --data {survivor}");
    let said = cluster.raftctl(1, &force).unwrap_err();
    assert!(said.contains("another process works in this directory"), "{said}");
    (1..=3).for_each(|id| cluster.kill(id));
    let attic = data(&cluster, 2).with_file_name("attic");
    fs::rename(data(&cluster, 2), &attic).unwrap();
    fs::remove_dir_all(data(&cluster, 3)).unwrap();

    let said = cluster.raftctl(1, &force).unwrap_err();
    assert!(said.contains("nothing was done") && said.contains("LOST"), "{said}");
    let word = "--yes-i-lose-what-others-had";
    let missing = format!("force-new-cluster {word} --data {}", data(&cluster, 3).display());
    assert!(cluster.raftctl(1, &missing).unwrap_err().contains("it is no directory"));
    let json = cluster.raftctl(1, &format!("--json {force} {word}")).unwrap();
    let name = number(&json, "new_cluster").to_string();
    let said = cluster.raftctl(1, &format!("{force} {word} --cluster {name}")).unwrap_err();
    assert!(said.contains("already: nothing was done"), "{said}");
    let verified = cluster.raftctl(1, &format!("wal verify {survivor}")).unwrap();
    assert!(verified.contains(&format!("cluster   {name}\n")), "{verified}");

    cluster.0.run_with(1, &["--cluster", &name]).unwrap();
    wait_until("a leader", || (cluster.0.leader_for(1) == Some(1)).then_some(()));
    for id in [2, 3] {
        cluster.0.run_with(id, &["--cluster", &name, "--join"]).unwrap();
        wait_until("a newcomer", || cluster.client(id));
        let door = cluster.0.door(id).to_owned();
        assert_eq!(cluster.raftctl(1, &format!("add {door}")).unwrap(), "OK\n");
    }
    cluster.leader();
    (1..=3).for_each(|id| assert_there(&cluster, id, 0..100));

    // The disk in the attic was not lost after all, and somebody starts what is on it.
    cluster.kill(2);
    fs::remove_dir_all(data(&cluster, 2)).unwrap();
    fs::rename(&attic, data(&cluster, 2)).unwrap();
    let before = refused(&cluster, 1);
    cluster.0.run_with(2, &[]).unwrap();
    wait_until("it is refused", || (refused(&cluster, 1) > before).then_some(()));
    let mut client = wait_until("a client", || cluster.client(1));
    wait_until("the others go on", || set(&mut client, 100).then_some(()));
    assert_there(&cluster, 3, 100..101);
    assert_eq!(cluster.0.leader_for(2), None);
}

#[test]
fn what_a_backup_under_load_holds_is_restored_on_other_machines() {
    let mut cluster = Processes::start();
    let file = data(&cluster, 1).with_file_name("backup");
    let shown = file.display().to_string();
    let (told, ends) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let before: Vec<usize> = std::thread::scope(|scope| {
        for client in 0..3 {
            let (told, ends, cluster) = (&told, &ends, &cluster);
            scope.spawn(move || {
                let mut door = cluster.client(client + 1).unwrap();
                let numbers = (client..).step_by(3).take_while(|_| !ends.load(Ordering::Relaxed));
                for number in numbers.filter(|number| set(&mut door, *number)) {
                    told.lock().unwrap().push(number);
                }
            });
        }
        wait_until("some load", || (told.lock().unwrap().len() > 600).then_some(()));
        let before = told.lock().unwrap().clone();
        let taken = cluster.raftctl(2, &format!("backup {shown}"));
        let count = told.lock().unwrap().len();
        wait_until("more load", || (told.lock().unwrap().len() > count + 50).then_some(()));
        ends.store(true, Ordering::Relaxed);
        assert!(taken.as_ref().is_ok_and(|said| said.contains(&shown)), "{taken:?}");
        before
    });
    let bytes = fs::metadata(&file).unwrap().len();
    assert!(bytes > 512 * 1024, "it came in one piece only: {bytes}");
    let entries = fs::read_dir(file.parent().unwrap()).unwrap();
    let partial = |name: &str| name.ends_with(".partial");
    assert!(!entries.map(|it| it.unwrap().file_name()).any(|it| partial(&it.to_string_lossy())));
    (1..=3).for_each(|id| cluster.kill(id));
    let json = cluster.raftctl(1, &format!("--json check {shown}")).unwrap();
    assert!(number(&json, "keys") >= before.len() as u64, "{json}");
    assert!(json.contains("\"members\":[1,2,3]"), "{json}");

    // Nothing is left of them but that file, and nobody listens where they did.
    let mut successors = Processes::prepare();
    let restore = |id: usize, data: PathBuf| {
        let founders = "--founder 1 --founder 2 --founder 3";
        format!("--json restore {shown} --id {id} {founders} --data {}", data.display())
    };
    let mut clusters = Vec::new();
    for id in 1..=3 {
        let json = successors.raftctl(id, &restore(id, data(&successors, id))).unwrap();
        clusters.push(number(&json, "cluster").to_string());
    }
    let again = successors.raftctl(1, &restore(1, data(&successors, 1))).unwrap_err();
    assert!(again.contains("the storage is not blank"), "{again}");
    drop(cluster);
    assert!(clusters.iter().all(|name| *name == clusters[0]));
    for id in 1..=3 {
        successors.0.run_with(id, &["--cluster", &clusters[0]]).unwrap();
    }
    successors.leader();
    let mut client = successors.client(1).unwrap();
    wait_until("a write", || set(&mut client, 1_000_000).then_some(()));
    for id in 1..=3 {
        assert_there(&successors, id, before.iter().copied().chain([1_000_000]));
    }
    let locked = successors.raftctl(1, "status").unwrap();
    assert_eq!(locked.matches("voter").count(), 3, "{locked}");
}

#[test]
fn what_can_not_be_done_to_files_says_why() {
    let mut cluster = Processes::start();
    let mut client = cluster.client(1).unwrap();
    assert!((0..10).all(|number| set(&mut client, number)));
    let file = data(&cluster, 1).with_file_name("backup");
    let shown = file.display().to_string();
    cluster.raftctl(1, &format!("backup {shown}")).unwrap();
    let nowhere = cluster.raftctl(1, "backup /nowhere/at/all").unwrap_err();
    assert!(nowhere.starts_with("raftctl: can't write all: No such file"), "{nowhere}");
    let held = format!("restore {shown} --id 1 --data {}", data(&cluster, 1).display());
    let said = cluster.raftctl(1, &held).unwrap_err();
    assert!(said.contains("another process works in this directory"), "{said}");
    (1..=3).for_each(|id| cluster.kill(id));

    let whole = fs::read(&file).unwrap();
    let fresh = data(&cluster, 1).with_file_name("fresh");
    let restore = format!("restore {shown} --id 1 --data {}", fresh.display());
    let mut damaged = whole.clone();
    damaged[600] ^= 1;
    for (bytes, why) in [
        (&damaged[..], "it is damaged"),
        (&whole[..700], "it is cut short: 700 of"),
        (b"SQLite format 3\0", "this is no backup"),
    ] {
        fs::write(&file, bytes).unwrap();
        let said = cluster.raftctl(1, &restore).unwrap_err();
        assert!(said.contains(why), "{said}");
        assert!(!fresh.exists(), "nothing is made for a file that is no use");
    }
    let shown = data(&cluster, 1).display().to_string();
    let log = fs::read_dir(data(&cluster, 1)).unwrap().map(|entry| entry.unwrap().path());
    let log = log.filter(|path| path.display().to_string().contains("/log-")).max().unwrap();
    let inspected = cluster.raftctl(1, &format!("wal inspect {}", log.display())).unwrap();
    assert!(inspected.starts_with("OFFSET") && inspected.contains("batch 1"), "{inspected}");
    assert!(cluster.raftctl(1, &format!("wal verify {shown}")).unwrap().contains("lost      -"));
    let mut bytes = fs::read(&log).unwrap();
    bytes[512 + 40] ^= 1;
    fs::write(&log, bytes).unwrap();
    let said = cluster.raftctl(1, &format!("--json wal verify {shown}")).unwrap_err();
    assert!(said.contains("something that was flushed is lost"), "{said}");
}
