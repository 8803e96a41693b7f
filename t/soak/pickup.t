# t/hpz/sanitized.t for SANITIZED_SECONDS (default 120), under valgrind besides. By name only: smarterctl test
# t/soak/pickup.t
use strict;
use warnings;

$ENV{SANITIZED_SECONDS} //= 120;
$ENV{SANITIZERS} //= 'address thread memory';
do './t/hpz/sanitized.t' or die $@ || $!;
