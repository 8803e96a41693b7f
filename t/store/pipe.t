#!/bin/sh
# Several statements in one round trip, against the stack's PostgreSQL. Run by prove with the stack's environment.
: "${SMARTER_TEST_DB:=postgresql://$PGUSER:$PGPASSWORD@$PGHOST:$PGPORT/$PGDATABASE}"
# What is freed would stay in use with AddressSanitizer, and the test looks at how much that is.
ASAN_OPTIONS="quarantine_size_mb=1:thread_local_quarantine_size_kb=64${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
export SMARTER_TEST_DB ASAN_OPTIONS
exec "${SMARTER_BUILD:-.}/t/store/pipe"
