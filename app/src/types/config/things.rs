use super::{
    Field,
    FieldKind::{self, *},
    FieldRole::{self, *},
    Owner, Thing,
};

const fn field(role: FieldRole, name: &'static str, kind: FieldKind, label: &'static str, help: &'static str) -> Field {
    Field { name, label, help, kind, role }
}

/// Every thing, in the order in which one depends on another.
pub const THINGS: &[&Thing] = &[
    &ORGANIZATION,
    &INSTANCE,
    &PROJECT,
    &USER,
    &ACCESS,
    &API_KEY,
    &PROVIDER,
    &MODEL,
    &LIMIT,
    &PROMPT,
    &CLASSIFICATION,
    &ROUTING_RULE,
    &QUALITY_PROFILE,
    &SETTING,
];

pub const ROLES: &[&str] = &["user", "admin", "superadmin"];
pub const LEVELS: &[&str] = &["readonly", "user", "admin", "owner"];
pub const SCOPES: &[&str] = &["generate", "jobs", "read", "admin"];
pub const MODEL_STATUSES: &[&str] = &["active", "beta", "deprecated"];
pub const PATTERN_TYPES: &[&str] = &["keyword", "regex", "ml_label"];
pub const COST_TIERS: &[&str] = &["low", "medium", "high"];
pub const ON_REJECT: &[&str] = &["fail", "retry", "review"];
pub const QUALITY_TIERS: &[&str] = &["standard", "premium"];

pub const ORGANIZATION: Thing = Thing {
    kind: "organization",
    id: "org_id",
    title: "name",
    one: "organization",
    many: "organizations",
    named: false,
    owner: Owner::Organization,
    fields: &[
        field(Required, "name", Line, "Name", "How people know the organization."),
        field(Optional, "billing_email", Email, "Billing e-mail", "Where questions about cost go."),
    ],
};

pub const INSTANCE: Thing = Thing {
    kind: "instance",
    id: "instance_id",
    title: "name",
    one: "instance",
    many: "instances",
    named: false,
    owner: Owner::Instance,
    fields: &[
        field(Fixed, "org_id", Ref("organization"), "Organization", "Whose instance it is."),
        field(Required, "name", Line, "Name", "Callers may name the instance by it."),
        field(Optional, "api_keys", Json, "API keys", "Free JSON for your own use. Secrets do not belong here."),
        field(
            Optional,
            "rate_limits",
            Json,
            "Rate limits",
            "Free JSON for your own use; limits in force are under Limits.",
        ),
        field(Optional, "worker_urls", Json, "Worker addresses", "Free JSON for your own use."),
        field(Optional, "r2_bucket", Line, "Storage bucket", "Where generated media is kept."),
        field(
            Optional,
            "config",
            Json,
            "Configuration",
            "Limits per provider as {\"rate_limits\": {\"openai\": {\"rpm\", \"tpm\"}}}.",
        ),
        field(Optional, "store_contents", Flag, "Keep contents", "Keep what was asked and answered, for history."),
        field(
            Optional,
            "content_retention_days",
            Whole(1),
            "Keep contents for (days)",
            "Contents older than this are deleted.",
        ),
    ],
};

pub const PROJECT: Thing = Thing {
    kind: "project",
    id: "project_id",
    title: "name",
    one: "project",
    many: "projects",
    named: false,
    owner: Owner::Instance,
    fields: &[
        field(Fixed, "instance_id", Ref("instance"), "Instance", "Where the project's calls run."),
        field(Required, "name", Line, "Name", "How people know the project."),
        field(Optional, "description", Text, "Description", "What the project is for."),
        field(Optional, "config", Json, "Configuration", "Free JSON for your own use."),
    ],
};

