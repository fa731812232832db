//! Three nodes in one process, as clients and operators see them.

mod common;

use common::{Cluster, PATIENCE, ask, number, shown, wait_until};
use kv::control::{Client, Control, Failed, Task, request};
use kv::options::Beginning;
use kv::resp::Reply;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

fn control(server: String, task: Task) -> Result<String, Failed> {
    let mut told = String::new();
    let control = Control { server, password: None, json: true, task };
    control.run(&mut |text| told.push_str(text))?;
    Ok(told)
}

fn lead(words: &[&str]) -> Task {
    Task::Lead(words.iter().map(|word| (*word).to_owned()).collect())
}

#[test]
fn every_node_takes_writes_and_shows_them_at_once() {
    let mut cluster = Cluster::start(3, |_| {});
    let mut clients: Vec<_> = cluster.running().map(common::Node::client).collect();
    for (number, through) in (1..=9).zip([0, 1, 2].into_iter().cycle()) {
        assert_eq!(ask(&mut clients[through], "INCR n"), number.to_string());
        for client in &mut clients {
            assert_eq!(ask(client, "GET n"), number.to_string());
        }
    }
    let first = cluster.leader();
    cluster.node(first).kill();
    let second = cluster.leader();
    assert_ne!(first, second);
    for (number, node) in (10..).zip(cluster.running()) {
        assert_eq!(ask(&mut node.client(), "INCR n"), number.to_string());
    }
    cluster.node(first).start();
    assert_eq!(ask(&mut cluster.node(first).client(), "GET n"), "11");
}

#[test]
fn what_is_sent_without_waiting_is_done_in_its_order() {
    let mut cluster = Cluster::start(3, |_| {});
    let leader = cluster.leader();
    let follower = if leader == 1 { 2 } else { 1 };
    for id in [leader, follower] {
        let mut client = cluster.node(id).client();
        let (mut sent, mut expected) = (Vec::new(), Vec::new());
        for number in 0..500 {
            let (name, value) = (format!("{id}-{}", number % 3), number.to_string());
            sent.extend(request(&["SET", &name, &value]));
            sent.extend(request(&["GET", &name]));
            sent.extend(request(&["PING"]));
            sent.extend(request(&["INCRBY", &name, "1000"]));
            sent.extend(request(&["NONSENSE"]));
            let sum = (number + 1000).to_string();
            let unknown = "ERR unknown command 'NONSENSE'".to_owned();
            expected.extend(["OK".into(), value, "PONG".into(), sum, unknown]);
        }
        // From another thread, because the answers do not fit into what lies in between.
        let mut stream = TcpStream::connect(cluster.node(id).door()).unwrap();
        let mut answers = kv::resp::Answers(std::io::BufReader::new(stream.try_clone().unwrap()));
        let sender = std::thread::spawn(move || stream.write_all(&sent).unwrap());
        for (number, expected) in expected.iter().enumerate() {
            assert_eq!(&shown(&answers.read().unwrap()), expected, "answer {number}");
        }
        sender.join().unwrap();
        assert_eq!(ask(&mut client, "DBSIZE"), if id == leader { "3" } else { "6" });
    }
}

#[test]
fn keys_are_over_everywhere_when_the_leader_says_so() {
    let mut cluster = Cluster::start(3, |_| {});
    let leader = cluster.leader();
    let follower = if leader == 1 { 2 } else { 1 };
    let mut client = cluster.node(follower).client();
    assert_eq!(ask(&mut client, "SET brief 1 PX 50"), "OK");
    assert_eq!(ask(&mut client, "SET long 1 EX 1000"), "OK");
    assert_eq!(ask(&mut client, "SET ever 1"), "OK");
    wait_until("the end of it", || (ask(&mut client, "EXISTS brief") == "0").then_some(()));
    assert_eq!(ask(&mut client, "TTL brief"), "-2");
    assert_eq!(ask(&mut client, "TTL ever"), "-1");
    let left = |client: &mut _| ask(client, "PTTL long").parse::<u64>().unwrap();
    wait_until("time to go on", || (left(&mut client) < 1_000_000).then_some(()));
    // Time goes on under the next leader.
    cluster.node(leader).kill();
    let next = cluster.leader();
    let mut client = cluster.node(next).client();
    let before = left(&mut client);
    wait_until("time to go on", || (left(&mut client) < before).then_some(()));
    assert_eq!(ask(&mut client, "PEXPIRE long 20"), "1");
    wait_until("the end of it", || (ask(&mut client, "DBSIZE") == "1").then_some(()));
}

