use serde::{Deserialize, Serialize};

/// A key just made: the only time its secret is told.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct NewApiKey {
    pub key_id: String,
    pub name: String,
    pub instance_id: String,
    pub secret: String,
    pub masked: String,
}

impl std::fmt::Debug for NewApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewApiKey").field("key_id", &self.key_id).field("masked", &self.masked).finish_non_exhaustive()
    }
}
