//! The data keys of a repository, as the format asks for them.

use std::collections::HashMap;
use std::sync::Arc;

use lifeboat_crypto::{DataKey, ObjectContext, ObjectHeader, ObjectKey, Part as CryptoPart};
use lifeboat_format::digest::HashKey;
use lifeboat_format::seal::{
    Forged, KeyProblem, Keyring, ObjectCipher, Part, SealContext, SealHeader,
};

/// The data keys that were opened. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    current: Arc<DataKey>,
    all: Arc<HashMap<[u8; 16], Arc<DataKey>>>,
}

impl Keys {
    pub(crate) fn new(current: Arc<DataKey>, all: &[Arc<DataKey>]) -> Self {
        let all = all.iter().map(|key| (*key.id(), Arc::clone(key))).collect();
        Self { current, all: Arc::new(all) }
    }

    /// The data key of new objects.
    pub(crate) fn current(&self) -> &DataKey {
        &self.current
    }

    /// Every data key, the oldest first.
    pub(crate) fn all(&self) -> Vec<Arc<DataKey>> {
        let mut all: Vec<Arc<DataKey>> = self.all.values().cloned().collect();
        all.sort_by_key(|key| key.ordinal());
        all
    }

    pub(crate) fn hash_key(&self) -> HashKey {
        HashKey::from_bytes(*self.current.hash_key())
    }
}

impl Keyring for Keys {
    fn sealer(&self, context: SealContext<'_>) -> Arc<dyn ObjectCipher> {
        Arc::new(Cipher(self.current.sealer(&object_context(&context))))
    }

    fn opener(
        &self,
        context: SealContext<'_>,
        header: &SealHeader,
    ) -> Result<Arc<dyn ObjectCipher>, KeyProblem> {
        let key = self.all.get(&header.key_id()).ok_or(KeyProblem::Unknown)?;
        let header = ObjectHeader::from_bytes(&header.0);
        match key.opener(&object_context(&context), &header) {
            Ok(opener) => Ok(Arc::new(Cipher(opener))),
            Err(_) => Err(KeyProblem::OtherPlace),
        }
    }
}

fn object_context<'a>(context: &SealContext<'a>) -> ObjectContext<'a> {
    ObjectContext {
        repository: *context.repository.as_bytes(),
        database: context.database.as_str(),
        role: context.kind.letter(),
        object: context.object,
    }
}

#[derive(Debug)]
struct Cipher(ObjectKey);

impl ObjectCipher for Cipher {
    fn header(&self) -> SealHeader {
        SealHeader(self.0.header().to_bytes())
    }

    fn seal(&self, part: Part<'_>, data: &mut Vec<u8>) {
        self.0.seal(crypto_part(part), data);
    }

    fn open(&self, part: Part<'_>, data: &mut Vec<u8>) -> Result<(), Forged> {
        let len = self.0.open(crypto_part(part), data).map_err(|_| Forged)?.len();
        data.truncate(len);
        Ok(())
    }
}

fn crypto_part(part: Part<'_>) -> CryptoPart<'_> {
    let Part { section, number, last, bound } = part;
    CryptoPart { section: section.number(), number, last, bound }
}
