# t/http/signins.t with SIGNINS sign-ins (default 10000) under the thread checker, under valgrind (SIGNINS_VALGRIND), and
# at a server as it is, whose processes may not grow by SIGNINS_GROWTH KiB while the last four tenths sign in. By name
# only, half an hour: SMARTER_TEST_SECONDS=7200 smarterctl test t/soak/signins.t
use strict;
use warnings;

$ENV{SIGNINS} //= 10_000;
$ENV{SIGNINS_GROWTH} //= 4096;
do './t/http/signins.t' or die $@ || $!;
