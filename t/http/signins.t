# Five hundred sign-ins (SIGNINS) through a server that a thread checker watches, and through one that valgrind
# watches: no race of ours, no wrong access, and nothing lost with each sign-in. t/soak/signins.t does ten thousand,
# and looks whether processes grow.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Time::HiRes 'time';
use Smarter::Sanitized;
use Smarter::Test;
use Smarter::WebLoad 'bench_program';

need('httpd', 'postgres', 'memcached', 'idp');

my $count = $ENV{SIGNINS} // 500;
my $program = bench_program('signins');
my $var = env('SMARTER_VAR');
my ($port) = env('SMARTER_URL') =~ /:(\d+)\z/;

sub signins {
    my ($stdin, @args) = @_;
    my $r = Smarter::Test::run({ timeout => 900, $stdin ? (stdin => $stdin) : () }, $program, @args);
    return $r->{exit} ? "failed: $r->{err}$r->{out}" : $r->{out};
}

# Sign so many in at that server, by so many browsers at once. Seconds; 0: not all got in.
sub sign_them_in {
    my ($server, $n, $browsers) = @_;
    my $answers = spew(tmpdir() . '/answers', signins(undef, 'make', env('SMARTER_INI'), "$var/tls/idp.key", "$var/tls/idp.pem", $n));
    my $told = signins($answers, 'post', "localhost:" . ($server->url('') =~ /:(\d+)\z/)[0], env('SMARTER_CA'), "__Host-signin-$port", $browsers);
    unlink $answers;
    my ($done, $seconds) = $told =~ /\A(\d+) (\S+)$/m;
    is($done, $n, "$n signed in") or diag($told);
    return $seconds;
}

subtest 'threads' => sub {
    my $server = Smarter::Sanitized->new('thread');
    sign_them_in($server, $count, 12);
    my @findings = $server->stop;
    is(scalar @findings, 0, 'no race of ours') or diag(map { substr($_, 0, 6000) . "\n" } @findings[0 .. ($#findings > 2 ? 2 : $#findings)]);
};

subtest 'memory' => sub {
    my $server = Smarter::Sanitized->new('memory');
    my $begun = time;
    sign_them_in($server, $count, 4);
    note sprintf '%.0f s', time - $begun;
    my @ended = $server->stop;
    is("@ended", '', 'no process ended badly');
    my ($wrong, $lost, $looked) = $server->memory;
    cmp_ok($looked, '>=', 2, 'valgrind has looked through the memory of both processes at their end');
    is(scalar @$wrong, 0, 'no wrong access') or diag(map { "$_\n" } @$wrong[0 .. ($#$wrong > 2 ? 2 : $#$wrong)]);
    my @each = grep { $_->[0] >= $count / 2 } @$lost;
    is(scalar @each, 0, 'nothing is lost with each sign-in, by us or by libraries') or diag(map { "$_->[1]\n" } @each);
    my @ours = grep { $_->[1] =~ /libsb|mod_smarter/ && $_->[1] !~ /sb_saml_make|lasso_init/ } @$lost;
    is(scalar @ours, 0, 'nothing is lost by us at all') or diag(map { "$_->[1]\n" } @ours[0 .. ($#ours > 5 ? 5 : $#ours)]);
    ok(-s ($server->{dir} . '/access.log'), 'and it is the watched server that answered');
};

finish();
