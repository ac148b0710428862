//! MessagePack as a tree, to be changed where it means something: flipped bytes alone seldom get past the decoder.

use super::mutate::Random;

/// A MessagePack value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Nil,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(Vec<u8>),
    Bin(Vec<u8>),
    Array(Vec<Value>),
    Map(Vec<(Value, Value)>),
}

impl Value {
    /// Decodes what our own encoder wrote.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let value = decode(&mut rest)?;
        rest.is_empty().then_some(value)
    }

    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        encode(self, &mut out);
        out
    }

    /// The value of a key of a map.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        let Value::Map(pairs) = self else { return None };
        pairs.iter_mut().find(|(k, _)| *k == Value::Text(key.into())).map(|(_, value)| value)
    }

    fn size(&self) -> usize {
        1 + match self {
            Value::Array(items) => items.iter().map(Value::size).sum(),
            Value::Map(pairs) => pairs.iter().map(|(_, value)| value.size()).sum(),
            _ => 0,
        }
    }

    /// The node with this number, counted from the root.
    fn node(&mut self, mut number: usize) -> &mut Value {
        if number == 0 {
            return self;
        }
        number -= 1;
        // two passes, as the borrow checker does not follow an early return out of a loop over iter_mut
        let sizes: Vec<usize> = match self {
            Value::Array(items) => items.iter().map(Value::size).collect(),
            Value::Map(pairs) => pairs.iter().map(|(_, value)| value.size()).collect(),
            _ => return self,
        };
        let mut child = 0;
        while child + 1 < sizes.len() && number >= sizes[child] {
            number -= sizes[child];
            child += 1;
        }
        match self {
            Value::Array(items) => items[child].node(number),
            Value::Map(pairs) => pairs[child].1.node(number),
            _ => unreachable!("it has children"),
        }
    }

    /// Changes the tree in some places.
    pub fn mutate(&mut self, random: &mut Random) {
        for _ in 0..=random.below(3) {
            let donor = random.below(self.size());
            let donor = self.node(donor).clone();
            let number = random.below(self.size());
            change(self.node(number), donor, random);
        }
    }
}

fn change(node: &mut Value, donor: Value, random: &mut Random) {
    match random.below(12) {
        // a number from elsewhere in the image: an id that belongs to something else
        0 | 1 => *node = donor,
        2 => *node = Value::Nil,
        _ => match node {
            Value::Nil | Value::Bool(_) | Value::Float(_) => *node = Value::Bool(random.one_in(2)),
            Value::Unsigned(number) => *number = if random.one_in(3) { number.wrapping_add(1) } else { random.number() },
            Value::Signed(number) => *number = random.number() as i64,
            Value::Text(bytes) | Value::Bin(bytes) => super::mutate::bytes(bytes, random, &[b"..", b"/", b"\0", b"\xff"]),
            Value::Array(items) => {
                let at = random.below(items.len());
                match random.below(4) {
                    0 if !items.is_empty() => drop(items.remove(at)),
                    1 if !items.is_empty() => items.insert(at, items[at].clone()),
                    2 => items.reverse(),
                    _ => items.insert(at, donor),
                }
            }
            Value::Map(pairs) => {
                let at = random.below(pairs.len());
                match random.below(3) {
                    0 if !pairs.is_empty() => drop(pairs.remove(at)),
                    1 if !pairs.is_empty() => pairs.push(pairs[at].clone()),
                    _ => pairs.push((Value::Text(b"other".to_vec()), donor)),
                }
            }
        },
    }
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(len)?;
    *rest = tail;
    Some(head)
}

