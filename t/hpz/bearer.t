# Programs fetch their files from the pickup zone by a bearer token, as t/http/bearer.t has it of reports.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Smarter::Test;
use Smarter::Pickup;
use Smarter::Verifier;

need('pickup', 'httpd');

my $as = Smarter::Verifier->new;
my %ini = $as->ini;
my %before = map { $_ => slurp($_) } env('SMARTER_PICKUP_INI'), env('SMARTER_INI');
for my $file (sort keys %before) {
    my $lines = join '', map { "$_ = $ini{$_}\n" } sort keys %ini;
    spew($file, $before{$file} =~ s/^(\[app:main\]\n)/$1$lines/mr);
}

END {
    my $status = $?;
    if (%before) {
        spew($_, $before{$_}) for keys %before;
        stack('reload');
    }
    $? = $status;
}

stack('reload');
my ($tenant, $state) = (env('SMARTER_TENANT'), env('SMARTER_STATE'));
my %token = map { $_ => $as->give($_, roles => [['GENERAL', $tenant, $state]]) } qw(carl dora);
my $file = file_of(10_000);
my $id = announce('guid-carl');
is(deliver($id, $file)->{status}, 200, 'a file is there');
sub by { my ($who, %opt) = @_; return get(outside("/file/$id"), headers => bearer($token{$who} // $who), %opt) }
my $answer;
wait_until(30, 'the external face to know of tokens', sub { $answer = by('carl'); $answer->{status} == 200 });
ok($answer->{body} eq slurp($file), 'its owner gets it, byte for byte');
is_deeply($answer->{cookies}, [], 'and no cookie');
is(by('dora')->{status}, 404, 'another one is told that there is none');
wait_until(10, 'all processes to be new ones', sub { !grep { by('nobody')->{status} != 401 } 1 .. 10 });
$answer = by('nobody');
like($answer->{headers}{'www-authenticate'}, qr/\ABearer .*error="invalid_token"/, 'a token that nobody vouches for: 401');
is(get(outside("/validate/$id"), headers => bearer($token{carl}))->{status}, 403, 'pages of people are not for programs');
is(by('carl', jar => sign_in_outside('state'))->{status}, 400, 'a session beside it: neither');
wait_until(30, 'the reporting application to know of tokens', sub { get('/services/userinfo', headers => bearer($token{carl}))->{status} == 200 });
is_deeply([sort @{ json(get('/services/userinfo', headers => bearer($token{carl})))->{user_info}{_User__info}{tenant} }], [$tenant],
    'what one application learnt of a token does not stand for another one');
finish();
