# A broken configuration is found before anything is stopped, an edited one survives, and a server
# that runs keeps running.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Smarter::Test;

need('httpd');

sub ctl {
    my $r = Smarter::Test::run({ timeout => 300 }, top() . '/smarterctl', @_);
    return ($r->{exit}, $r->{out} . $r->{err});
}

my $ini = env('SMARTER_INI');
my $good = slurp($ini);
my $httpd = server_pid('httpd');

# Written in place: owner and mode stay.
spew($ini, $good =~ s/^(edware\.db\.nc\.pool_size.*\n)?(edware\.db\.nc\.state_code)/edware.db.nc.pool_size = many\n$2/mr);
my ($code, $out) = ctl('restart', 'httpd');
isnt($code, 0, 'restart with a broken ini refuses');
like($out, qr/pool_size/, 'naming the key');
like($out, qr/many/, 'and the value');
is(server_pid('httpd'), $httpd, 'and httpd runs on');
is(get('/services/ready')->{status}, 200, 'and answers');

($code, $out) = ctl('up');
isnt($code, 0, 'up says so too');

spew($ini, "# a remark of the operator\n$good");
($code, $out) = ctl('restart', 'httpd');
is($code, 0, 'an edited, sound ini is taken') or diag $out;
isnt(server_pid('httpd'), $httpd, 'by a new server');
is(get('/services/ready')->{status}, 200, 'which answers');
like(slurp($ini), qr/a remark of the operator/, 'and the edit stays');

spew($ini, $good);
($code, $out) = ctl('restart', 'httpd');
is($code, 0, 'and back again') or diag $out;

finish();
