//! How each kind of thing is shown: where its page is, and the columns and filters of its list. A new thing needs an entry
//! here and one in `nav`; forms, cells and filters follow from its description.

use crate::types::config::{self, Thing};

/// A list inside the page of the thing it belongs to: the kind, the field that names the owner, and the tab's label.
pub type Related = (&'static str, &'static str, &'static str);

pub struct Spec {
    pub path: &'static str,
    pub thing: &'static Thing,
    pub heading: &'static str,
    /// What these things are for, in one sentence.
    pub lead: &'static str,
    /// Fields that are shown as columns, in their order; the first is the link.
    pub columns: &'static [&'static str],
    /// Further columns that can be switched on.
    pub more: &'static [&'static str],
    /// Fields by which the list can be narrowed.
    pub filters: &'static [&'static str],
    pub related: &'static [Related],
    /// The field whose values are headings, while nothing else orders the list.
    pub group: &'static str,
    /// Taken away only after its name was typed.
    pub typed_delete: bool,
}

const BASE: Spec = Spec {
    path: "",
    thing: &config::SETTING,
    heading: "",
    lead: "",
    columns: &[],
    more: &[],
    filters: &[],
    related: &[],
    group: "",
    typed_delete: false,
};

pub const SPECS: &[Spec] = &[
    Spec {
        path: "/configure/models",
        thing: &config::MODEL,
        heading: "Models",
        lead: "What callers may ask for, who runs it, what it costs, and how a request becomes the provider's.",
        columns: &["display_name", "model_id", "provider_id", "capabilities", "pricing", "status"],
        more: &["rate_limits", "adapter", "upstream_model", "org_id", "created_at", "updated_at"],
        filters: &["provider_id", "capabilities", "status"],
        group: "provider_id",
        ..BASE
    },
    Spec {
        path: "/configure/providers",
        thing: &config::PROVIDER,
        heading: "Providers",
        lead: "Who runs models: wire format, base address, and how credentials are sent.",
        columns: &["display_name", "id", "adapter", "base_url", "is_active"],
        more: &["sort", "created_at", "updated_at"],
        filters: &["is_active"],
        related: &[("model-config", "provider_id", "Models")],
        ..BASE
    },
    Spec {
        path: "/configure/routing",
        thing: &config::ROUTING_RULE,
        heading: "Routing rules",
        lead: "Which model takes a request that names none, by its task type.",
        columns: &["task_type", "subtask", "provider", "model", "weight", "is_default", "is_active"],
        more: &["cost_tier", "quality_tier", "created_at", "updated_at"],
        filters: &["provider", "cost_tier", "quality_tier", "is_default", "is_active"],
        group: "task_type",
        ..BASE
    },
    Spec {
        path: "/configure/classifications",
        thing: &config::CLASSIFICATION,
        heading: "Task classifications",
        lead: "How the task type of a request is found from its words.",
        columns: &["pattern", "pattern_type", "task_type", "priority", "confidence_boost", "is_active"],
        more: &["created_at", "updated_at"],
        filters: &["pattern_type", "is_active"],
        ..BASE
    },
    Spec {
        path: "/configure/quality",
        thing: &config::QUALITY_PROFILE,
        heading: "Quality profiles",
        lead: "What is expected of results, and what becomes of those that are not good enough.",
        columns: &[
            "name",
            "instance_id",
            "task_type",
            "approve_from",
            "reject_below",
            "on_reject",
            "auto_approve",
            "is_active",
        ],
        more: &["org_id", "created_at", "updated_at"],
        filters: &["instance_id", "on_reject", "is_active"],
        ..BASE
    },
    Spec {
        path: "/configure/limits",
        thing: &config::LIMIT,
        heading: "Limits and budgets",
        lead: "How much may be asked and spent, for all, or for an organization, instance, project or key.",
        columns: &[
            "id",
            "usage",
            "requests_per_minute",
            "tokens_per_minute",
            "budget_day_micro_usd",
            "budget_month_micro_usd",
            "is_active",
        ],
        more: &[
            "tokens_per_day",
            "concurrent_requests",
            "burst_limit",
            "cooldown_seconds",
            "warn_percent",
            "created_at",
            "updated_at",
        ],
        filters: &["instance_id", "provider", "is_active"],
        ..BASE
    },
    Spec {
        path: "/configure/prompts",
        thing: &config::PROMPT,
        heading: "Prompts",
        lead: "Templates that applications use by name or by task type.",
        columns: &["name", "task_type", "description", "provider", "model", "is_default", "is_active"],
        more: &["created_at", "updated_at"],
        filters: &["provider", "is_default", "is_active"],
        ..BASE
    },
    Spec {
        path: "/integrate/keys",
        thing: &config::API_KEY,
        heading: "API keys",
        related: &[("rate-limit", "key_id", "Limits")],
        lead: "What programs sign their calls with. A secret is shown once; only its hash is kept.",
        columns: &["name", "masked", "user_id", "project_id", "scopes", "usage", "last_used_at", "expires_at"],
        more: &["instance_id", "allowed_models", "org_id", "revoked_at", "created_at"],
        filters: &["instance_id", "user_id", "project_id"],
        ..BASE
    },
    Spec {
        path: "/admin/organizations",
        thing: &config::ORGANIZATION,
        heading: "Organizations",
        lead: "Customers or departments: each has its own people, instances and records.",
        columns: &["name", "billing_email", "created_at"],
        more: &["updated_at"],
        related: &[
            ("instance", "org_id", "Instances"),
            ("user", "org_id", "People"),
            ("rate-limit", "org_id", "Limits"),
        ],
        typed_delete: true,
        ..BASE
    },
    Spec {
        path: "/admin/instances",
        thing: &config::INSTANCE,
        heading: "Instances",
        lead: "Places that calls run in: each has its own keys, credentials, limits and records.",
        columns: &["name", "instance_id", "org_id", "config", "store_contents", "created_at"],
        more: &["r2_bucket", "content_retention_days", "updated_at"],
        filters: &["org_id"],
        related: &[
            ("project", "instance_id", "Projects"),
            ("instance-access", "instance_id", "People"),
            ("api-key", "instance_id", "API keys"),
            ("rate-limit", "instance_id", "Limits"),
        ],
        typed_delete: true,
        ..BASE
    },
    Spec {
        path: "/admin/projects",
        thing: &config::PROJECT,
        heading: "Projects",
        lead: "Applications within an instance, so that keys, limits and cost can be told apart.",
        columns: &["name", "description", "instance_id", "created_at"],
        more: &["updated_at"],
        filters: &["instance_id"],
        related: &[("api-key", "project_id", "API keys"), ("rate-limit", "project_id", "Limits")],
        ..BASE
    },
    Spec {
        path: "/admin/users",
        thing: &config::USER,
        heading: "Users and roles",
        lead: "Who may sign in, and what each may do everywhere. Access to instances is on a person's page.",
        columns: &["name", "email", "role", "is_active", "last_sign_in_at", "org_id"],
        more: &["created_at", "updated_at"],
        filters: &["role", "is_active", "org_id"],
        related: &[("instance-access", "user_id", "Instances"), ("api-key", "user_id", "API keys")],
        ..BASE
    },
    Spec {
        path: "/admin/access",
        thing: &config::ACCESS,
        heading: "Instance access",
        lead: "Who may do what in which instance.",
        columns: &["user_id", "instance_id", "level", "granted_at"],
        filters: &["instance_id", "level"],
        ..BASE
    },
    Spec {
        path: "/admin/settings",
        thing: &config::SETTING,
        heading: "Settings",
        lead: "Values of the platform that apply without a restart.",
        columns: &["key", "value", "updated_at"],
        more: &["created_at"],
        ..BASE
    },
];

