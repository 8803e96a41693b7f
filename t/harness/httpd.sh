# shellcheck shell=sh
# httpd, worker MPM: the checkout's conf.d/smarter.conf on this stack's ports.

httpd_ready() { false; }
httpd_stop() { halt httpd TERM 10; }
