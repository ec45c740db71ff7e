-- Names that end in _at are those of times.
ALTER TABLE quality_profiles RENAME COLUMN approve_at TO approve_from;