/// How things of a kind are shown.
pub fn spec(kind: &str) -> Option<&'static Spec> {
    SPECS.iter().find(|spec| spec.thing.kind == kind)
}

/// What a path shows.
pub fn spec_at(path: &str) -> Option<&'static Spec> {
    SPECS.iter().find(|spec| spec.path == path)
}

/// The page of a thing.
pub fn href(kind: &str, id: &str) -> Option<String> {
    spec(kind).map(|spec| format!("{}/{}", spec.path, escape(id)))
}

/// Percent-encodes all but unreserved characters, so that an id is one segment of a path.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            _ => {
                out.push('%');
                out.extend([byte >> 4, byte & 15].map(|digit| char::from(b"0123456789ABCDEF"[usize::from(digit)])));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::config::{THINGS, thing};

    #[test]
    fn every_thing_has_a_page_and_every_column_exists() {
        for thing in THINGS {
            assert!(spec(thing.kind).is_some(), "{} has no page", thing.kind);
        }
        for spec in SPECS {
            let always = ["created_at", "updated_at", "usage", spec.thing.id];
            for name in spec.columns.iter().chain(spec.more) {
                assert!(spec.thing.field(name).is_some() || always.contains(name), "{}: {name}", spec.path);
            }
            assert!(spec.group.is_empty() || spec.thing.field(spec.group).is_some(), "{}", spec.path);
            for name in spec.filters {
                assert!(spec.thing.field(name).is_some(), "{}: {name}", spec.path);
            }
            for (kind, field, _) in spec.related {
                assert!(thing(kind).is_some_and(|thing| thing.field(field).is_some()), "{kind}.{field}");
            }
        }
    }

    #[test]
    fn ids_are_one_segment() {
        assert_eq!(href("instance-access", "u:1/2").as_deref(), Some("/admin/access/u%3A1%2F2"));
        assert_eq!(href("nothing", "x"), None);
    }
}
