#!/bin/sh
# The book of sessions, against the stack's PostgreSQL and memcached. Run by prove with the stack's environment.
exec "${SMARTER_BUILD:-.}/t/store/sessions"
