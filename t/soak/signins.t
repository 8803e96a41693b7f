# t/http/signins.t with SIGNINS sign-ins (default 10000), under the thread checker and valgrind: about ten minutes. By
# name only: smarterctl test t/soak/signins.t
use strict;
use warnings;

$ENV{SIGNINS} //= 10_000;
do './t/http/signins.t' or die $@ || $!;
