//! Requests whole, in pieces, and what is none.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

fn written(words: &[Vec<u8>]) -> Vec<u8> {
    let mut written = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        written.extend(format!("${}\r\n", word.len()).into_bytes());
        written.extend_from_slice(word);
        written.extend_from_slice(b"\r\n");
    }
    written
}

fn all(requests: &mut Requests) -> Result<Vec<Vec<Vec<u8>>>, BadRequest> {
    let mut found = Vec::new();
    while let Some(words) = requests.take()? {
        found.push(words.iter().map(|word| word.to_vec()).collect());
    }
    Ok(found)
}

fn read(bytes: &[u8]) -> Result<Vec<Vec<Vec<u8>>>, BadRequest> {
    let mut requests = Requests::new(Limits::STRANGER);
    requests.push(bytes);
    all(&mut requests)
}

#[test]
fn lists_and_lines_are_requests() {
    let bytes = b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n\r\n*0\r\nPING  now \n*-1\r\n*1\r\n$0\r\n\r\n";
    let words = |words: &[&str]| words.iter().map(|word| word.as_bytes().to_vec()).collect();
    let expected: Vec<Vec<Vec<u8>>> =
        vec![words(&["GET", "a"]), words(&["PING", "now"]), words(&[""])];
    assert_eq!(read(bytes), Ok(expected));
}

#[test]
fn what_is_none_is_refused_as_soon_as_it_shows() {
    let refused = |bytes: &[u8], why| assert_eq!(read(bytes), Err(why), "{}", bytes.escape_ascii());
    refused(b"*17\r\n", BadRequest::Words);
    refused(b"*x\r\n", BadRequest::Words);
    refused(b"*11111111111111111111111111111111", BadRequest::Words);
    refused(b"*99999999999999999999\r\n", BadRequest::Words);
    refused(b"*1\r\n$536870912\r\n", BadRequest::Length);
    refused(b"*1\r\n$-1\r\n", BadRequest::Length);
    refused(b"*1\r\n+OK\r\n", BadRequest::Announcement(b'+'));
    refused(b"*1\r\n$1\r\nab\r\n", BadRequest::End);
    refused(b"*1\r\n$1\r\na\n", BadRequest::End);
    refused(&[b'x'; LINE_BYTES], BadRequest::Line);
    let half = [b"*2\r\n$9000\r\n".to_vec(), vec![b'x'; 9000], b"\r\n$9000\r\n".to_vec()].concat();
    refused(&half, BadRequest::Length);
}

#[test]
fn a_claim_takes_no_memory() {
    let mut requests = Requests::new(Limits::TRUSTED);
    requests.push(b"*16384\r\n$1048576\r\n");
    assert_eq!(requests.take(), Ok(None));
    assert!(requests.buffer.capacity() + requests.words.capacity() < 1024);
}

proptest! {
    #[test]
    fn pieces_are_read_like_the_whole(
        lists in vec(vec(vec(any::<u8>(), 0..40), 1..5), 0..6),
        cuts in vec(1_usize..30, 1..20),
    ) {
        let bytes: Vec<u8> = lists.iter().flat_map(|words| written(words)).collect();
        let (mut requests, mut found, mut rest) = (Requests::new(Limits::TRUSTED), vec![], &*bytes);
        for cut in cuts.iter().cycle() {
            let (piece, behind) = rest.split_at(rest.len().min(*cut));
            requests.push(piece);
            found.extend(all(&mut requests).unwrap());
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(found, lists);
        prop_assert_eq!(requests.waiting(), 0);
    }

    #[test]
    fn garbage_is_refused_or_waited_for_whichever_way_it_comes(
        bytes in vec(prop_oneof![any::<u8>(), Just(b'*'), Just(b'$'), Just(b'\r'), Just(b'\n'),
                                 Just(b'1'), Just(b'2')], 0..300),
        cut in 0_usize..300,
    ) {
        let whole = read(&bytes);
        let mut requests = Requests::new(Limits::STRANGER);
        let (first, second) = bytes.split_at(cut.min(bytes.len()));
        requests.push(first);
        let pieces = all(&mut requests).and_then(|mut found| {
            requests.push(second);
            found.extend(all(&mut requests)?);
            Ok(found)
        });
        prop_assert_eq!(pieces, whole);
    }
}
