//! Who else is in the group: the assignments of its members, as Kafka's group protocol writes them.

/// A member of the group and what it reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) client_id: String,
    pub(super) host: String,
    /// Topic and number.
    pub(super) partitions: Vec<(String, i32)>,
}

/// The partitions of a `ConsumerProtocolAssignment`; those that can be read of one that is cut or not of this kind.
///
/// Big-endian: version (2 bytes), topics (4), each a name (2 and its bytes), partitions (4), each a number (4).
pub(super) fn partitions(bytes: &[u8]) -> Vec<(String, i32)> {
    let mut found = Vec::new();
    let mut rest = Cursor(bytes);
    let mut read = || -> Option<()> {
        let _version = rest.take::<2>()?;
        // No loop runs for longer than there are bytes: each turn takes some or ends it.
        for _ in 0..i32::from_be_bytes(rest.take()?) {
            let length = i16::from_be_bytes(rest.take()?);
            let topic = String::from_utf8_lossy(rest.slice(usize::try_from(length).ok()?)?).into_owned();
            for _ in 0..i32::from_be_bytes(rest.take()?) {
                found.push((topic.clone(), i32::from_be_bytes(rest.take()?)));
            }
        }
        Some(())
    };
    // A cut text gives what stands before the cut.
    let _whole = read();
    found
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn slice(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(length)?;
        self.0 = tail;
        Some(head)
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.0.split_first_chunk()?;
        self.0 = tail;
        Some(*head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(topics: &[(&str, Vec<i32>)]) -> Vec<u8> {
        let mut out = vec![0, 3];
        out.extend(i32::try_from(topics.len()).unwrap().to_be_bytes());
        for (topic, numbers) in topics {
            out.extend(i16::try_from(topic.len()).unwrap().to_be_bytes());
            out.extend(topic.as_bytes());
            out.extend(i32::try_from(numbers.len()).unwrap().to_be_bytes());
            out.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
        }
        // User data, which says nothing of partitions.
        out.extend((-1i32).to_be_bytes());
        out
    }

    #[test]
    fn an_assignment_is_read_and_a_cut_one_as_far_as_it_goes() {
        let bytes = written(&[("a", vec![0, 2]), ("", vec![]), ("b", vec![7])]);
        let all = [("a".to_owned(), 0), ("a".to_owned(), 2), ("b".to_owned(), 7)];
        assert_eq!(partitions(&bytes), all);
        assert_eq!(partitions(&bytes[..bytes.len() - 5]), all[..2]);
        assert_eq!(partitions(&[0, 1, 0, 0, 0, 1, 0xff, 0xff]), []);
    }

    proptest! {
        #[test]
        fn any_bytes_give_no_more_partitions_than_they_hold(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(partitions(&bytes).len() <= bytes.len() / 4);
        }

        #[test]
        fn what_is_written_is_read(topics in proptest::collection::vec(("[a-z.]{0,9}", proptest::collection::vec(0i32..99, 0..9)), 0..9)) {
            let borrowed: Vec<(&str, Vec<i32>)> = topics.iter().map(|(t, n)| (t.as_str(), n.clone())).collect();
            let expected: Vec<(String, i32)> =
                topics.iter().flat_map(|(t, n)| n.iter().map(move |number| (t.clone(), *number))).collect();
            prop_assert_eq!(partitions(&written(&borrowed)), expected);
        }
    }
}
