#!/bin/sh
# sb_mq against the stack's broker, on the loader's virtual host. Run by prove with the stack's environment.
SMARTER_AMQP_URL=$SMARTER_AMQP_URL/edudl SMARTER_TLS_DIR=$SMARTER_VAR/tls exec "${SMARTER_BUILD:-.}/t/stack/mq"
