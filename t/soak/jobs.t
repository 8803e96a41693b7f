# t/jobs/kill.t with a longer job and another seed each time: SMARTER_SOAK_SEED repeats one, SMARTER_SOAK_PARTS
# says how long (default 3000 tasks, a minute and a half; at most 4999).
use strict;
use warnings;
use FindBin;

$ENV{SMARTER_SOAK_SEED} //= time % 100_000;
$ENV{SMARTER_SOAK_PARTS} //= 3000;
exec $^X, "$FindBin::Bin/../jobs/kill.t";