pub const USER: Thing = Thing {
    kind: "user",
    id: "user_id",
    title: "name",
    one: "user",
    many: "users",
    named: false,
    owner: Owner::Organization,
    fields: &[
        field(Fixed, "org_id", Ref("organization"), "Organization", "Where the person belongs."),
        field(Required, "email", Email, "E-mail", "The person signs in with it; unique."),
        field(Required, "name", Line, "Name", "How others see the person."),
        field(
            Optional,
            "role",
            Choice(ROLES),
            "Role",
            "Admins may do everything in their organization, superadmins everywhere.",
        ),
        field(Optional, "is_active", Flag, "Active", "An inactive person cannot sign in, and their keys stop working."),
        field(Shown, "last_sign_in_at", Time, "Last sign-in", "When the person last signed in."),
    ],
};

/// Its id is `<user_id>:<instance_id>`.
pub const ACCESS: Thing = Thing {
    kind: "instance-access",
    id: "id",
    title: "user_id",
    one: "access",
    many: "accesses",
    named: false,
    owner: Owner::Instance,
    fields: &[
        field(Fixed, "user_id", Ref("user"), "User", "Who may work in the instance."),
        field(Fixed, "instance_id", Ref("instance"), "Instance", "Where."),
        field(
            Required,
            "level",
            Choice(LEVELS),
            "Level",
            "Readers look, users generate, admins configure, owners may delete.",
        ),
        field(Shown, "granted_at", Time, "Granted", "When the access was granted."),
    ],
};

/// Making, rotating and revoking have routes of their own.
pub const API_KEY: Thing = Thing {
    kind: "api-key",
    id: "key_id",
    title: "name",
    one: "API key",
    many: "API keys",
    named: false,
    owner: Owner::Instance,
    fields: &[
        field(Shown, "org_id", Ref("organization"), "Organization", "Whose key it is."),
        field(Fixed, "instance_id", Ref("instance"), "Instance", "The one instance the key opens."),
        field(FixedOptional, "user_id", Ref("user"), "User", "The person the key acts for."),
        field(
            FixedOptional,
            "project_id",
            Ref("project"),
            "Project",
            "The project the key acts for, in place of a person.",
        ),
        field(Required, "name", Line, "Name", "Where the key is used."),
        field(
            Optional,
            "scopes",
            Words,
            "Scopes",
            "What the key may do: generate, jobs, read, admin. None means everything its owner may.",
        ),
        field(Optional, "allowed_models", Words, "Models", "The models the key may use. None means all."),
        field(Optional, "expires_at", Time, "Expires", "When the key stops working."),
        field(Shown, "masked", Line, "Key", "Its first eight and last four characters."),
        field(Shown, "last_used_at", Time, "Last used", "When the key was last shown, within a minute."),
        field(Shown, "revoked_at", Time, "Revoked", "When the key was revoked."),
    ],
};

pub const PROVIDER: Thing = Thing {
    kind: "provider",
    id: "id",
    title: "display_name",
    one: "provider",
    many: "providers",
    named: true,
    owner: Owner::Platform,
    fields: &[
        field(Required, "display_name", Line, "Name", "How people know the provider."),
        field(
            Optional,
            "adapter",
            Line,
            "Wire format",
            "openai, anthropic, gemini, cohere or mapped. None: its results are delivered from outside.",
        ),
        field(Required, "base_url", Url, "Base address", "What the paths of calls are joined to."),
        field(
            Optional,
            "credential",
            Json,
            "Credential rule",
            "{\"header\", \"prefix\"} or {\"query\"}, and \"env\": names of environment variables.",
        ),
        field(Optional, "config", Json, "Configuration", "aliases, headers, mapping_base_url, timeout_ms."),
        field(Optional, "is_active", Flag, "Active", "Calls to an inactive provider are refused."),
        field(Optional, "sort", Whole(0), "Place in lists", "Smaller comes first."),
    ],
};

