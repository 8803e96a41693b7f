-- Rows of extract_stats go by their age (smarter-extract-cleanup).
CREATE INDEX extract_stats_timestamp_idx ON {schema}.extract_stats ("timestamp");
