//! Mentions as bytes, as they lie in temporary files.

use lifeboat_sqlite::Value;

/// Appends a number, seven bits a byte (LEB128).
pub(crate) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number as u8) | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends bytes and their length.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(crate) fn put_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.push(0),
        Value::Integer(number) => {
            out.push(1);
            // Small numbers of either sign are short.
            put_number(out, ((number << 1) ^ (number >> 63)) as u64);
        }
        Value::Real(number) => {
            out.push(2);
            out.extend_from_slice(&number.to_bits().to_le_bytes());
        }
        Value::Text(text) => {
            out.push(3);
            put_bytes(out, text.as_bytes());
        }
        Value::Blob(bytes) => {
            out.push(4);
            put_bytes(out, bytes);
        }
    }
}

/// Takes apart what was put together here. Only ever our own bytes of a moment
/// ago; what does not fit all the same reads as nothing.
pub(crate) struct Taken<'a>(pub(crate) &'a [u8]);

impl<'a> Taken<'a> {
    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub(crate) fn number(&mut self) -> Option<u64> {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(number);
            }
            shift += 7;
        }
    }

    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(crate) fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_vec()).ok()
    }

    pub(crate) fn value(&mut self) -> Option<Value> {
        Some(match self.byte()? {
            0 => Value::Null,
            1 => {
                let number = self.number()?;
                Value::Integer(((number >> 1) as i64) ^ -((number & 1) as i64))
            }
            2 => {
                let (bits, rest) = self.0.split_at_checked(8)?;
                self.0 = rest;
                Value::Real(f64::from_bits(u64::from_le_bytes(bits.try_into().ok()?)))
            }
            3 => Value::Text(self.text()?),
            4 => Value::Blob(self.bytes()?.to_vec()),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back() {
        let values = [
            Value::Null,
            Value::Integer(0),
            Value::Integer(-1),
            Value::Integer(i64::MIN),
            Value::Integer(i64::MAX),
            Value::Real(-0.5),
            Value::Text("ü".repeat(100)),
            Value::Blob(vec![0, 255]),
        ];
        let mut bytes = Vec::new();
        values.iter().for_each(|value| put_value(&mut bytes, value));
        let mut taken = Taken(&bytes);
        for value in &values {
            assert_eq!(taken.value().as_ref(), Some(value));
        }
        assert_eq!(taken.value(), None);
    }
}