pub const MODEL: Thing = Thing {
    kind: "model-config",
    id: "config_id",
    title: "display_name",
    one: "model",
    many: "models",
    named: false,
    owner: Owner::Organization,
    fields: &[
        field(Fixed, "model_id", Line, "Model id", "The name callers use: lower-case letters, digits and hyphens."),
        field(Fixed, "provider_id", Ref("provider"), "Provider", "Who runs the model."),
        field(Required, "display_name", Line, "Name", "How people know the model."),
        field(Optional, "description", Text, "Description", "What the model is good at."),
        field(Required, "capabilities", Json, "Capabilities", "{\"text\": true}: what the model makes."),
        field(Optional, "pricing", Json, "Pricing", "What its use costs."),
        field(Optional, "rate_limits", Json, "Rate limits", "{\"rpm\", \"tpm\"} for each instance."),
        field(
            Required,
            "payload_mapping",
            Json,
            "Payload mapping",
            "How a request becomes the provider's, and its answer ours.",
        ),
        field(Optional, "prompt_template", Json, "Prompt template", "What is added to every prompt."),
        field(Optional, "adapter", Line, "Wire format", "The provider's own format; mapped uses the payload mapping."),
        field(Optional, "upstream_model", Line, "Name at the provider", "The model id, where it is not the same."),
        field(Optional, "parameters", Json, "Parameters", "context, max_output, supports, lacks, deprecation_date."),
        field(
            FixedOptional,
            "org_id",
            Ref("organization"),
            "Organization",
            "Only this organization sees it. None: everyone.",
        ),
        field(Required, "status", Choice(MODEL_STATUSES), "Status", "Deprecated models still answer."),
    ],
};

/// A limit counts the calls that match everything it names.
pub const LIMIT: Thing = Thing {
    kind: "rate-limit",
    id: "id",
    title: "id",
    one: "limit",
    many: "limits",
    named: false,
    owner: Owner::Instance,
    fields: &[
        field(FixedOptional, "org_id", Ref("organization"), "Organization", "Counts the calls of this organization."),
        field(FixedOptional, "instance_id", Ref("instance"), "Instance", "Counts the calls of this instance."),
        field(FixedOptional, "project_id", Ref("project"), "Project", "Counts the calls of this project's keys."),
        field(FixedOptional, "key_id", Ref("api-key"), "API key", "Counts the calls of this key."),
        field(FixedOptional, "provider", Ref("provider"), "Provider", "Counts calls to this provider only."),
        field(FixedOptional, "model", Line, "Model", "Counts calls of this model only."),
        field(Optional, "requests_per_minute", Whole(0), "Requests per minute", "Empty: no limit."),
        field(Optional, "tokens_per_minute", Whole(0), "Tokens per minute", "Empty: no limit."),
        field(Optional, "tokens_per_day", Whole(0), "Tokens per day", "Empty: no limit. Days begin at midnight UTC."),
        field(Optional, "concurrent_requests", Whole(0), "Calls at a time", "Empty: no limit."),
        field(Optional, "burst_limit", Whole(1), "Burst", "Most requests within one second."),
        field(Optional, "cooldown_seconds", Whole(0), "Cooldown (s)", "Least time until the next try is advised."),
        field(
            Optional,
            "budget_day_micro_usd",
            Money,
            "Budget per day",
            "Calls stop when it is spent. Days begin at midnight UTC.",
        ),
        field(
            Optional,
            "budget_month_micro_usd",
            Money,
            "Budget per month",
            "Calls stop when it is spent. Months begin on the first, UTC.",
        ),
        field(Optional, "warn_percent", Whole(1), "Warn at (%)", "Share of a budget at which a warning appears."),
        field(Optional, "is_active", Flag, "Active", "An inactive limit does not count."),
    ],
};

pub const PROMPT: Thing = Thing {
    kind: "prompt",
    id: "id",
    title: "name",
    one: "prompt",
    many: "prompts",
    named: false,
    owner: Owner::Platform,
    fields: &[
        field(Required, "task_type", Line, "Task type", "text, image, audio, …"),
        field(Required, "name", Line, "Name", "How people know the prompt."),
        field(Optional, "description", Text, "Description", "When to use it."),
        field(Required, "template", Text, "Template", "With {user_query} and {context} where they belong."),
        field(Optional, "variables", Json, "Variables", "JSON schema of further variables."),
        field(Optional, "provider", Ref("provider"), "Provider", "The provider it was written for."),
        field(Optional, "model", Line, "Model", "The model it was written for."),
        field(Optional, "is_default", Flag, "Default", "Used for its task type when none is named."),
        field(Optional, "is_active", Flag, "Active", "An inactive prompt is not offered."),
    ],
};

