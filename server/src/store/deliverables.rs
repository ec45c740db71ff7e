//! What requests produced, and what became of it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{rows::insert_rows, sql::Sql};

/// A row of `deliverables`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, sqlx::FromRow)]
pub struct DeliverableRow {
    pub id: String,
    pub request_id: String,
    pub org_id: String,
    pub instance_id: String,
    /// `text`, `image_url`, `audio_url`, `video_url` or `json`.
    pub content_type: String,
    pub content: String,
    pub provider_response: Option<Value>,
    /// 0 to 1.
    pub quality_score: f64,
    /// `{"passed", "approved", "issues": [...], …}`.
    pub quality_metadata: Value,
    /// `pending_review`, `approved`, `rejected`, `processing`, `delivered` or `failed`.
    pub status: String,
    /// `{"content", "content_type"}` once it is delivered.
    pub final_output: Option<Value>,
    /// `{"steps": [...]}`.
    pub post_processing_chain: Option<Value>,
    pub post_processing_status: Option<String>,
    /// Who reviews it now, and until when it is theirs.
    pub claimed_by: Option<String>,
    pub claimed_until_us: Option<i64>,
    pub reviewed_by: Option<String>,
    pub reviewed_us: Option<i64>,
    pub review_reason: Option<String>,
    pub delivered_us: Option<i64>,
    pub created_us: i64,
    pub updated_us: i64,
}

pub(in crate::store) const INSERT_DELIVERABLES: Sql = insert_rows!("deliverables";
    text id, text request_id, text org_id, text instance_id, text content_type, text content, json provider_response,
    real quality_score, json quality_metadata, text status, json final_output, json post_processing_chain,
    text post_processing_status, text claimed_by, int claimed_until_us, text reviewed_by, int reviewed_us,
    text review_reason, int delivered_us, int created_us, int updated_us);