fn big_endian(rest: &mut &[u8], len: usize) -> Option<u64> {
    Some(take(rest, len)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

fn decode(rest: &mut &[u8]) -> Option<Value> {
    let first = take(rest, 1)?[0];
    let length = |rest: &mut &[u8], shift: u8| big_endian(rest, 1 << shift).map(|len| len as usize);
    Some(match first {
        0..0x80 => Value::Unsigned(first.into()),
        0x80..0x90 => map(rest, usize::from(first & 15))?,
        0x90..0xa0 => array(rest, usize::from(first & 15))?,
        0xa0..0xc0 => Value::Text(take(rest, usize::from(first & 31))?.to_vec()),
        0xc0 => Value::Nil,
        0xc2 | 0xc3 => Value::Bool(first == 0xc3),
        0xc4..=0xc6 => {
            let len = length(rest, first - 0xc4)?;
            Value::Bin(take(rest, len)?.to_vec())
        }
        0xcb => Value::Float(f64::from_bits(big_endian(rest, 8)?)),
        0xcc..=0xcf => Value::Unsigned(big_endian(rest, 1 << (first - 0xcc))?),
        0xd0..=0xd3 => {
            let len = 1 << (first - 0xd0);
            let unused = 64 - 8 * len as u32;
            Value::Signed((big_endian(rest, len)? << unused) as i64 >> unused)
        }
        0xd9..=0xdb => {
            let len = length(rest, first - 0xd9)?;
            Value::Text(take(rest, len)?.to_vec())
        }
        0xdc | 0xdd => {
            let len = length(rest, first - 0xdc + 1)?;
            array(rest, len)?
        }
        0xde | 0xdf => {
            let len = length(rest, first - 0xde + 1)?;
            map(rest, len)?
        }
        0xe0.. => Value::Signed(i64::from(first as i8)),
        _ => return None,
    })
}

fn array(rest: &mut &[u8], len: usize) -> Option<Value> {
    (0..len).map(|_| decode(rest)).collect::<Option<_>>().map(Value::Array)
}

fn map(rest: &mut &[u8], len: usize) -> Option<Value> {
    (0..len).map(|_| Some((decode(rest)?, decode(rest)?))).collect::<Option<_>>().map(Value::Map)
}

/// The long forms throughout: every decoder must take them.
fn encode(value: &Value, out: &mut Vec<u8>) {
    let mut head = |marker: u8, len: usize| {
        out.push(marker);
        out.extend_from_slice(&(len as u32).to_be_bytes());
    };
    match value {
        Value::Nil => out.push(0xc0),
        Value::Bool(yes) => out.push(0xc2 + u8::from(*yes)),
        Value::Unsigned(number) => {
            out.push(0xcf);
            out.extend_from_slice(&number.to_be_bytes());
        }
        Value::Signed(number) => {
            out.push(0xd3);
            out.extend_from_slice(&number.to_be_bytes());
        }
        Value::Float(number) => {
            out.push(0xcb);
            out.extend_from_slice(&number.to_be_bytes());
        }
        Value::Text(bytes) => {
            head(0xdb, bytes.len());
            out.extend_from_slice(bytes);
        }
        Value::Bin(bytes) => {
            head(0xc6, bytes.len());
            out.extend_from_slice(bytes);
        }
        Value::Array(items) => {
            head(0xdd, items.len());
            items.iter().for_each(|item| encode(item, out));
        }
        Value::Map(pairs) => {
            head(0xdf, pairs.len());
            for (key, value) in pairs {
                encode(key, out);
                encode(value, out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_go_there_and_back_and_change() {
        let tree = Value::Map(vec![
            (
                Value::Text(b"a".to_vec()),
                Value::Array(vec![Value::Unsigned(3), Value::Signed(-3), Value::Nil, Value::Float(0.5)]),
            ),
            (Value::Text(b"b".to_vec()), Value::Bin(vec![0; 300])),
            (Value::Text(b"c".to_vec()), Value::Bool(true)),
        ]);
        assert_eq!(Value::decode(&tree.encode()).unwrap(), tree);
        assert_eq!(Value::decode(&[0xd1, 0xff, 0xfe]), Some(Value::Signed(-2)));
        assert_eq!(Value::decode(&[0x93, 1, 0xe0, 0xa1, b'x']).unwrap().size(), 4);
        let mut random = Random::new(1);
        let changed = (0..100).filter(|_| {
            let mut other = tree.clone();
            other.mutate(&mut random);
            other != tree
        });
        assert!(changed.count() > 80);
    }
}