pub const CLASSIFICATION: Thing = Thing {
    kind: "task-classification",
    id: "id",
    title: "pattern",
    one: "task classification",
    many: "task classifications",
    named: false,
    owner: Owner::Platform,
    fields: &[
        field(Required, "pattern", Line, "Pattern", "Words separated by |, or a regular expression."),
        field(Required, "pattern_type", Choice(PATTERN_TYPES), "Kind of pattern", "Keywords match whole words."),
        field(Required, "task_type", Line, "Task type", "What a request that matches is."),
        field(Optional, "confidence_boost", Number, "Confidence boost", "Added to the confidence of a match."),
        field(Optional, "priority", Whole(0), "Priority", "Higher is tried first."),
        field(Optional, "is_active", Flag, "Active", "An inactive rule is not used."),
    ],
};

pub const ROUTING_RULE: Thing = Thing {
    kind: "routing-rule",
    id: "id",
    title: "task_type",
    one: "routing rule",
    many: "routing rules",
    named: false,
    owner: Owner::Platform,
    fields: &[
        field(Required, "task_type", Line, "Task type", "What is routed."),
        field(Optional, "subtask", Line, "Subtask", "A part of the task type."),
        field(Required, "provider", Ref("provider"), "Provider", "Where it goes."),
        field(Required, "model", Line, "Model", "Which model takes it."),
        field(Optional, "weight", Whole(0), "Weight", "Share among rules that match alike."),
        field(Optional, "cost_tier", Choice(COST_TIERS), "Cost tier", "What a call costs, roughly."),
        field(Optional, "quality_tier", Choice(QUALITY_TIERS), "Quality tier", "How good the result is, roughly."),
        field(Optional, "is_default", Flag, "Default", "Used when no other rule matches."),
        field(Optional, "is_active", Flag, "Active", "An inactive rule is not used."),
    ],
};

pub const QUALITY_PROFILE: Thing = Thing {
    kind: "quality-profile",
    id: "id",
    title: "name",
    one: "quality profile",
    many: "quality profiles",
    named: false,
    owner: Owner::Instance,
    fields: &[
        field(Required, "name", Line, "Name", "How people know the profile."),
        field(FixedOptional, "org_id", Ref("organization"), "Organization", "Holds in all of its instances."),
        field(FixedOptional, "instance_id", Ref("instance"), "Instance", "Holds in this instance."),
        field(
            FixedOptional,
            "task_type",
            Line,
            "Task type",
            "Holds for this type of task; the most specific profile wins.",
        ),
        field(
            Optional,
            "approve_from",
            Number,
            "Approve from",
            "From this score on a result without issues is good: 0 to 1.",
        ),
        field(Optional, "reject_below", Number, "Reject below", "Below this score a result is bad: 0 to 1."),
        field(Optional, "json_schema", Json, "JSON Schema", "What results have to look like, if they are JSON."),
        field(
            Optional,
            "on_reject",
            Choice(ON_REJECT),
            "When bad",
            "The request fails, is tried again, or a person decides.",
        ),
        field(
            Optional,
            "auto_approve",
            Flag,
            "Approve by itself",
            "Off: a person looks at everything that is not bad.",
        ),
        field(Optional, "is_active", Flag, "Active", "An inactive profile does not count."),
    ],
};

pub const SETTING: Thing = Thing {
    kind: "setting",
    id: "key",
    title: "key",
    one: "setting",
    many: "settings",
    named: true,
    owner: Owner::Platform,
    fields: &[field(Required, "value", Json, "Value", "An object.")],
};
