-- Rotated API keys, how sessions were opened, sign-ins by other issuers, and an index of the audit log.

-- A secret that a rotation has replaced; it works until its time is over.
CREATE TABLE retired_secrets (
    key_hash   BYTEA PRIMARY KEY NOT NULL,
    key_id     TEXT NOT NULL REFERENCES api_keys (key_id) ON DELETE CASCADE,
    expires_us BIGINT NOT NULL
);
CREATE INDEX retired_secrets__key_id ON retired_secrets (key_id);
CREATE INDEX retired_secrets__expires_us ON retired_secrets (expires_us);

-- `password`, `link`, or the name of an issuer.
ALTER TABLE sessions ADD COLUMN method TEXT NOT NULL DEFAULT 'password';

-- The people that issuers of OpenID Connect speak of: a subject is an issuer's own name for a person, and never changes.
CREATE TABLE user_identities (
    issuer     TEXT NOT NULL,
    subject    TEXT NOT NULL,
    user_id    TEXT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    created_us BIGINT NOT NULL,
    PRIMARY KEY (issuer, subject)
);
CREATE INDEX user_identities__user_id ON user_identities (user_id);

-- Sign-ins by an issuer that were finished: none is finished twice.
CREATE TABLE used_sign_ins (
    flow_hash  BYTEA PRIMARY KEY NOT NULL,
    expires_us BIGINT NOT NULL
);
CREATE INDEX used_sign_ins__expires_us ON used_sign_ins (expires_us);

CREATE INDEX audit_log__actor ON audit_log (org_id, actor_id, seq);
