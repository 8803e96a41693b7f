-- What has left a pack since it was made counts less there (sql/prod/008_kept_counts.sql).
ALTER TABLE {schema}.report_pack ADD COLUMN gone bytea NOT NULL;
ALTER TABLE {schema}.report_pack ALTER COLUMN gone SET STORAGE EXTERNAL;