#[test]
fn a_scan_over_several_nodes_finds_every_key() {
    let cluster = Cluster::start(3, |_| {});
    let mut clients: Vec<_> = cluster.running().map(common::Node::client).collect();
    let pairs: Vec<_> = (0..40).map(|number| format!("k{number} {number}")).collect();
    assert_eq!(ask(&mut clients[0], &format!("MSET {}", pairs.join(" "))), "OK");
    let (mut from, mut found) = ("0".to_owned(), Vec::new());
    for node in (0..3).cycle() {
        let page = clients[node].call(&["SCAN", &from, "MATCH", "k?*", "COUNT", "7"]).unwrap();
        let Reply::List(page) = page else { panic!("{page:?}") };
        from = shown(&page[0]);
        found.extend(shown(&page[1]).split_whitespace().map(str::to_owned));
        if from == "0" {
            break;
        }
    }
    found.sort_unstable();
    let mut expected: Vec<_> = (0..40).map(|number| format!("k{number}")).collect();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn operators_take_in_a_node_and_let_others_go() {
    let mut cluster = Cluster::start(3, |_| {});
    let old = cluster.leader();
    assert_eq!(ask(&mut cluster.node(old).client(), "SET a 1"), "OK");
    cluster.prepare(4, Beginning::Join).start();
    let (through, client) = (cluster.node(1).door(), cluster.node(4).door());
    // Whichever node is at hand: the leader is found, once it said where it serves clients.
    let add = Task::Add { client: client.clone(), learner: true };
    assert_eq!(control(through.clone(), add).unwrap(), "\"OK\"");
    assert_eq!(control(through.clone(), lead(&["RAFT.PROMOTE", "4"])).unwrap(), "\"OK\"");
    let gone = old.to_string();
    assert_eq!(control(client.clone(), lead(&["RAFT.TRANSFER", "4"])).unwrap(), "4");
    assert_eq!(control(client.clone(), lead(&["RAFT.REMOVE", &gone])).unwrap(), "\"OK\"");
    cluster.node(old).kill();
    assert_eq!(ask(&mut cluster.node(4).client(), "GET a"), "1");
    let status = control(client, Task::Status).unwrap();
    assert_eq!(status.matches("\"role\":\"leader\"").count(), 1, "{status}");
    assert_eq!(status.matches("\"role\":\"follower\"").count(), 2, "{status}");
    assert!(!status.contains(&format!("{{\"id\":{old},\"part\"")), "{status}");
}

#[test]
fn a_new_node_may_stand_where_another_one_stood() {
    let mut cluster = Cluster::start(3, |_| {});
    let leader = cluster.leader();
    let client = cluster.node(leader).door().to_string();
    let gone = if leader == 3 { 2 } else { 3 };
    let remove = lead(&["RAFT.REMOVE", &gone.to_string()]);
    assert_eq!(control(client.clone(), remove).unwrap(), "\"OK\"");
    cluster.node(gone).kill();
    let address = cluster.node(gone).options.listen.clone();
    let new = cluster.prepare(0, Beginning::Join);
    new.options.listen = address;
    new.options.peers.retain(|(id, _)| id.0 != gone);
    new.start();
    let add = Task::Add { client: new.door().to_string(), learner: false };
    assert_eq!(control(client, add).unwrap(), "\"OK\"");
    assert_eq!(ask(&mut cluster.node(0).client(), "SET a 1"), "OK");
}

#[test]
fn whoever_errs_about_an_id_or_an_address_cuts_nobody_off() {
    let mut cluster = Cluster::start(3, |_| {});
    let leader = cluster.leader();
    let member = if leader == 3 { 2 } else { 3 };
    let address = cluster.node(member).options.listen.clone().unwrap();
    let (id, mut client) = (member.to_string(), cluster.node(leader).client());
    wait_until("where it is", || {
        let status = client.call(&["RAFT.STATUS"]).ok()?;
        format!("{status:?}").contains(&address).then_some(())
    });
    for words in [["RAFT.ADD", &id, "127.0.0.1:1", "77"], ["RAFT.ADD", "9", &address, "77"]] {
        let refused = shown(&client.call(&words).unwrap());
        assert!(refused.contains(&format!("AlreadyMember(NodeId({id}))")), "{refused}");
    }
    assert_eq!(ask(&mut cluster.node(member).client(), "SET a 1"), "OK");
}

#[test]
fn a_node_goes_on_from_its_snapshot() {
    let mut cluster = Cluster::start(1, |_| {});
    let mut client = cluster.node(1).client();
    for line in ["SET a 1", "SET b 2 EX 1000", "MSET c 3 d 4", "DEL a", "INCR n"] {
        ask(&mut client, line);
    }
    let long = "x".repeat(300);
    assert_eq!(client.call(&["SET", &long, &long]).unwrap(), Reply::OK);
    assert_eq!(ask(&mut client, "RAFT.SNAPSHOT"), "OK");
    ask(&mut client, "INCR n");
    cluster.node(1).shut_down();
    cluster.node(1).start();
    let mut client = cluster.node(1).client();
    assert_eq!(ask(&mut client, "MGET a b c d n"), "nothing 2 3 4 2");
    assert_eq!(ask(&mut client, &format!("GET {long}")), long);
    assert!(ask(&mut client, "TTL b").parse::<i64>().unwrap() > 0);
    let status = client.call(&["RAFT.STATUS"]).unwrap();
    assert!(number(&status, "snapshot").unwrap() > 0);
    assert!(number(&status, "term").unwrap() > 1);
}

#[test]
fn strangers_hear_nothing_but_that_they_are_strangers() {
    let mut cluster = Cluster::start(1, |options| options.password = Some("open sesame".into()));
    let mut stream = TcpStream::connect(cluster.node(1).door()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let lines = "GET a\nSET a 1\nHELLO 3\nAUTH wrong\nRAFT.STATUS\n*2\r\n$99999\r\n";
    stream.write_all(lines.as_bytes()).unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    let starts = ["-NOAUTH", "-NOAUTH", "-NOAUTH", "-WRONGPASS", "-NOAUTH", "-ERR Protocol error"];
    assert_eq!(answers.lines().count(), starts.len(), "{answers}");
    for (answer, start) in answers.lines().zip(starts) {
        assert!(answer.starts_with(start), "{answer}");
    }
    let mut friend = cluster.node(1).client();
    assert_eq!(ask(&mut friend, "GET a"), "nothing");
}

#[test]
fn strangers_who_say_nothing_keep_nobody_out() {
    let mut cluster = Cluster::start(1, |options| {
        (options.password, options.clients_max) = (Some("open sesame".into()), 4);
    });
    let friends: Vec<_> = (0..3).map(|_| cluster.node(1).client()).collect();
    let strangers: Vec<_> =
        (0..50).map(|_| TcpStream::connect(cluster.node(1).door()).unwrap()).collect();
    let mut late = cluster.node(1).client();
    assert_eq!(ask(&mut late, "SET a 1"), "OK");
    // Four friends are four, and whoever came before is still here.
    for mut friend in friends {
        assert_eq!(ask(&mut friend, "GET a"), "1");
    }
    drop(strangers);
}

#[test]
fn garbage_and_what_is_too_much_harm_nobody_else() {
    let mut cluster = Cluster::start(1, |options| options.clients_max = 8);
    let mut client = cluster.node(1).client();
    let door = cluster.node(1).door();
    let last = |bytes: &[u8]| {
        let mut stream = TcpStream::connect(&door).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(bytes).unwrap();
        let mut answers = Vec::new();
        // It is closed by the other side, whichever way.
        stream.read_to_end(&mut answers).ok();
        String::from_utf8_lossy(&answers).into_owned()
    };
    assert_eq!(
        last(b"PING\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$536870912\r\n"),
        "+PONG\r\n-ERR Protocol error: invalid bulk length\r\n"
    );
    assert_eq!(last(b"*1000000\r\n"), "-ERR Protocol error: invalid multibulk length\r\n");
    assert_eq!(last(b"*1\r\nGET\r\n"), "-ERR Protocol error: expected '$', got 'G'\r\n");
    assert_eq!(last(b"QUIT\r\nPING\r\n"), "+OK\r\n");
    for number in 0..50_u8 {
        let mut stream = TcpStream::connect(&door).unwrap();
        stream.write_all(&[number; 300]).unwrap();
        // Half a command, and gone.
        stream.write_all(b"\r\n*2\r\n$3\r\nGE").unwrap();
        drop(stream);
        assert_eq!(ask(&mut client, "PING"), "PONG");
    }
    let long = "x".repeat(5000);
    let refused = client.call(&["SET", "a", &long]).unwrap();
    assert!(shown(&refused).ends_with("are the most: see frame_bytes"), "{refused:?}");
    let mut others = Vec::new();
    wait_until("too many to be let in", || {
        let mut stream = TcpStream::connect(&door).unwrap();
        stream.write_all(b"PING\r\n").unwrap();
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).unwrap();
        others.push(stream);
        assert!(others.len() < 10);
        (&answer == b"-ERR").then_some(())
    });
    assert_eq!(ask(&mut client, "PING"), "PONG");
}

#[test]
fn whoever_says_nothing_more_hears_every_answer() {
    let mut cluster = Cluster::start(1, |_| {});
    let door = cluster.node(1).door();
    for number in 0..100 {
        let mut stream = TcpStream::connect(&door).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(&request(&["INCR", "n"])).unwrap();
        // At once or after the first answer, with another request before it.
        if number % 2 == 0 {
            stream.read_exact(&mut [0]).unwrap();
            stream.write_all(&request(&["PING"])).unwrap();
        }
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answers = String::new();
        stream.read_to_string(&mut answers).unwrap();
        assert_eq!(answers.ends_with("+PONG\r\n"), number % 2 == 0, "{answers}");
        assert!(answers.contains(&format!("{}\r\n", number + 1)), "{answers}");
    }
}

#[test]
fn whoever_does_not_read_is_not_read_either() {
    let mut cluster = Cluster::start(1, |_| {});
    let mut client = cluster.node(1).client();
    let value = "x".repeat(1000);
    assert_eq!(client.call(&["SET", "a", &value]).unwrap(), Reply::OK);
    let mut stream = TcpStream::connect(cluster.node(1).door()).unwrap();
    stream.set_nonblocking(true).unwrap();
    let requests = request(&["GET", "a"]).repeat(1000);
    let (mut sent, mut still) = (0_usize, 0);
    // Nothing leaves any more for a second: what the system holds is full, and the door waits.
    while still < 50 {
        match stream.write(&requests[sent % requests.len()..]) {
            Ok(count) => (sent, still) = (sent + count, 0),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                still += 1;
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            Err(error) => panic!("{error}"),
        }
        assert!(sent < 256 << 20, "it takes everything and holds the answers");
    }
    assert_eq!(ask(&mut client, "PING"), "PONG");
    // Once it reads, it hears everything.
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let whole = sent / request(&["GET", "a"]).len();
    let mut answers = kv::resp::Answers(std::io::BufReader::new(stream));
    for _ in 0..whole {
        assert_eq!(answers.read().unwrap(), Reply::text(&value));
    }
}

#[test]
fn backups_come_piece_by_piece_and_a_few_at_a_time() {
    let cluster = Cluster::start(1, |_| {});
    cluster.leader();
    let mut client = cluster.running().next().unwrap().client();
    for key in 0..400 {
        assert_eq!(ask(&mut client, &format!("SET key-{key} {}", "x".repeat(1000))), "OK");
    }
    let begin = |client: &mut Client| {
        let begun = client.call(&["RAFT.BACKUP"]).unwrap();
        (number(&begun, "backup").unwrap(), number(&begun, "bytes").unwrap())
    };
    let (name, bytes) = begin(&mut client);
    let mut pieces = Vec::new();
    loop {
        match client.call(&["RAFT.BACKUP.NEXT", &name.to_string()]).unwrap() {
            Reply::Bytes(piece) if piece.is_empty() => break,
            Reply::Bytes(piece) => pieces.push(piece.to_vec()),
            other => panic!("{other:?}"),
        }
    }
    assert!(pieces.len() == 2 && pieces[0].len() == 256 * 1024, "{}", pieces.len());
    assert_eq!(i64::try_from(pieces.concat().len()), Ok(bytes));
    assert!(pieces[0].starts_with(b"raftback"));
    let over = ask(&mut client, &format!("RAFT.BACKUP.NEXT {name}"));
    assert_eq!(over, "ERR no such backup is under way; begin another one");
    // What nobody goes on with makes way later; until then there are a few.
    assert!((0..4).all(|_| begin(&mut client).1 == bytes));
    let said = ask(&mut client, "RAFT.BACKUP");
    assert_eq!(said, "TRYAGAIN too many backups are under way");
}
