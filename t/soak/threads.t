# t/http/sanitized.t for SANITIZED_SECONDS (default 120) with each sanitizer, with restarts of the databases and
# caches. By name only: smarterctl test t/soak/threads.t
use strict;
use warnings;

$ENV{SANITIZED_SECONDS} //= 120;
$ENV{SANITIZED_RESTARTS} = 1;
do './t/http/sanitized.t' or die $@ || $!;
