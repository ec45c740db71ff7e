//! Whether what a thing refers to exists, is the caller's to see, and fits together.

use app::types::config::{FieldKind, FieldRole, Thing, thing};
use serde_json::{Map, Value};

use super::{ConfigError, Configuration};
use crate::{
    services::identity::{Caller, Deed, may},
    store::things::{Record, table},
};

impl Configuration {
    /// Every reference among these fields leads to a live thing that the caller may see.
    pub(super) async fn references(
        &self,
        who: &Caller,
        of: &Thing,
        fields: &Map<String, Value>,
    ) -> Result<(), ConfigError> {
        for field in of.fields {
            let FieldKind::Ref(kind) = field.kind else { continue };
            let Some(id) = fields.get(field.name).and_then(Value::as_str) else { continue };
            let Some((target, table)) = thing(kind).zip(table(kind)) else { continue };
            if kind == "provider" {
                // By another name too; and who may make a provider may name a new one with a model of it.
                let is_known = self.catalog.snapshot().provider(id).is_some();
                if is_known || (of.kind == "model-config" && super::rules::may_make_providers(who)) {
                    continue;
                }
            }
            let found = self.record(table, id, false).await?.ok_or_else(|| ConfigError::unknown(target))?;
            let place = self.place_of(target, &found).await?;
            may(who, Deed::Read, place.place())?;
        }
        Ok(())
    }

    /// What a thing hangs on is there: it cannot come back before.
    pub(super) async fn parents_are_live(&self, of: &Thing, record: &Record) -> Result<(), ConfigError> {
        let fixed = of
            .fields
            .iter()
            .filter(|field| matches!(field.role, FieldRole::Fixed | FieldRole::FixedOptional | FieldRole::Shown));
        for field in fixed {
            let FieldKind::Ref(kind) = field.kind else { continue };
            let Some(id) = record.text(field.name) else { continue };
            let Some((target, table)) = thing(kind).zip(table(kind)) else { continue };
            let by_alias = kind == "provider" && self.catalog.snapshot().provider(id).is_some();
            if !by_alias && self.record(table, id, false).await?.is_none() {
                return Err(ConfigError::Refused(format!("Its {} is deleted; bring that back first", target.one)));
            }
        }
        Ok(())
    }
}
