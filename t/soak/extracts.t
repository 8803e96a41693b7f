# t/extract/sanitized.t for SANITIZED_SECONDS (default 120). By name only: smarterctl test t/soak/extracts.t
use strict;
use warnings;

$ENV{SANITIZED_SECONDS} //= 120;
do './t/extract/sanitized.t' or die $@ || $!;
