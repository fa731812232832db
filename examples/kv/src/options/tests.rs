//! What is understood, and what is refused in which words.

use super::*;

const LEAST: [&str; 3] = ["--id", "1", "--memory"];

fn read(words: &[&str]) -> Result<Wanted, BadOption> {
    Options::read([&["kv"], &LEAST[..], words].concat())
}

fn options(words: &[&str]) -> Options {
    match read(words) {
        Ok(Wanted::Run(options)) => *options,
        other => panic!("{other:?}"),
    }
}

fn refused(words: &[&str]) -> String {
    read(words).unwrap_err().to_string()
}

#[test]
fn the_command_line_says_what_a_node_is() {
    let line = "kv --id 2 --listen 127.0.0.1:7002 --peer 1=a:7001 --peer 3=b:7003 --data d \
                --client [::1]:6380 --bootstrap --heartbeat 100 --preset slow --lease-drift=50";
    let Ok(Wanted::Run(options)) = Options::read(line.split_whitespace()) else { panic!("no") };
    assert_eq!((options.id, options.beginning), (Some(NodeId(2)), Beginning::Bootstrap));
    let peers = [(NodeId(1), "a:7001".to_owned()), (NodeId(3), "b:7003".to_owned())];
    assert_eq!(options.peers, peers);
    let heartbeat = Duration::from_millis(100);
    let lease_drift = Some(50);
    let settings = Settings { heartbeat, lease_drift, log_bytes: LOG_BYTES, ..Settings::SLOW };
    assert_eq!(options.settings, settings);
    assert_eq!(options.address(), Some("127.0.0.1:7002"));
    assert_eq!(read(&["--help"]), Ok(Wanted::Help));
    assert_eq!(read(&["--version"]), Ok(Wanted::Version));
}

#[test]
fn a_file_says_the_same_and_the_command_line_counts_more() {
    let path = std::env::temp_dir().join(format!("kv-options-{}.toml", std::process::id()));
    let text = "id = 2\nlisten = 'h:1'\npeer = ['1=a:1', '3=c:1']\nmemory = true\nheartbeat = 70\n\
                preset = 'slow'\ntick = 20\n";
    std::fs::write(&path, text).unwrap();
    let file = path.to_str().unwrap().to_owned();
    let Ok(Wanted::Run(options)) = Options::read(["kv", "--tick", "5", "--config", &file]) else {
        panic!("no")
    };
    assert_eq!((options.id, options.peers.len()), (Some(NodeId(2)), 2));
    assert_eq!(options.settings.tick, Duration::from_millis(5));
    assert_eq!(options.settings.heartbeat, Duration::from_millis(70));
    assert_eq!(options.settings.election_timeout, Settings::SLOW.election_timeout);
    for (text, expected) in [
        ("colour = 'red'", "colour is no key"),
        ("id = 1.5", "id is 1.5; allowed is a text, a number, true or false"),
        ("id = 99", "id is 99; allowed is a node's id, 0 to 31"),
        ("id = ", "TOML parse error"),
    ] {
        std::fs::write(&path, text).unwrap();
        let refused = Options::read(["kv", "--config", &file]).unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}");
    }
    std::fs::remove_file(&path).unwrap();
    let refused = Options::read(["kv", "--config", &file]).unwrap_err().to_string();
    assert!(refused.starts_with(&format!("config is {file}; allowed is a file")), "{refused}");
}

#[test]
fn the_sample_file_is_what_it_says() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/kv.toml");
    let Ok(Wanted::Run(sample)) = Options::read(["kv", "--config", file]) else { panic!("no") };
    let default = Options::default();
    assert_eq!((sample.id, sample.peers.len()), (Some(NodeId(1)), 2));
    // What is commented out is what holds without it.
    let text = std::fs::read_to_string(file).unwrap();
    let mut commented = Options::default();
    for line in text.lines().filter_map(|line| line.strip_prefix("#")) {
        let Some((key, value)) = line.split_once(" = ").filter(|_| !line.starts_with(' ')) else {
            continue;
        };
        commented.set(key, value.trim_matches('"')).unwrap();
    }
    assert_eq!(commented.settings, default.settings);
    assert_eq!(commented.patience, default.patience);
    assert_eq!(commented.clients_max, default.clients_max);
    assert_eq!(commented.cluster, default.cluster);
}

#[test]
fn a_value_that_can_not_be_is_refused_by_its_key() {
    let check = |words: &str, expected: &str| {
        let words: Vec<_> = words.split(' ').collect();
        assert_eq!(refused(&words), expected);
    };
    check("--id 32", "id is 32; allowed is a node's id, 0 to 31");
    check("--peer 2", "peer is 2; allowed is ID=HOST:PORT, such as 2=10.0.0.2:7000");
    check("--peer 2=b", "peer is b; allowed is HOST:PORT");
    check("--peer 2=b:1", "listen is not given; allowed is HOST:PORT, where there are peers");
    check(
        "--peer 2=serial:/dev/ttyUSB0:0",
        "peer is serial:/dev/ttyUSB0:0; allowed is serial:PATH:BAUD, such as \
         serial:/dev/ttyUSB0:9600",
    );
    check("--listen :7000", "listen is :7000; allowed is HOST:PORT");
    let reachable = "allowed is an address that peers can reach, here or in advertise";
    check("--listen 0.0.0.0:7000", &format!("listen is 0.0.0.0:7000; {reachable}"));
    check("--listen h:1 --advertise [::]:1", &format!("advertise is [::]:1; {reachable}"));
    check("--clients-max 0", "clients_max is 0; allowed is 1 to 1000000");
    check("--preset wan", "preset is wan; allowed is lan or slow");
    check("--memory=perhaps", "memory is perhaps; allowed is true or false");
    check("--data d", "data is d; allowed is nothing, where memory is said");
    check(
        "--prepare",
        "prepare is true; allowed is false, without bootstrap or join, or with memory",
    );
    check("--join --bootstrap", "bootstrap is true; allowed is one of bootstrap and join");
    check("--colour red", "colour is no key; see --help for those that there are");
    check("red", "unexpected argument \"red\"");
    let open = refused(&["--client", "0.0.0.0:6379"]);
    assert!(open.starts_with("client is 0.0.0.0:6379; allowed is an address of this"), "{open}");
    assert_eq!(options(&["--client", "0.0.0.0:6379", "--password", "p"]).clients_max, 1000);
    let nobody = Options::read(["kv"]).unwrap_err().to_string();
    assert_eq!(nobody, "id is not given; allowed is 0 to 31");
}

#[test]
fn every_key_that_help_tells_of_is_known() {
    let text = help();
    for line in text.lines().filter(|line| line.starts_with("  --")) {
        let key = line.trim_start().trim_start_matches('-').split([' ', ',']).next().unwrap();
        let key = key.replace('-', "_");
        if ["config", "help"].contains(&key.as_str()) {
            continue;
        }
        assert!(is_key(&key), "{key}");
        let error = Options::default().set(&key, "\u{1}");
        let unknown = error.is_err_and(|error| error.to_string().contains("no key"));
        assert!(!unknown, "{key}");
    }
}
