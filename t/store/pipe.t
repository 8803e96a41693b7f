#!/bin/sh
# Several statements in one round trip, against the stack's PostgreSQL. Run by prove with the stack's environment.
: "${SMARTER_TEST_DB:=postgresql://$PGUSER:$PGPASSWORD@$PGHOST:$PGPORT/$PGDATABASE}"
export SMARTER_TEST_DB
exec "${SMARTER_BUILD:-.}/t/store/pipe"
