#!/bin/sh
# sb_db against the stack's PostgreSQL, as the loader (who may create schemas). Run by prove with the stack's environment.
: "${SMARTER_TEST_DB:=postgresql://$PGUSER:$PGPASSWORD@$PGHOST:$PGPORT/$PGDATABASE}"
export SMARTER_TEST_DB
exec "${SMARTER_BUILD:-.}/t/store/db"
