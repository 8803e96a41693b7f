# shellcheck shell=sh
# The workers, each under a supervisor that starts it again when it ends.

workers_ready() { false; }
workers_processes() { echo worker; }
workers_stop() { :; }
